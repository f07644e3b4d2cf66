public import SlipwayCore

/// Where proofs are appended, signed and chained.
public protocol ProofLog: Sendable {
    /// Signs one transition, chains it to the one before and stores it durably.
    ///
    /// - Returns: The digest of the stored envelope, by which a run refers to it.
    func append(_ transition: Transition) async throws -> Digest
}

/// What one proof states: something changed, on this evidence, with this verdict.
public struct Transition: Sendable, Hashable, Codable {
    /// What happened: `registered`, `ready`, `loaded`, `smoke-passed`, `gateway-reloaded`, `notified`,
    /// `refused`, `rolled-back`, `promoted`, `released`, …
    public let kind: String
    public let environment: EnvironmentName
    public let model: ModelName
    public let version: ModelVersion?
    public let run: RunID?
    /// The commit of the release repository that asked for it or carries it.
    public let commit: CommitID?
    /// Artifact path → digest: what the statement is about.
    public let subjects: [String: Digest]
    /// What was seen: statuses, answers, counts. Never a secret.
    public let observed: JSONValue
    public let verdict: Verdict
    public let time: Timestamp

    public init(
        kind: String,
        environment: EnvironmentName,
        model: ModelName,
        version: ModelVersion?,
        run: RunID?,
        commit: CommitID?,
        subjects: [String: Digest],
        observed: JSONValue,
        verdict: Verdict,
        time: Timestamp
    ) {
        self.kind = kind
        self.environment = environment
        self.model = model
        self.version = version
        self.run = run
        self.commit = commit
        self.subjects = subjects
        self.observed = observed
        self.verdict = verdict
        self.time = time
    }
}
