import SlipwayCore

@testable import SlipwayProof

/// Chains of proofs with fixed content.
enum ProofFixture {
    /// The example key pair of RFC 8410.
    static let privatePEM = """
        -----BEGIN PRIVATE KEY-----
        MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC
        -----END PRIVATE KEY-----

        """
    static let publicPEM = """
        -----BEGIN PUBLIC KEY-----
        MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=
        -----END PUBLIC KEY-----

        """

    static func key() throws -> SigningKey { try SigningKey(pem: privatePEM) }

    static func transition(
        _ kind: String = "registered",
        run: String? = "run-1",
        version: Int? = 3,
        subjects: [String: Digest] = ["model.onnx": Digest(of: "graph".utf8)],
        observed: JSONValue = ["answers": [["address": "embedded", "status": 200]]],
        verdict: Verdict = .pass
    ) throws -> Transition {
        Transition(
            kind: kind,
            environment: try EnvironmentName("dev"),
            model: try ModelName("tumor"),
            version: try version.map { try ModelVersion($0) },
            run: try run.map { try RunID($0) },
            commit: try CommitID(String(repeating: "a1", count: 20)),
            subjects: subjects,
            observed: observed,
            verdict: verdict,
            time: Timestamp(milliseconds: 1_769_860_800_123)
        )
    }

    /// The six of a successful run, in order.
    static func success(run: String = "run-1", version: Int = 3) throws -> [Transition] {
        try ProofVerifier.successKinds.map { try transition($0, run: run, version: version) }
    }

    static func chain(_ transitions: [Transition], key: SigningKey) throws -> [ProofFile] {
        var files: [ProofFile] = []
        var previous: Digest?
        for (index, transition) in transitions.enumerated() {
            let envelope = try Envelope(signing: Statement(transition, sequence: index + 1, previous: previous), with: key)
            previous = envelope.digest
            files.append(ProofFile(name: "\(index + 1).json", bytes: envelope.bytes))
        }
        return files
    }
}
