import NIOCore
import NIOFoundationCompat
import NIOHTTP1
import SlipwayCore
import SlipwayInference

/// Calls the Open Inference Protocol v2 and Triton's repository extension: bytes in, values out.
struct InferenceWire: Sendable {
    struct IndexEntry: Sendable, Equatable {
        let name: String
        /// Empty for a model that was never loaded.
        let version: String
        let state: ServedVersion.State
        let reason: String
    }

    static let jsonBytesHeader = "Inference-Header-Content-Length"

    let peer: Peer

    /// Every version that the server has: its repository index and, beside it, its statistics, which list each
    /// ready version. Triton's index knows the models in its folders only, not those whose files came with a load.
    func index() async throws -> [IndexEntry] {
        let indexed = try await repositoryIndex()
        let known = Set(indexed.map { [$0.name, $0.version] })
        return try await indexed + readyVersions().filter { !known.contains([$0.name, $0.version]) }
    }

    private func repositoryIndex() async throws -> [IndexEntry] {
        let answer = try await peer.call(PeerRequest(.POST, "/v2/repository/index", json: [:]))
        guard answer.isSuccess else { throw Self.failure(answer, doing: "read the index of \(peer.name)") }
        guard let items = (try? JSONValue(parsing: answer.body))?.arrayValue else {
            throw PlatformError(.unavailable, "what answers is no model server: \(answer.said)", remedy: "check the model server's address")
        }
        return items.compactMap { item in
            guard let name = item["name"]?.stringValue else { return nil }
            return IndexEntry(
                name: name,
                version: item["version"]?.stringValue ?? "",
                state: item["state"]?.stringValue.flatMap { ServedVersion.State(rawValue: $0) } ?? .unavailable,
                reason: item["reason"]?.stringValue ?? ""
            )
        }
    }

    private func readyVersions() async throws -> [IndexEntry] {
        let answer = try await peer.call(PeerRequest(.GET, "/v2/models/stats"))
        guard answer.isSuccess else { throw Self.failure(answer, doing: "read the statistics of \(peer.name)") }
        guard let items = (try? JSONValue(parsing: answer.body))?["model_stats"]?.arrayValue else {
            throw PlatformError(.unavailable, "\(peer.name) answers no statistics: \(answer.said)", remedy: "check the model server's address")
        }
        return items.compactMap { item in
            guard let name = item["name"]?.stringValue, let version = item["version"]?.stringValue else { return nil }
            return IndexEntry(name: name, version: version, state: .ready, reason: "")
        }
    }

    func isReady(_ name: String) async throws -> Bool {
        try await peer.call(PeerRequest(.GET, "/v2/models/\(name.urlEncoded)/ready")).isSuccess
    }

    /// - Parameter body: The whole JSON body, streamed.
    func load(_ name: String, body: FileChunks, limit: Duration) async throws {
        var request = PeerRequest(.POST, "/v2/repository/models/\(name.urlEncoded)/load")
        request.body = .chunks(body, type: "application/json")
        let answer = try await peer.call(request, limit: limit)
        guard answer.isSuccess else { throw Self.failure(answer, doing: "load '\(name)' on \(peer.name)") }
    }

    func unload(_ name: String) async throws {
        let answer = try await peer.call(PeerRequest(.POST, "/v2/repository/models/\(name.urlEncoded)/unload", json: [:]))
        guard answer.isSuccess else { throw Self.failure(answer, doing: "unload '\(name)' on \(peer.name)") }
    }

    func infer(_ request: InferenceRequest, name: String, limit: Duration) async throws -> InferenceResponse {
        var body = ByteBuffer()
        var jsonBytes: Int?
        let space = InferenceBody.bytesMax(of: request, isBinary: true)
        body.writeWithUnsafeMutableBytes(minimumWritableBytes: space) { bytes in
            let written = InferenceBody.write(request, isBinary: true, into: bytes)
            jsonBytes = written.jsonBytes
            return written.bytes
        }
        var call = PeerRequest(.POST, "/v2/models/\(name.urlEncoded)/infer")
        call.body = .bytes(body, type: jsonBytes == nil ? "application/json" : "application/octet-stream")
        if let jsonBytes { call.headers.append((name: Self.jsonBytesHeader, value: "\(jsonBytes)")) }
        let answer = try await peer.call(call, limit: limit, bytesMax: InferenceLimits.bodyBytesMax)
        guard answer.isSuccess else { throw Self.failure(answer, doing: "infer with '\(name)' on \(peer.name)") }
        let answered = answer.headers.first(name: Self.jsonBytesHeader).flatMap { Int($0) }
        return try answer.body.withUnsafeBytes { bytes throws(PlatformError) in
            try InferenceBody.parseResponse(bytes, jsonBytes: answered)
        }
    }

    /// `{"error": "…"}`. A model that is not there is 404 or 400, by its text.
    static func failure(_ answer: PeerAnswer, doing: String) -> PlatformError {
        let said = (try? JSONValue(parsing: answer.body))?["error"]?.stringValue ?? answer.said
        let text = "could not \(doing): \(said.prefix(ClientLimits.saidCharactersMax))"
        return PlatformError(answer.status == 501 ? .failedPrecondition : PlatformError.code(status: answer.status), text)
    }
}
