public import Logging
import NIOConcurrencyHelpers
import NIOCore
import NIOHTTP2
public import NIOPosix
public import ServiceLifecycle
import SlipwayCore

/// A listener that speaks gRPC over HTTP/2 without TLS, by prior knowledge.
public struct GRPCServer: Service {
    private let name: String
    private let host: String
    private let port: Int
    private let methods: GRPCMethods
    private let limits: GRPCLimits
    private let eventLoops: MultiThreadedEventLoopGroup
    private let logger: Logger
    private let bound = BoundPort()

    /// - Parameters:
    ///   - name: What the listener is, for messages: `model server`.
    ///   - port: 0 picks a free one; see ``boundPort()``.
    ///   - eventLoops: All listeners of a process share one group.
    public init(
        name: String,
        host: String,
        port: Int,
        methods: GRPCMethods,
        limits: GRPCLimits = GRPCLimits(),
        eventLoops: MultiThreadedEventLoopGroup = .singleton,
        logger: Logger
    ) {
        self.name = name
        self.host = host
        self.port = port
        self.methods = methods
        self.limits = limits
        self.eventLoops = eventLoops
        self.logger = logger
    }

    /// The port it listens on, once it does.
    ///
    /// - Throws: What ``run()`` threw, if it ended before it listened.
    public func boundPort() async throws -> Int {
        try await bound.value()
    }

    /// Serves until the task is cancelled, or a graceful shutdown has let the calls under way finish.
    ///
    /// - Throws: `unavailable` when the port is taken or the address is not ours.
    public func run() async throws {
        let work = GRPCWork(waitingMax: limits.tasksWaitingMax)
        let connections = OpenConnections()
        let listener: any Channel
        do {
            listener = try await listen(work, connections)
        } catch {
            let failure = listenFailure(error)
            bound.fail(failure)
            throw failure
        }
        bound.succeed(listener.localAddress?.port ?? 0)
        await withTaskGroup(of: Void.self) { tasks in
            tasks.addTask { await work.run() }
            await stopped(listener)
            await connections.drain(within: Task.isCancelled ? .zero : .seconds(limits.drainSeconds), on: eventLoops.next())
            work.stop()
            tasks.cancelAll()
        }
    }

    private func listen(_ work: GRPCWork, _ connections: OpenConnections) async throws -> any Channel {
        try await ServerBootstrap(group: eventLoops)
            .serverChannelOption(.backlog, value: Int32(GRPCLimits.backlog))
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
            .childChannelInitializer { [methods, limits] channel in
                channel.eventLoop.makeCompletedFuture {
                    connections.add(channel)
                    try channel.pipeline.syncOperations.addGRPC(methods: methods, limits: limits, work: work)
                }
            }
            .bind(host: host, port: port)
            .get()
    }

    /// Waits until the listener is closed, by whoever stops us.
    private func stopped(_ listener: any Channel) async {
        await withTaskCancellationHandler {
            await withGracefulShutdownHandler {
                try? await listener.closeFuture.get()
            } onGracefulShutdown: {
                listener.close(promise: nil)
            }
        } onCancel: {
            listener.close(promise: nil)
        }
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

extension ChannelPipeline.SynchronousOperations {
    /// HTTP/2 and gRPC on a connection that was just accepted.
    func addGRPC(methods: GRPCMethods, limits: GRPCLimits, work: GRPCWork) throws {
        var connection = NIOHTTP2Handler.ConnectionConfiguration()
        connection.initialSettings = [
            HTTP2Setting(parameter: .maxConcurrentStreams, value: limits.streamsMax),
            HTTP2Setting(parameter: .initialWindowSize, value: limits.streamWindowBytes),
            HTTP2Setting(parameter: .maxHeaderListSize, value: limits.headerBytesMax),
        ]
        connection.maximumBufferedControlFrames = limits.controlFramesWaitingMax
        connection.maximumRecentlyResetStreams = limits.recentResetsMax
        connection.maximumConnectionGlitches = limits.mistakesMax
        connection.controlFrameRateLimit.maximumCount = limits.controlFramesMax
        connection.controlFrameRateLimit.windowLength = .milliseconds(100)
        var stream = NIOHTTP2Handler.StreamConfiguration()
        stream.streamResetFrameRateLimit.maximumCount = limits.resetsMax
        stream.streamResetFrameRateLimit.windowLength = .seconds(5)
        stream.streamErrorRateLimit = .init()
        stream.streamErrorRateLimit.maximumCount = limits.resetsMax
        stream.streamErrorRateLimit.windowLength = .seconds(5)
        let alarm = ConnectionAlarm()
        try addHandler(
            NIOHTTP2Handler(mode: .server, frameDelegate: alarm, connectionConfiguration: connection, streamConfiguration: stream)
        )
        try addHandler(GRPCConnectionHandler(methods: methods, limits: limits, work: work, alarm: alarm))
    }
}

/// Calls that are answered by tasks: submitted on event loops, run where they can be awaited.
struct GRPCWork: Sendable {
    typealias Job = @Sendable () async -> Void

    private let jobs: AsyncStream<Job>
    private let continuation: AsyncStream<Job>.Continuation

    init(waitingMax: Int) {
        (jobs, continuation) = AsyncStream.makeStream(bufferingPolicy: .bufferingOldest(waitingMax))
    }

    /// - Returns: False when too many wait already, or nobody runs them any more.
    func submit(_ job: @escaping Job) -> Bool {
        if case .enqueued = continuation.yield(job) { return true }
        return false
    }

    /// Runs what is submitted, each beside the others, until ``stop()`` or cancellation.
    func run() async {
        await withDiscardingTaskGroup { group in
            for await job in jobs { group.addTask { await job() } }
        }
    }

    func stop() { continuation.finish() }
}

/// The connections of a listener, so that a stop can say farewell to each.
private final class OpenConnections: Sendable {
    private let channels = NIOLockedValueBox<[ObjectIdentifier: any Channel]>([:])

    func add(_ channel: any Channel) {
        let key = ObjectIdentifier(channel)
        channels.withLockedValue { $0[key] = channel }
        channel.closeFuture.whenComplete { _ in self.channels.withLockedValue { $0[key] = nil } }
    }

    func drain(within limit: TimeAmount, on loop: any EventLoop) async {
        let open = channels.withLockedValue { Array($0.values) }
        for channel in open { channel.pipeline.fireUserInboundEventTriggered(ChannelShouldQuiesceEvent()) }
        let end = loop.scheduleTask(in: limit) { for channel in open { channel.close(promise: nil) } }
        for channel in open { try? await channel.closeFuture.get() }
        end.cancel()
    }
}
