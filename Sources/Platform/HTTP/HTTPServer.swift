public import Hummingbird
import HummingbirdCore
public import Logging
import NIOCore
public import NIOPosix
public import ServiceLifecycle
import SlipwayCore

/// The context of a request that goes through the router.
public typealias PlatformRequestContext = BasicRequestContext

/// One listener of the platform: fast routes first, then a router.
public struct HTTPServer: Service {
    private let name: String
    private let host: String
    private let port: Int
    private let fastRoutes: (any FastRoutes)?
    private let responder: RouterResponder<PlatformRequestContext>
    private let eventLoops: MultiThreadedEventLoopGroup
    private let tls: ServerTLS?
    private let logger: Logger
    private let bound: BoundPort

    /// - Parameters:
    ///   - name: What the listener is, for messages: `tracking`.
    ///   - port: 0 picks a free one; see ``boundPort()``.
    ///   - eventLoops: All listeners of a process share one group.
    ///   - tls: `nil`: plain HTTP.
    public init(
        name: String,
        host: String,
        port: Int,
        router: Router<PlatformRequestContext>,
        fastRoutes: (any FastRoutes)? = nil,
        eventLoops: MultiThreadedEventLoopGroup = .singleton,
        tls: ServerTLS? = nil,
        logger: Logger
    ) {
        self.name = name
        self.host = host
        self.port = port
        self.fastRoutes = fastRoutes
        self.responder = router.buildResponder()
        self.eventLoops = eventLoops
        self.tls = tls
        self.logger = logger
        self.bound = BoundPort()
    }

    /// Event loops for a listener that must not delay the others.
    public static func eventLoops(_ threads: Int) -> MultiThreadedEventLoopGroup {
        MultiThreadedEventLoopGroup(numberOfThreads: threads)
    }

    /// The port it listens on, once it does.
    ///
    /// - Throws: What ``run()`` threw, if it ended before it listened.
    public func boundPort() async throws -> Int {
        try await bound.value()
    }

    /// Serves until the task is cancelled or a graceful shutdown finishes what is in flight.
    ///
    /// - Throws: `unavailable` when the port is taken or the address is not ours.
    public func run() async throws {
        let fastRoutes = fastRoutes
        let isPlain = tls == nil
        let bound = bound
        // At a stop the framework logs each of its cancelled tasks as an error; what matters is thrown.
        var quiet = logger
        quiet.logLevel = .critical
        let plain = HTTPServerBuilder.http1(
            configuration: .init(
                additionalChannelHandlers: fastRoutes.map { [FastPathHandler(routes: $0, answersPlainHeads: isPlain)] } ?? [],
                // With fast routes, their handler keeps the time: it sees every request.
                idleTimeout: fastRoutes == nil ? .seconds(ServerLimits.idleSeconds) : nil
            )
        )
        let application = Application(
            responder: responder,
            server: try tls.map { try $0.around(plain) } ?? plain,
            configuration: .init(
                address: .hostname(host, port: port),
                serverName: "slipway",
                backlog: ServerLimits.backlog
            ),
            onServerRunning: { channel in
                bound.succeed(channel.localAddress?.port ?? 0)
            },
            eventLoopGroupProvider: .shared(eventLoops),
            logger: quiet
        )
        do {
            try await application.run()
        } catch {
            let failure = listenFailure(error)
            bound.fail(failure)
            throw failure
        }
        bound.fail(PlatformError(.unavailable, "the \(name) listener stopped"))
    }

    private func listenFailure(_ error: any Error) -> PlatformError {
        guard let failure = error as? IOError, failure.errnoCode == EADDRINUSE else {
            return .wrapping(error, doing: "serve \(name) on \(host):\(port)", code: .unavailable)
        }
        return PlatformError(
            .unavailable,
            "port \(port) for \(name) is in use",
            remedy: "stop the other program, or choose another port (0 picks a free one)",
            cause: error
        )
    }
}

/// What every listener bounds.
public enum ServerLimits {
    public static let idleSeconds: Int64 = 120
    public static let backlog = 4096
    /// Parts of pipelined requests that one connection may have waiting before it is read no further.
    static let pipelinedPartsMax = 64
    /// How long and how much is still read, and thrown away, of a body that was refused from its head.
    static let lingerSeconds: Int64 = 2
    static let lingerBytesMax = 16 << 20
}
