public import SlipwayCore

/// One transition and its place in the chain, as an in-toto Statement v1.
///
/// ``payload`` is canonical JSON, and it is all that is signed: the same statement is always the same
/// bytes. https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md
public struct Statement: Sendable, Equatable {
    public static let type = "https://in-toto.io/Statement/v1"
    public static let predicateType = "https://slipway.dev/proof/v1"
    /// The subject of a statement about no artifact: the canonical bytes of what was observed. A
    /// Statement needs at least one.
    static let observedSubject = "slipway:observed"

    public let transition: Transition
    /// 1 is the first of a log; each next one is one more.
    public let sequence: Int
    /// The digest of the envelope before this one; `nil` for the first.
    public let previous: Digest?

    public init(_ transition: Transition, sequence: Int, previous: Digest?) {
        self.transition = transition
        self.sequence = sequence
        self.previous = previous
    }

    public var payload: [UInt8] { json.canonicalBytes }

    private var json: JSONValue {
        [
            "_type": .string(Self.type),
            "subject": .array(subjects.map { ["name": .string($0.name), "digest": ["sha256": .string($0.digest.hex)]] }),
            "predicateType": .string(Self.predicateType),
            "predicate": predicate,
        ]
    }

    private var subjects: [(name: String, digest: Digest)] {
        guard !transition.subjects.isEmpty else {
            return [(Self.observedSubject, Digest(of: transition.observed.canonicalBytes))]
        }
        return transition.subjects
            .sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }
            .map { ($0.key, $0.value) }
    }

    private var predicate: JSONValue {
        var members: [String: JSONValue] = [
            "kind": .string(transition.kind),
            "environment": .string(transition.environment.text),
            "model": .string(transition.model.text),
            "observed": transition.observed,
            "verdict": .string(transition.verdict.rawValue),
            "time": .int(transition.time.milliseconds),
            "sequence": .int(Int64(sequence)),
        ]
        if let version = transition.version { members["version"] = .int(Int64(version.number)) }
        if let run = transition.run { members["run"] = .string(run.text) }
        if let commit = transition.commit { members["commit"] = .string(commit.text) }
        if let previous { members["previous"] = .string(previous.text) }
        return .object(members)
    }
}

extension Statement {
    /// Reads a payload, and accepts only what this type itself would write for what it says.
    ///
    /// - Throws: `corrupt` that names the field.
    public init(parsing payload: [UInt8]) throws(PlatformError) {
        let json: JSONValue
        do {
            json = try JSONValue(parsing: payload, depthMax: ProofLimits.depthMax)
        } catch {
            throw PlatformError(.corrupt, "the statement is not JSON: \(error.message)", cause: error)
        }
        try Self.expect("_type", json["_type"], Self.type)
        try Self.expect("predicateType", json["predicateType"], Self.predicateType)
        let fields = Fields(json["predicate"])
        let transition = Transition(
            kind: try fields.text("kind"),
            environment: try fields.checked("environment"),
            model: try fields.checked("model"),
            version: try fields.version("version"),
            run: try fields.optional("run"),
            commit: try fields.optional("commit"),
            subjects: try Self.subjects(json["subject"]),
            observed: json["predicate"]?["observed"] ?? .null,
            verdict: try fields.verdict("verdict"),
            time: Timestamp(milliseconds: try fields.integer("time"))
        )
        self.init(
            transition,
            sequence: Int(clamping: try fields.integer("sequence")),
            previous: try fields.optional("previous")
        )
        guard self.payload == payload else {
            throw PlatformError(.corrupt, "the statement is not in its canonical form, or has members that it must not have")
        }
    }

    private static func subjects(_ value: JSONValue?) throws(PlatformError) -> [String: Digest] {
        guard let items = value?.arrayValue, items.count <= ProofLimits.subjectsMax else {
            throw PlatformError(.corrupt, "'subject' of the statement is not a list of at most \(ProofLimits.subjectsMax)")
        }
        var subjects: [String: Digest] = [:]
        for item in items {
            let fields = Fields(item)
            let name = try fields.text("name")
            let digest: Digest = try Fields(item["digest"]).checked("sha256")
            // Canonical form needs no entry for this one: it follows from what was observed.
            guard name != observedSubject else { continue }
            subjects[name] = digest
        }
        return subjects
    }

    private static func expect(_ name: String, _ value: JSONValue?, _ expected: String) throws(PlatformError) {
        guard value?.stringValue == expected else {
            throw PlatformError(.corrupt, "'\(name)' of the statement is not '\(expected)'")
        }
    }
}

/// Members of an object, each read as a type or refused by its name.
private struct Fields {
    private let object: JSONValue?

    init(_ object: JSONValue?) {
        self.object = object
    }

    func text(_ name: String) throws(PlatformError) -> String {
        guard let text = object?[name]?.stringValue else { throw mistake(name) }
        return text
    }

    func integer(_ name: String) throws(PlatformError) -> Int64 {
        guard case .int(let number)? = object?[name] else { throw mistake(name) }
        return number
    }

    func checked<Value: CheckedText>(_ name: String) throws(PlatformError) -> Value {
        do {
            return try Value(try text(name))
        } catch {
            throw mistake(name, error)
        }
    }

    func optional<Value: CheckedText>(_ name: String) throws(PlatformError) -> Value? {
        guard object?[name] != nil else { return nil }
        return try checked(name)
    }

    func version(_ name: String) throws(PlatformError) -> ModelVersion? {
        guard object?[name] != nil else { return nil }
        do {
            return try ModelVersion(Int(clamping: try integer(name)))
        } catch {
            throw mistake(name, error)
        }
    }

    func verdict(_ name: String) throws(PlatformError) -> Verdict {
        guard let verdict = Verdict(rawValue: try text(name)) else { throw mistake(name) }
        return verdict
    }

    private func mistake(_ name: String, _ cause: PlatformError? = nil) -> PlatformError {
        PlatformError(.corrupt, "'\(name)' of the statement is missing or not what it must be", cause: cause)
    }
}
