import AsyncHTTPClient
import NIOCore
public import NIOPosix

/// The one pool of connections that all clients of a process share.
public struct HTTPConnections: Sendable {
    let client: HTTPClient

    public init(eventLoops: MultiThreadedEventLoopGroup = .singleton) {
        var configuration = HTTPClient.Configuration()
        configuration.timeout.connect = .seconds(5)
        configuration.connectionPool.idleTimeout = .seconds(30)
        configuration.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = 64
        configuration.redirectConfiguration = .disallow
        client = HTTPClient(eventLoopGroupProvider: .shared(eventLoops), configuration: configuration)
    }

    /// Must be called once, when no client is used any more.
    public func close() async throws {
        try await client.shutdown()
    }
}
