public import SlipwayCore

/// Who makes a change to the registry, why, and on what ground: what the alias ledger writes down.
///
/// It travels with the task, not through every signature: a server sets it around the call that it
/// answers, a client sends ``current`` along, and the store reads it once when a write begins. What knows
/// the caller better (a token that was checked) sets its ``Actor`` further out.
public struct ChangeOrigin: Sendable, Hashable {
    public var actor: Actor
    /// In the caller's words; empty when none were given.
    public var reason: String
    /// The commit of the release repository that asks for the change.
    public var commit: CommitID?
    /// The proof of what stood when the change was made.
    public var proof: Digest?

    @TaskLocal public static var current = ChangeOrigin()

    public init(actor: Actor = .anonymous, reason: String = "", commit: CommitID? = nil, proof: Digest? = nil) {
        self.actor = actor
        self.reason = reason
        self.commit = commit
        self.proof = proof
    }

    /// Who it is, and how that is known.
    public struct Actor: Sendable, Hashable {
        public enum Kind: String, Sendable, Codable, CaseIterable {
            /// Nothing is known.
            case anonymous
            /// The caller says so; nobody has checked.
            case claimed
            /// The name of a token that was checked.
            case token
            /// This environment's reconciler, shown by its secret.
            case reconciler
            /// The server itself.
            case server
        }

        public let name: String
        public let kind: Kind

        public init(name: String, kind: Kind) {
            self.name = name
            self.kind = kind
        }

        public static let anonymous = Actor(name: "anonymous", kind: .anonymous)
        public static let reconciler = Actor(name: "reconciler", kind: .reconciler)
        public static let server = Actor(name: "server", kind: .server)

        /// Whether the name was checked, and so stands above what a header claims.
        public var isVerified: Bool {
            switch kind {
            case .token, .reconciler, .server: true
            case .anonymous, .claimed: false
            }
        }
    }
}

/// The headers that carry a ``ChangeOrigin``; values are percent-encoded UTF-8.
public enum ChangeHeader {
    public static let actor = "x-slipway-actor"
    public static let reason = "x-slipway-reason"
    public static let commit = "x-slipway-commit"
    public static let proof = "x-slipway-proof"
    /// The secret that only the environment's reconciler has.
    public static let reconciler = "x-slipway-reconciler"
}

public enum ChangeLimits {
    public static let actorBytesMax = 128
    public static let reasonBytesMax = 1_000
}
