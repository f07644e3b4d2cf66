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
    private var isClosed = false
    /// Whether its replica is among those that the address stands for no more.
    private var isLeaving = false
    private unowned let owner: UpstreamLoop
    /// What every head says after the path.
    private let headMiddle: [UInt8]

    init(endpoint: UpstreamEndpoint, limits: UpstreamLimits, counts: UpstreamCounts, loop: any EventLoop, owner: UpstreamLoop) {
        self.endpoint = endpoint
        self.limits = limits
        self.counts = counts
        self.loop = loop
        self.owner = owner
        headMiddle = Array(" HTTP/1.1\r\nhost: \(endpoint.authority)\r\n".utf8)
    }

    // MARK: Heads

    /// What a head takes besides its path.
    var headBytes: Int { headMiddle.count + 160 }

    func writeHead(of request: UpstreamRequest, into buffer: inout ByteBuffer) {
        buffer.writeString(request.method.rawValue)
        buffer.writeInteger(UInt8(ascii: " "))
        buffer.writeString(request.path)
        buffer.writeBytes(headMiddle)
        if let jsonBytes = request.jsonBytes {
            buffer.writeStaticString("content-type: application/octet-stream\r\ninference-header-content-length: ")
            buffer.writeString("\(jsonBytes)")
            buffer.writeStaticString("\r\n")
        } else if request.body.readableBytes > 0 {
            buffer.writeStaticString("content-type: application/json\r\n")
        }
        if let requestID = request.requestID {
            buffer.writeStaticString("x-request-id: ")
            buffer.writeString(requestID)
            buffer.writeStaticString("\r\n")
        }
        buffer.writeStaticString("content-length: ")
        buffer.writeString("\(request.body.readableBytes)")
        buffer.writeStaticString("\r\n\r\n")
    }

    // MARK: Requests

    func send(_ exchange: UpstreamExchange) {
        startTicking()
        if let connection = idle.popLast() { return connection.start(exchange) }
        if open.count + connecting < limits.connectionsMax {
            waiting.append(exchange)
            return connect(for: nil)
        }
        // A shadow takes what is left over.
        guard waiting.count < limits.waitingMax, !exchange.request.isShadow else {
            counts.saturated.wrappingAdd(1, ordering: .relaxed)
            let message = "the model server is saturated: \(waiting.count) requests wait already"
            exchange.finish(.failure(PlatformError(.unavailable, message, cause: UpstreamTrouble.saturated)))
            return
        }
        waiting.append(exchange)
    }

    /// Whether nothing is under way or on its way.
    var isEmpty: Bool { open.isEmpty && connecting == 0 && waiting.isEmpty }

    /// Lets go of the replica: what waits goes elsewhere, what is under way is answered.
    func leave() {
        isLeaving = true
        let moved = takeWaiting()
        for connection in idle { connection.close() }
        for exchange in moved { moveOn(exchange, nil) }
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
                    try channel.pipeline.syncOperations.addHandler(UpstreamConnection(pool: pool.value))
                }
            }
            .connect(host: endpoint.address ?? endpoint.host, port: endpoint.port)
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
        owner.refused(by: endpoint)
        if let exchange { moveOn(exchange, error) }
        // Whoever waits is served by a connection that is open or still coming; without any, by nobody.
        guard open.isEmpty, connecting == 0 else { return }
        for lost in takeWaiting() { moveOn(lost, error) }
    }

    /// No byte of the exchange was sent yet, so another replica may have it.
    private func moveOn(_ exchange: UpstreamExchange, _ cause: (any Error)?) {
        if exchange.isDone || owner.sendElsewhere(exchange) { return }
        exchange.finish(.failure(unreachable(cause)))
    }

    /// The connection has nothing to do any more.
    func released(_ connection: UpstreamConnection) {
        guard !isLeaving else { return connection.close() }
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
        if !waiting.isEmpty, !isClosed, !isLeaving, open.count + connecting < limits.connectionsMax { connect(for: nil) }
    }

    /// The connection closed under an exchange.
    ///
    /// A kept-alive connection may be closed by the server in the moment in which it is used again. Then
    /// nothing was answered, and as `infer` may be repeated, it is sent once more, over a new connection.
    func died(_ exchange: UpstreamExchange, wasReused: Bool, hadAnswer: Bool, cause: (any Error)?) {
        guard wasReused, !hadAnswer, !exchange.hasRetried, !exchange.isDone, !isClosed, !isLeaving else {
            if !exchange.isDone, !isClosed { faulted(exchange) }
            exchange.finish(
                .failure(PlatformError(.unavailable, "the model server closed the connection before it had answered", cause: cause))
            )
            return
        }
        exchange.hasRetried = true
        counts.retries.wrappingAdd(1, ordering: .relaxed)
        connect(for: exchange)
    }

    func answered(_ exchange: UpstreamExchange, _ response: UpstreamResponse) {
        if response.saysAbsent, !exchange.isDone, !isClosed, owner.lacks(exchange, at: endpoint) { return }
        exchange.finish(.success(response))
    }

    /// The replica failed to answer an exchange.
    func faulted(_ exchange: UpstreamExchange) {
        owner.faulted(exchange, at: endpoint)
    }

    func close() {
        isClosed = true
        for exchange in takeWaiting() { exchange.finish(.failure(unreachable(nil))) }
        for connection in open { connection.close() }
    }

    private func nextWaiting() -> UpstreamExchange? {
        while let next = waiting.popFirst() {
            if !next.endIfAbandoned() { return next }
        }
        return nil
    }

    private func takeWaiting() -> [UpstreamExchange] {
        defer { waiting.removeAll() }
        return Array(waiting)
    }

    // MARK: Deadlines

    func tooLate(_ exchange: UpstreamExchange) -> PlatformError {
        PlatformError(
            .unavailable,
            "the model server did not answer within \(exchange.timeout.seconds) s",
            cause: UpstreamTrouble.late
        )
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
        // Deadlines may differ, so all that wait are looked at: bounded by `waitingMax`.
        if waiting.contains(where: { $0.endIfAbandoned() || $0.deadline <= now }) {
            let all = waiting
            waiting = CircularBuffer()
            for exchange in all where !exchange.isDone {
                guard exchange.deadline <= now else {
                    waiting.append(exchange)
                    continue
                }
                counts.expired.wrappingAdd(1, ordering: .relaxed)
                faulted(exchange)
                exchange.finish(.failure(tooLate(exchange)))
            }
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
