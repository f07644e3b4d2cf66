import NIOHTTP1
import SlipwayCore

/// Asks an engine how it does, by its own health route.
public struct EngineProbe: Sendable {
    /// How long a healthy engine may take to say so.
    static let limit: Duration = .seconds(5)

    private let connections: HTTPConnections

    public init(connections: HTTPConnections) {
        self.connections = connections
    }

    /// The status of `GET url`; `nil` when nobody answers in time.
    public func status(of url: String) async -> Int? {
        let peer = Peer(url, name: "the engine", connections: connections)
        return try? await peer.call(PeerRequest(.GET, ""), limit: Self.limit).status
    }
}
