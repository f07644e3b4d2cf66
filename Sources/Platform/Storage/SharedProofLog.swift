public import SlipwayCore
public import SlipwayProof

/// The proofs of an environment whose runs are processes of their own: opened anew for each append, one
/// process at a time.
public struct SharedProofLog: ProofLog {
    /// How long an append waits for its turn.
    static let turnLimit = Duration.seconds(30)

    private let folder: String
    private let key: SigningKey

    public init(folder: String, key: SigningKey) {
        self.folder = folder
        self.key = key
    }

    public func append(_ transition: Transition) async throws -> Digest {
        let lock = try await FileLock.acquire("\(folder).lock", for: "the proofs", limit: Self.turnLimit)
        defer { withExtendedLifetime(lock) {} }
        return try await FileProofLog(folder: folder, key: key).append(transition)
    }
}
