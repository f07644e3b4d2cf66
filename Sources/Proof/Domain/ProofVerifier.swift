public import SlipwayCore

/// One file of a proof log.
public struct ProofFile: Sendable, Equatable {
    public let name: String
    public let bytes: [UInt8]

    public init(name: String, bytes: [UInt8]) {
        self.name = name
        self.bytes = bytes
    }
}

/// What must hold beyond the log itself.
public struct ProofExpectations: Sendable, Equatable {
    /// Files of a version, as whoever verifies has them.
    public struct Artifacts: Sendable, Equatable {
        public let model: ModelName
        public let version: ModelVersion
        /// Artifact path → digest. Each must be named by a proof of this version, and by none with another digest.
        public let digests: [String: Digest]

        public init(model: ModelName, version: ModelVersion, digests: [String: Digest]) {
            self.model = model
            self.version = version
            self.digests = digests
        }
    }

    public var environment: EnvironmentName?
    public var artifacts: [Artifacts]
    /// Runs that count as succeeded.
    public var runs: [RunID]
    /// Digests of envelopes that must be in the log: what a run's record names, so that a log cut short
    /// shows.
    public var envelopes: [Digest]

    public init(
        environment: EnvironmentName? = nil,
        artifacts: [Artifacts] = [],
        runs: [RunID] = [],
        envelopes: [Digest] = []
    ) {
        self.environment = environment
        self.artifacts = artifacts
        self.runs = runs
        self.envelopes = envelopes
    }
}

/// How a verification ended.
public struct ProofReport: Sendable, Equatable {
    /// Envelopes that hold, from the first on.
    public let count: Int
    /// The digest of the last of them.
    public let head: Digest?
    public let failure: ProofFailure?

    public init(count: Int, head: Digest?, failure: ProofFailure?) {
        self.count = count
        self.head = head
        self.failure = failure
    }

    public var holds: Bool { failure == nil }
}

/// Recomputes a proof log from nothing but its bytes and the public key.
///
/// Envelopes go in one by one, in order, so that a long log needs no memory. A log that was cut short at
/// its end is whole in itself: only ``ProofExpectations`` show that something is missing there.
public struct ProofVerifier: Sendable {
    /// The kinds of proof that a successful run has, each with verdict `pass`.
    public static let successKinds = ["registered", "ready", "loaded", "smoke-passed", "gateway-reloaded", "notified"]
    /// The kinds that no successful run has.
    public static let failureKinds = ["refused", "rolled-back"]

    private let key: VerifyingKey
    private let expectations: ProofExpectations
    public private(set) var count = 0
    public private(set) var head: Digest?
    private var runs: [RunID: RunProofs] = [:]
    private var missingEnvelopes: Set<Digest>
    private var seenArtifacts: [ArtifactKey: Set<String>] = [:]

    public init(key: VerifyingKey, expectations: ProofExpectations = ProofExpectations()) {
        self.key = key
        self.expectations = expectations
        self.missingEnvelopes = Set(expectations.envelopes)
    }

    /// Everything at once.
    public static func verify(
        _ files: some Sequence<ProofFile>,
        key: VerifyingKey,
        expectations: ProofExpectations = ProofExpectations()
    ) -> ProofReport {
        var verifier = ProofVerifier(key: key, expectations: expectations)
        do {
            for file in files { try verifier.check(file) }
            try verifier.finish()
        } catch {
            return ProofReport(count: verifier.count, head: verifier.head, failure: error)
        }
        return ProofReport(count: verifier.count, head: verifier.head, failure: nil)
    }

    /// Checks the next file.
    @discardableResult
    public mutating func check(_ file: ProofFile) throws(ProofFailure) -> Statement {
        let envelope = try Self.parsed(file, .envelope) { () throws(PlatformError) in try Envelope(parsing: file.bytes) }
        try expect(envelope.keyID == key.id.text, file, .key, "\(key.id)", "'\(envelope.keyID.prefix(80))'")
        try expect(
            key.isValid(envelope.signature, of: envelope.signed), file, .signature,
            "a signature of the payload by \(key.id)", "one that is not"
        )
        let statement = try Self.parsed(file, .statement) { () throws(PlatformError) in try Statement(parsing: envelope.payload) }
        try expect(statement.sequence == count + 1, file, .sequence, "\(count + 1)", "\(statement.sequence)")
        try expect(
            statement.previous == head, file, .previous,
            head.map { "\($0)" } ?? "none, as this is the first", statement.previous.map { "\($0)" } ?? "none"
        )
        if let environment = expectations.environment {
            let named = statement.transition.environment
            try expect(named == environment, file, .environment, "'\(environment)'", "'\(named)'")
        }
        try checkSubjects(statement.transition, file)
        note(statement.transition, file)
        count += 1
        head = Digest(of: file.bytes)
        if let head { missingEnvelopes.remove(head) }
        return statement
    }

    /// Checks what can be said only at the end.
    public func finish() throws(ProofFailure) {
        for digest in expectations.envelopes where missingEnvelopes.contains(digest) {
            throw ProofFailure(file: "", what: .presence, expected: "the proof \(digest)", got: "\(count) others")
        }
        for given in expectations.artifacts {
            let seen = seenArtifacts[ArtifactKey(given), default: []]
            for path in given.digests.keys.sorted() where !seen.contains(path) {
                throw ProofFailure(
                    file: "", what: .presence,
                    expected: "a proof about '\(path)' of version \(given.version) of '\(given.model)'", got: "none"
                )
            }
        }
        for run in expectations.runs { try (runs[run] ?? RunProofs()).finish(run) }
    }

    private func checkSubjects(_ transition: Transition, _ file: ProofFile) throws(ProofFailure) {
        for given in expectations.artifacts where ArtifactKey(transition) == ArtifactKey(given) {
            for (path, stated) in transition.subjects.sorted(by: { $0.key < $1.key }) {
                guard let found = given.digests[path] else { continue }
                try expect(stated == found, file, .subject, "\(stated) for '\(path)'", "\(found)")
            }
        }
    }

    private mutating func note(_ transition: Transition, _ file: ProofFile) {
        for given in expectations.artifacts where ArtifactKey(transition) == ArtifactKey(given) {
            seenArtifacts[ArtifactKey(given), default: []].formUnion(transition.subjects.keys)
        }
        if let run = transition.run, expectations.runs.contains(run) {
            runs[run, default: RunProofs()].note(transition, file: file.name)
        }
    }

    private func expect(
        _ holds: Bool,
        _ file: ProofFile,
        _ what: ProofFailure.Check,
        _ expected: @autoclosure () -> String,
        _ got: @autoclosure () -> String
    ) throws(ProofFailure) {
        guard holds else { throw ProofFailure(file: file.name, what: what, expected: expected(), got: got()) }
    }

    private static func parsed<Value>(
        _ file: ProofFile,
        _ what: ProofFailure.Check,
        _ parse: () throws(PlatformError) -> Value
    ) throws(ProofFailure) -> Value {
        do {
            return try parse()
        } catch {
            throw ProofFailure(file: file.name, what: what, expected: "the canonical form", got: error.message)
        }
    }
}

/// A version, as the key of what was seen about it.
private struct ArtifactKey: Hashable {
    let model: ModelName
    let version: ModelVersion?

    init(_ artifacts: ProofExpectations.Artifacts) {
        model = artifacts.model
        version = artifacts.version
    }

    init(_ transition: Transition) {
        model = transition.model
        version = transition.version
    }
}

/// What a log says about one run.
private struct RunProofs {
    private struct Proof {
        let file: String
        let kind: String
        let verdict: Verdict
        let model: ModelName
        let version: ModelVersion?
    }

    /// Only kinds that decide, and of each the last that passed or, failing that, the last.
    private var byKind: [String: Proof] = [:]

    mutating func note(_ transition: Transition, file: String) {
        let kind = transition.kind
        guard ProofVerifier.successKinds.contains(kind) || ProofVerifier.failureKinds.contains(kind) else { return }
        if byKind[kind]?.verdict == .pass, transition.verdict != .pass { return }
        byKind[kind] = Proof(
            file: file, kind: kind, verdict: transition.verdict, model: transition.model, version: transition.version
        )
    }

    func finish(_ run: RunID) throws(ProofFailure) {
        let first = byKind[ProofVerifier.successKinds[0]]
        for kind in ProofVerifier.successKinds {
            let expected = "'\(kind)' of run '\(run)' with verdict pass"
            guard let proof = byKind[kind] else {
                throw ProofFailure(file: "", what: .condition, expected: expected, got: "no such proof")
            }
            guard proof.verdict == .pass else {
                throw ProofFailure(file: proof.file, what: .condition, expected: expected, got: "verdict \(proof.verdict.rawValue)")
            }
            guard proof.model == first?.model, proof.version == first?.version else {
                throw ProofFailure(
                    file: proof.file, what: .condition,
                    expected: "\(expected) for \(Self.name(first))", got: "one for \(Self.name(proof))"
                )
            }
        }
        for kind in ProofVerifier.failureKinds {
            guard let proof = byKind[kind] else { continue }
            throw ProofFailure(
                file: proof.file, what: .condition, expected: "no '\(kind)' of run '\(run)'", got: "one"
            )
        }
    }

    private static func name(_ proof: Proof?) -> String {
        guard let proof else { return "nothing" }
        return "version \(proof.version.map { "\($0)" } ?? "?") of '\(proof.model)'"
    }
}
