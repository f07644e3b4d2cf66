import NIOHTTP1
import SlipwayCore
public import SlipwayInference

/// What a model server behind a URL has, by Triton's repository index.
public struct ModelServerIndex: Sendable {
    private let wire: InferenceWire

    public init(url: String, connections: HTTPConnections) {
        wire = InferenceWire(peer: Peer(url, name: "the model server", connections: connections))
    }

    /// Versions with a name and number that a release could name; others are left out.
    ///
    /// - Throws: `unavailable` when the server does not answer.
    public func entries() async throws -> [ServedVersion] {
        try await wire.index().compactMap { entry in
            guard let model = try? ModelName(entry.name), let version = try? ModelVersion(entry.version) else { return nil }
            return ServedVersion(model: model, version: version, state: entry.state, reason: entry.reason)
        }
    }
}
