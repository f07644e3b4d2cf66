import AsyncHTTPClient
import NIOHTTP1
import SlipwayCore

/// Calls MLflow's REST API: bytes in, JSON out, errors named.
struct MLflowWire: Sendable {
    let peer: Peer

    func get(_ path: String, _ query: [(String, String)], doing: String) async throws -> JSONValue {
        try await json(PeerRequest(.GET, "/api/2.0/mlflow/\(path)", query: query), doing: doing)
    }

    func send(
        _ method: HTTPMethod = .POST,
        _ path: String,
        _ body: JSONValue,
        headers: [(name: String, value: String)] = [],
        doing: String
    ) async throws -> JSONValue {
        var request = PeerRequest(method, "/api/2.0/mlflow/\(path)", json: body)
        request.headers = headers
        return try await json(request, doing: doing)
    }

    /// The files and folders directly in an artifact folder.
    func artifacts(in folder: String, doing: String) async throws -> [JSONValue] {
        let request = PeerRequest(.GET, "/api/2.0/mlflow-artifacts/artifacts", query: [("path", folder)])
        return try await json(request, doing: doing)["files"]?.arrayValue ?? []
    }

    func upload(_ file: FileChunks, to path: String, doing: String) async throws {
        var request = PeerRequest(.PUT, Self.artifact(path))
        request.body = .chunks(file, type: "application/octet-stream")
        let answer = try await peer.transfer(request) { try await peer.answer($0) }
        guard answer.isSuccess else { throw PlatformError.mlflow(answer, doing: doing) }
    }

    func download(_ path: String, toFile file: String, doing: String) async throws -> Digest {
        let request = PeerRequest(.GET, Self.artifact(path))
        return try await peer.transfer(request) { response in
            guard (200..<300).contains(response.status.code) else {
                throw PlatformError.mlflow(try await peer.answer(response), doing: doing)
            }
            let incoming = try IncomingFile(file)
            defer { incoming.abandon() }
            for try await chunk in response.body { try incoming.append(chunk) }
            return try incoming.finish()
        }
    }

    private static func artifact(_ path: String) -> String {
        "/api/2.0/mlflow-artifacts/artifacts/\(path.pathEncoded)"
    }

    private func json(_ request: PeerRequest, doing: String) async throws -> JSONValue {
        let answer = try await peer.call(request)
        guard answer.isSuccess else { throw PlatformError.mlflow(answer, doing: doing) }
        do {
            return try JSONValue(parsing: answer.body)
        } catch {
            throw PlatformError(
                .failedPrecondition,
                "could not \(doing): what answers is no MLflow server (\(answer.status): \(answer.said))",
                remedy: "check the tracking server's address",
                cause: error
            )
        }
    }
}

extension JSONValue {
    /// MLflow's list of pairs, `[{"key":…,"value":…}]`.
    static func pairs(_ table: [String: String]) -> JSONValue {
        .array(table.sorted { $0.key < $1.key }.map { ["key": .string($0.key), "value": .string($0.value)] })
    }

    /// A list of pairs as a table; the last of one key counts.
    var pairs: [String: String] {
        var table: [String: String] = [:]
        for item in arrayValue ?? [] {
            if let key = item["key"]?.stringValue { table[key] = item["value"]?.stringValue ?? "" }
        }
        return table
    }

    /// A text that must be there.
    func text(_ key: String, doing: String) throws(PlatformError) -> String {
        guard let text = self[key]?.stringValue else {
            throw PlatformError(.unexpected, "could not \(doing): the tracking server's answer has no '\(key)'")
        }
        return text
    }
}
