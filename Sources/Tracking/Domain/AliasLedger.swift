public import SlipwayCore

/// What every alias pointed at, when, and who moved it why: written with each move, never changed.
public protocol AliasLedger: Sendable {
    /// The moves of a model's aliases, newest first.
    ///
    /// - Parameters:
    ///   - alias: Only this one; all when `nil`.
    ///   - before: Only moves with a lower sequence; pages stay right while new moves come in.
    /// - Throws: `not_found` for a model that neither is nor was in the registry.
    func aliasMoves(of model: String, alias: String?, limit: Int, before: Int64?) async throws -> AliasHistory
    /// What the model's aliases pointed at then, in the order of their names.
    ///
    /// - Parameter after: Only aliases whose names come after this one.
    /// - Throws: `not_found` for a model that neither is nor was in the registry.
    func aliases(of model: String, alias: String?, asOf time: Timestamp, limit: Int, after: String?) async throws -> AliasSnapshot
}

/// One move of one alias: set, moved or removed.
public struct AliasMove: Sendable, Hashable {
    /// Grows with every move of any alias; never given out twice.
    public let sequence: Int64
    public let model: String
    public let alias: String
    /// What it pointed at before; `nil` when it was not there.
    public let from: Int64?
    /// What it points at since; `nil` when it was removed.
    public let to: Int64?
    public let time: Timestamp
    public let origin: ChangeOrigin

    public init(sequence: Int64, model: String, alias: String, from: Int64?, to: Int64?, time: Timestamp, origin: ChangeOrigin) {
        self.sequence = sequence
        self.model = model
        self.alias = alias
        self.from = from
        self.to = to
        self.time = time
        self.origin = origin
    }
}

/// A page of moves, newest first.
public struct AliasHistory: Sendable, Hashable, Codable {
    public let model: String
    /// Since when moves are written down: what was before is not known.
    public let recordedSince: Timestamp
    public let moves: [AliasMove]
    public let nextPageToken: String?

    enum CodingKeys: String, CodingKey {
        case model, moves
        case recordedSince = "recorded_since"
        case nextPageToken = "next_page_token"
    }

    public init(model: String, recordedSince: Timestamp, moves: [AliasMove], nextPageToken: String?) {
        self.model = model
        self.recordedSince = recordedSince
        self.moves = moves
        self.nextPageToken = nextPageToken
    }
}

/// What aliases pointed at in one moment: for each the move by which it had come there.
public struct AliasSnapshot: Sendable, Hashable, Codable {
    public let model: String
    public let asOf: Timestamp
    public let recordedSince: Timestamp
    public let aliases: [AliasMove]
    public let nextPageToken: String?

    enum CodingKeys: String, CodingKey {
        case model, aliases
        case asOf = "as_of"
        case recordedSince = "recorded_since"
        case nextPageToken = "next_page_token"
    }

    public init(model: String, asOf: Timestamp, recordedSince: Timestamp, aliases: [AliasMove], nextPageToken: String?) {
        self.model = model
        self.asOf = asOf
        self.recordedSince = recordedSince
        self.aliases = aliases
        self.nextPageToken = nextPageToken
    }
}

/// The form on the wire, flat; what is not known is `null`, never left out.
extension AliasMove: Codable {
    enum CodingKeys: String, CodingKey {
        case sequence, model, alias, timestamp, time, actor, reason, commit, proof
        case from = "from_version"
        case to = "to_version"
        case actorKind = "actor_kind"
    }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        self.init(
            sequence: try container.decode(Int64.self, forKey: .sequence),
            model: try container.decode(String.self, forKey: .model),
            alias: try container.decode(String.self, forKey: .alias),
            from: try container.decodeIfPresent(Int64.self, forKey: .from),
            to: try container.decodeIfPresent(Int64.self, forKey: .to),
            time: try container.decode(Timestamp.self, forKey: .timestamp),
            origin: ChangeOrigin(
                actor: .init(
                    name: try container.decode(String.self, forKey: .actor),
                    kind: try container.decode(ChangeOrigin.Actor.Kind.self, forKey: .actorKind)
                ),
                reason: try container.decode(String.self, forKey: .reason),
                commit: try container.decodeIfPresent(CommitID.self, forKey: .commit),
                proof: try container.decodeIfPresent(Digest.self, forKey: .proof)
            )
        )
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(sequence, forKey: .sequence)
        try container.encode(model, forKey: .model)
        try container.encode(alias, forKey: .alias)
        try container.encode(from, forKey: .from)
        try container.encode(to, forKey: .to)
        try container.encode(time, forKey: .timestamp)
        try container.encode(time.description, forKey: .time)
        try container.encode(origin.actor.name, forKey: .actor)
        try container.encode(origin.actor.kind, forKey: .actorKind)
        try container.encode(origin.reason, forKey: .reason)
        try container.encode(origin.commit, forKey: .commit)
        try container.encode(origin.proof, forKey: .proof)
    }
}
