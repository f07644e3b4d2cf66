import NIOCore
import NIOHTTP1
import NIOPosix
import SlipwayCore
import Synchronization

/// The connections of one event loop to one replica. Only touched on that loop.
final class UpstreamPool {
    let endpoint: UpstreamEndpoint
    let limits: UpstreamLimits
    let counts: UpstreamCounts
    private let loop: any EventLoop
    private var open: [UpstreamConnection] = []
    /// Used last, used first: under little load the others grow old and are closed by the server.
    private var idle: [UpstreamConnection] = []
    private var connecting = 0
    private var waiting = CircularBuffer<UpstreamExchange>()
    private var isTicking = false
    private(set) var downUntil: NIODeadline = .uptimeNanoseconds(0)
    private var isClosed = false
    /// Finds another replica for an exchange for which this one refused a connection; false: there is none.
    private let elsewhere: (UpstreamExchange) -> Bool

    init(
        endpoint: UpstreamEndpoint,
        limits: UpstreamLimits,
        counts: UpstreamCounts,
        loop: any EventLoop,
        elsewhere: @escaping (UpstreamExchange) -> Bool
    ) {
        self.endpoint = endpoint
        self.limits = limits
        self.counts = counts
        self.loop = loop
        self.elsewhere = elsewhere
    }

    func send(_ exchange: UpstreamExchange) {
        startTicking()
        if let connection = idle.popLast() { return connection.start(exchange) }
        if open.count + connecting < limits.connectionsMax {
            waiting.append(exchange)
            return connect(for: nil)
        }
        guard waiting.count < limits.waitingMax else {
            counts.saturated.wrappingAdd(1, ordering: .relaxed)
            exchange.finish(
                .failure(PlatformError(.unavailable, "the model server is saturated: \(waiting.count) requests wait already"))
            )
            return
        }
        waiting.append(exchange)
    }

    // MARK: Connections

    /// - Parameter exchange: Gets the new connection for itself; `nil`: whoever waits longest does.
    private func connect(for exchange: UpstreamExchange?) {
        connecting += 1
        let pool = NIOLoopBound(self, eventLoop: loop)
        ClientBootstrap(group: loop)
            .connectTimeout(.nanoseconds(limits.connectDeadline.nanoseconds))
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHTTPClientHandlers()
                    try channel.pipeline.syncOperations.addHandler(UpstreamConnection(pool: pool.value))
                }
            }
            .connect(host: endpoint.host, port: endpoint.port)
            .hop(to: loop)
            .assumeIsolated()
            .whenComplete { result in
                self.connecting -= 1
                switch result {
                case .success(let channel): self.connected(channel, for: exchange)
                case .failure(let error): self.refused(error, for: exchange)
                }
            }
    }

    private func connected(_ channel: any Channel, for exchange: UpstreamExchange?) {
        guard let connection = try? channel.pipeline.syncOperations.handler(type: UpstreamConnection.self) else {
            return refused(ChannelError.ioOnClosedChannel, for: exchange)
        }
        guard !isClosed else {
            connection.close()
            exchange?.finish(.failure(unreachable(nil)))
            return
        }
        counts.connections.wrappingAdd(1, ordering: .relaxed)
        connection.slot = open.count
        open.append(connection)
        if let exchange, !exchange.isDone { connection.start(exchange) } else { released(connection) }
    }

    private func refused(_ error: any Error, for exchange: UpstreamExchange?) {
        counts.refused.wrappingAdd(1, ordering: .relaxed)
        downUntil = .now() + .nanoseconds(limits.downtime.nanoseconds)
        if let exchange { moveOn(exchange, error) }
        // Whoever waits is served by a connection that is open or still coming; without any, by nobody.
        guard open.isEmpty, connecting == 0 else { return }
        for lost in takeWaiting() { moveOn(lost, error) }
    }

    /// No byte of the exchange was sent yet, so another replica may have it.
    private func moveOn(_ exchange: UpstreamExchange, _ cause: any Error) {
        if exchange.isDone || elsewhere(exchange) { return }
        exchange.finish(.failure(unreachable(cause)))
    }

    /// The connection has nothing to do any more.
    func released(_ connection: UpstreamConnection) {
        guard let next = nextWaiting() else { return idle.append(connection) }
        connection.start(next)
    }

    /// The connection has closed, or is about to. Called more than once.
    func closed(_ connection: UpstreamConnection) {
        guard let slot = connection.slot else { return }
        connection.slot = nil
        counts.connections.wrappingSubtract(1, ordering: .relaxed)
        let last = open.removeLast()
        if last !== connection {
            open[slot] = last
            last.slot = slot
        }
        idle.removeAll { $0 === connection }
        if !waiting.isEmpty, !isClosed, open.count + connecting < limits.connectionsMax { connect(for: nil) }
    }

    /// The connection closed under an exchange.
    ///
    /// A kept-alive connection may be closed by the server in the moment in which it is used again. Then
    /// nothing was answered, and as `infer` may be repeated, it is sent once more, over a new connection.
    func died(_ exchange: UpstreamExchange, wasReused: Bool, hadAnswer: Bool, cause: (any Error)?) {
        guard wasReused, !hadAnswer, !exchange.hasRetried, !exchange.isDone, !isClosed else {
            exchange.finish(
                .failure(PlatformError(.unavailable, "the model server closed the connection before it had answered", cause: cause))
            )
            return
        }
        exchange.hasRetried = true
        counts.retries.wrappingAdd(1, ordering: .relaxed)
        connect(for: exchange)
    }

    func close() {
        isClosed = true
        for exchange in takeWaiting() { exchange.finish(.failure(unreachable(nil))) }
        for connection in open { connection.close() }
    }

    private func nextWaiting() -> UpstreamExchange? {
        while let next = waiting.popFirst() {
            if !next.isDone { return next }
        }
        return nil
    }

    private func takeWaiting() -> [UpstreamExchange] {
        defer { waiting.removeAll() }
        return Array(waiting)
    }

    // MARK: Deadlines

    var tooLate: PlatformError {
        PlatformError(.unavailable, "the model server did not answer within \(limits.answerDeadline.seconds) s")
    }

    func unreachable(_ cause: (any Error)?) -> PlatformError {
        PlatformError(
            .unavailable,
            "the model server cannot be reached",
            remedy: "check that it runs and that its address is right",
            cause: cause
        )
    }

    /// Deadlines are looked at now and then, and only while something is under way: a timer a request
    /// would cost more than the request's own bookkeeping.
    private func startTicking() {
        guard !isTicking else { return }
        isTicking = true
        loop.assumeIsolated().scheduleTask(in: .nanoseconds(limits.tick.nanoseconds)) {
            self.isTicking = false
            self.expire(now: .now())
        }
    }

    private func expire(now: NIODeadline) {
        // They wait in the order in which they came, and all for the same time.
        while let first = waiting.first, first.isDone || first.deadline <= now {
            waiting.removeFirst()
            guard !first.isDone else { continue }
            counts.expired.wrappingAdd(1, ordering: .relaxed)
            first.finish(.failure(tooLate))
        }
        // From the end, as an expired connection leaves its place to the last one.
        for index in open.indices.reversed() where index < open.count { open[index].expire(now: now) }
        if open.count > idle.count || connecting > 0 || !waiting.isEmpty { startTicking() }
    }
}

extension Duration {
    var nanoseconds: Int64 {
        let (seconds, attoseconds) = components
        return seconds * 1_000_000_000 + attoseconds / 1_000_000_000
    }
}
