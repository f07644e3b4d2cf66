import AsyncHTTPClient
import NIOCore
public import NIOPosix
import SlipwayCore

/// The connections that all clients of a process share.
public struct HTTPConnections: Sendable {
    /// For calls whose whole time is bounded by their own deadline.
    let calls: HTTPClient
    /// For transfers, which end when nothing moves for a while.
    let transfers: HTTPClient

    public init(eventLoops: MultiThreadedEventLoopGroup = .singleton) {
        self.init(eventLoops: eventLoops, stall: ClientLimits.stall)
    }

    init(eventLoops: MultiThreadedEventLoopGroup, stall: Duration) {
        calls = Self.client(eventLoops, stall: nil)
        transfers = Self.client(eventLoops, stall: stall)
    }

    /// Must be called once, when no client is used any more.
    public func close() async throws {
        try await calls.shutdown()
        try await transfers.shutdown()
    }

    private static func client(_ eventLoops: MultiThreadedEventLoopGroup, stall: Duration?) -> HTTPClient {
        var configuration = HTTPClient.Configuration(redirectConfiguration: .disallow)
        configuration.timeout.connect = .milliseconds(ClientLimits.connect.milliseconds)
        configuration.timeout.read = stall.map { .milliseconds($0.milliseconds) }
        configuration.timeout.write = stall.map { .milliseconds($0.milliseconds) }
        configuration.connectionPool.idleTimeout = .milliseconds(ClientLimits.idle.milliseconds)
        configuration.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = ClientLimits.connectionsPerHost
        // A refused connection is an answer: whoever asks decides about the next attempt.
        configuration.connectionPool.retryConnectionEstablishment = false
        configuration.httpVersion = .http1Only
        return HTTPClient(eventLoopGroupProvider: .shared(eventLoops), configuration: configuration)
    }
}
