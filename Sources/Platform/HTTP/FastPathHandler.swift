import HTTPTypes
import NIOCore
import NIOHTTP1
import NIOHTTPTypes
import SlipwayCore

/// Answers ``FastRoutes`` on the event loop and passes everything else on to the router.
///
/// One exchange is under way at a time: what a client pipelines behind it waits here, bounded, so answers
/// keep the order of their requests whichever side gives them. The handler also ends idle and slow connections and
/// holds a graceful shutdown back until its own answer is out, because the handlers behind it do not see
/// the requests that it answers.
final class FastPathHandler: ChannelDuplexHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPRequestPart
    typealias InboundOut = HTTPRequestPart
    typealias OutboundIn = HTTPResponsePart
    typealias OutboundOut = HTTPResponsePart

    private enum Exchange {
        case none
        /// The body of a fast request is coming in.
        case collecting(HTTPRequest, path: String, body: ByteBuffer?)
        /// A fast request is being answered.
        case answering(HTTPRequest)
        /// The router has the request; both its end and its response's end must pass.
        case routed(requestEnded: Bool, responseEnded: Bool)
        /// An answer has been given to a request that is not read any further.
        case refused
    }

    private let routes: any FastRoutes
    private let limits: ConnectionLimits
    /// Whether plain requests are answered before they are decoded.
    private let answersPlainHeads: Bool
    private var exchange = Exchange.none
    /// Parts that came behind the exchange under way.
    private var waiting = CircularBuffer<HTTPRequestPart>()
    private var isReadHeld = false
    /// What could not be read behind the exchange under way.
    private var heldError: HTTPParserError?
    private var isDraining = false
    private var needsFlush = false
    /// Whether the handlers behind have got parts that no read's completion has followed yet.
    private var needsReadComplete = false
    /// Events for the handlers behind, held back while a fast answer is under way.
    private var heldEvents: [Any] = []
    private var isQuiescing = false
    private var clock = ConnectionClock(now: .now())
    private var nextCheck: Scheduled<Void>?
    /// Whether the connection is read from: whoever is behind may hold that back.
    private var isReading = false
    /// Whether a body is still coming for a request that was refused from its head.
    private var lingers = false
    private var discardedBytes = 0
    private var lingerEnd: Scheduled<Void>?
    /// One for the connection: it has one request under way at a time.
    private let cancellation = Cancellation()
    /// Known once the first request is there.
    private var knownPeer: UInt64?

    /// - Parameter answersPlainHeads: Never with TLS: the bytes in front of the decoder are not HTTP there.
    init(routes: any FastRoutes, limits: ConnectionLimits = ConnectionLimits(), answersPlainHeads: Bool = false) {
        self.routes = routes
        self.limits = limits
        self.answersPlainHeads = answersPlainHeads
    }

    func handlerAdded(context: ChannelHandlerContext) {
        readsPlainHeads(context)
        if context.channel.isActive { scheduleCheck(context) }
    }

    /// Puts a ``PlainExchangeHandler`` in front of everything, unless something else stands between the
    /// socket and HTTP, as TLS does.
    private func readsPlainHeads(_ context: ChannelHandlerContext) {
        guard answersPlainHeads else { return }
        try? context.pipeline.syncOperations.addHandler(PlainExchangeHandler(routes: routes, clock: self), position: .first)
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        nextCheck?.cancel()
        nextCheck = nil
        lingerEnd?.cancel()
        lingerEnd = nil
    }

    func channelActive(context: ChannelHandlerContext) {
        scheduleCheck(context)
        context.fireChannelActive()
    }

    func channelInactive(context: ChannelHandlerContext) {
        nextCheck?.cancel()
        nextCheck = nil
        lingerEnd?.cancel()
        lingerEnd = nil
        waiting.removeAll()
        exchange = .refused
        cancellation.cancel()
        context.fireChannelInactive()
    }

    // MARK: Requests

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let part = unwrapInboundIn(data)
        guard waiting.isEmpty, takesNow(part) else {
            waiting.append(part)
            return
        }
        take(part, context)
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        isReading = false
        if needsFlush {
            needsFlush = false
            context.flush()
        }
        needsReadComplete = false
        context.fireChannelReadComplete()
    }

    func read(context: ChannelHandlerContext) {
        guard mayRead(context) else {
            isReadHeld = true
            return
        }
        isReading = true
        context.read()
    }

    /// Not while more waits than may, nor while the client does not take its answers: it would be sent more.
    private func mayRead(_ context: ChannelHandlerContext) -> Bool {
        guard waiting.count < ServerLimits.pipelinedPartsMax else { return false }
        // The router minds its own answers.
        if case .routed = exchange { return true }
        return context.channel.isWritable
    }

    private func readHeld(_ context: ChannelHandlerContext) {
        guard isReadHeld, mayRead(context) else { return }
        isReadHeld = false
        isReading = true
        context.read()
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        readHeld(context)
        context.fireChannelWritabilityChanged()
    }

    /// Whether the part belongs to the exchange under way, or may begin the next one.
    private func takesNow(_ part: HTTPRequestPart) -> Bool {
        switch exchange {
        case .none, .collecting, .refused: true
        case .answering: false
        case .routed(let requestEnded, _): !requestEnded
        }
    }

    private func take(_ part: HTTPRequestPart, _ context: ChannelHandlerContext) {
        switch (exchange, part) {
        case (.none, .head(let head)):
            clock.awaitBody(bytes: 0, now: .now())
            begin(head, context)
        case (.none, _): break
        case (.refused, .body(let more)):
            discardedBytes += more.readableBytes
            if discardedBytes > ServerLimits.lingerBytesMax { context.close(promise: nil) }
        case (.refused, .end):
            if lingers { context.close(promise: nil) }
        case (.refused, _): break
        case (.collecting(let head, let path, let body), .body(let more)): collect(more, head, path, body, context)
        case (.collecting(let head, let path, let body), .end):
            answer(FastRequest(head: head, path: path, body: body ?? ByteBuffer(), cancellation: cancellation, peer: peer(context)), context)
        case (.routed(_, let responseEnded), .end):
            clock.awaitNothing()
            exchange = .routed(requestEnded: true, responseEnded: responseEnded)
            pass(part, context)
            finishRouted(context)
        case (.routed, _):
            if case .body(let more) = part { clock.tookBody(more.readableBytes) }
            pass(part, context)
        case (.collecting, .head), (.answering, _): context.close(promise: nil)
        }
    }

    private func pass(_ part: HTTPRequestPart, _ context: ChannelHandlerContext) {
        needsReadComplete = true
        context.fireChannelRead(wrapInboundOut(part))
    }

    private func begin(_ head: HTTPRequest, _ context: ChannelHandlerContext) {
        let path = Self.path(of: head)
        if Self.announcesBody(head), let refusal = routes.refusal(of: head) { return refuse(head, refusal, context) }
        guard routes.accepts(method: head.method, path: path) else {
            exchange = .routed(requestEnded: false, responseEnded: false)
            pass(.head(head), context)
            return
        }
        if let text = head.headerFields[.contentLength], let length = Int(text), length > routes.bodyBytesMax {
            return refuseTooLarge(head, context)
        }
        if let expect = head.headerFields[.expect], expect.lowercased() == "100-continue" {
            context.writeAndFlush(wrapOutboundOut(.head(HTTPResponse(status: .continue))), promise: nil)
        }
        exchange = .collecting(head, path: path, body: nil)
    }

    private func collect(
        _ more: ByteBuffer,
        _ head: HTTPRequest,
        _ path: String,
        _ body: ByteBuffer?,
        _ context: ChannelHandlerContext
    ) {
        guard (body?.readableBytes ?? 0) + more.readableBytes <= routes.bodyBytesMax else {
            return refuseTooLarge(head, context)
        }
        clock.tookBody(more.readableBytes)
        guard var whole = body else {
            exchange = .collecting(head, path: path, body: more)
            return
        }
        // Let go of the state's reference first, or appending copies everything each time.
        exchange = .none
        if whole.writableBytes < more.readableBytes, let text = head.headerFields[.contentLength], let length = Int(text) {
            whole.reserveCapacity(min(length, routes.bodyBytesMax))
        }
        whole.writeImmutableBuffer(more)
        exchange = .collecting(head, path: path, body: whole)
    }

    private func answer(_ request: FastRequest, _ context: ChannelHandlerContext) {
        exchange = .answering(request.head)
        clock.awaitNothing()
        switch routes.answer(request, on: context.eventLoop) {
        case .now(let response):
            write(response, to: request.head, context)
            needsFlush = true
            finishExchange(context)
        case .later(let future):
            future.hop(to: context.eventLoop).assumeIsolated().whenComplete { result in
                guard case .answering = self.exchange else { return }
                let failure = FastResponse(status: .internalServerError, body: ByteBuffer())
                self.write((try? result.get()) ?? failure, to: request.head, context)
                context.flush()
                self.finishExchange(context)
            }
        }
    }

    private func peer(_ context: ChannelHandlerContext) -> UInt64 {
        if let knownPeer { return knownPeer }
        let hash = context.channel.peerHash
        knownPeer = hash
        return hash
    }

    // MARK: Responses

    private func write(_ response: FastResponse, to request: HTTPRequest, _ context: ChannelHandlerContext) {
        var head = HTTPResponse(status: response.status, headerFields: response.headers)
        head.headerFields[.contentLength] = "\(response.body.readableBytes)"
        let closes = isQuiescing || Self.asksToClose(request)
        if closes { head.headerFields[.connection] = "close" }
        context.write(wrapOutboundOut(.head(head)), promise: nil)
        if request.method != .head { context.write(wrapOutboundOut(.body(response.body)), promise: nil) }
        guard closes else {
            context.write(wrapOutboundOut(.end(nil)), promise: nil)
            return
        }
        exchange = .refused
        let channel = context.channel
        guard lingers else {
            context.writeAndFlush(wrapOutboundOut(.end(nil))).whenComplete { _ in channel.close(promise: nil) }
            return
        }
        context.writeAndFlush(wrapOutboundOut(.end(nil))).assumeIsolated().whenComplete { _ in self.linger(context) }
    }

    private func refuseTooLarge(_ head: HTTPRequest, _ context: ChannelHandlerContext) {
        refuse(head, routes.tooLarge, context)
    }

    /// Answers before the body has come, and ends the connection: the rest of the body is nobody's.
    private func refuse(_ head: HTTPRequest, _ response: FastResponse, _ context: ChannelHandlerContext) {
        var request = head
        request.headerFields[.connection] = "close"
        lingers = true
        clock.awaitNothing()
        write(response, to: request, context)
    }

    /// Ends our side and throws away what still comes, for a while: a connection that is closed with unread bytes is
    /// reset, and the client would lose the answer that tells it why.
    private func linger(_ context: ChannelHandlerContext) {
        let channel = context.channel
        context.close(mode: .output, promise: nil)
        lingerEnd = context.eventLoop.assumeIsolated().scheduleTask(in: .seconds(ServerLimits.lingerSeconds)) { channel.close(promise: nil) }
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        let part = unwrapOutboundIn(data)
        context.write(data, promise: promise)
        guard case .end = part, case .routed(let requestEnded, _) = exchange else { return }
        exchange = .routed(requestEnded: requestEnded, responseEnded: true)
        finishRouted(context)
    }

    private func finishRouted(_ context: ChannelHandlerContext) {
        guard case .routed(true, true) = exchange else { return }
        finishExchange(context)
    }

    private func finishExchange(_ context: ChannelHandlerContext) {
        if case .refused = exchange { return }
        exchange = .none
        clock.awaitRequest(now: .now())
        for event in heldEvents { context.fireUserInboundEventTriggered(event) }
        heldEvents.removeAll()
        drain(context)
    }

    /// Takes what waited; a loop and not a recursion, as each answer may finish at once.
    private func drain(_ context: ChannelHandlerContext) {
        guard !isDraining, !waiting.isEmpty || isReadHeld || heldError != nil else { return }
        isDraining = true
        while let part = waiting.first, takesNow(part) {
            waiting.removeFirst()
            take(part, context)
        }
        raiseHeldError(context)
        isDraining = false
        // What waited was read earlier: no other completion comes, and the handlers behind wait for one.
        if needsReadComplete {
            needsReadComplete = false
            context.fireChannelReadComplete()
        }
        if needsFlush {
            needsFlush = false
            context.flush()
        }
        readHeld(context)
    }

    // MARK: The connection's end

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if event is ChannelShouldQuiesceEvent { isQuiescing = true }
        switch exchange {
        // The rest of the body will not come.
        case .collecting where (event as? ChannelEvent) == .inputClosed: context.close(promise: nil)
        case .collecting, .answering: heldEvents.append(event)
        case .none, .routed, .refused: context.fireUserInboundEventTriggered(event)
        }
    }

    // MARK: Time

    /// What the handler in front of the decoder waits for.
    func plainAwaits(_ change: (inout ConnectionClock) -> Void) { change(&clock) }

    private func scheduleCheck(_ context: ChannelHandlerContext) {
        guard nextCheck == nil else { return }
        nextCheck = context.eventLoop.assumeIsolated().scheduleTask(in: limits.check) {
            self.nextCheck = nil
            self.check(context)
        }
    }

    /// Ends a connection that kept us waiting for too long; an answer under way, ours or the router's, is
    /// waited for.
    private func check(_ context: ChannelHandlerContext) {
        let expiry = clock.expiry(
            now: .now(),
            isReading: isReading,
            unsentBytes: context.channel.isWritable ? nil : Self.unsentBytes(context.channel),
            limits: limits
        )
        switch (expiry, exchange) {
        case (nil, _): scheduleCheck(context)
        case (.head?, .none), (.body?, .none), (.body?, .collecting):
            scheduleCheck(context)
            refuse(Self.unread, ConnectionRefusal.late, context)
        case (_?, _): context.close(promise: nil)
        }
    }

    /// What came is not HTTP, or its head is larger than it may be.
    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        guard let error = error as? HTTPParserError else { return context.fireErrorCaught(error) }
        switch exchange {
        case .none, .collecting: refuse(error, context)
        // It is about what came behind: those before it get their answers first.
        case .answering, .routed(requestEnded: true, _): heldError = error
        case .routed(requestEnded: false, _), .refused: context.fireErrorCaught(error)
        }
    }

    private func refuse(_ error: HTTPParserError, _ context: ChannelHandlerContext) {
        refuse(Self.unread, error == .headerOverflow ? ConnectionRefusal.headTooLarge : ConnectionRefusal.unreadable, context)
    }

    /// Says what was wrong behind the requests that have been answered by now.
    private func raiseHeldError(_ context: ChannelHandlerContext) {
        guard let error = heldError, waiting.isEmpty else { return }
        switch exchange {
        case .none, .collecting:
            heldError = nil
            refuse(error, context)
        case .routed(requestEnded: false, _):
            heldError = nil
            context.fireErrorCaught(error)
        case .answering, .routed(requestEnded: true, _), .refused: break
        }
    }

    /// For a request that has not come in whole.
    private static let unread = HTTPRequest(method: .post, scheme: nil, authority: nil, path: nil)

    private static func unsentBytes(_ channel: any Channel) -> Int? {
        try? channel.syncOptions?.getOption(.bufferedWritableBytes)
    }

    private static func path(of head: HTTPRequest) -> String {
        guard let target = head.path, !target.isEmpty else { return "/" }
        guard let query = target.utf8.firstIndex(of: UInt8(ascii: "?")) else { return target }
        return String(target[..<query])
    }

    private static func announcesBody(_ head: HTTPRequest) -> Bool {
        if let length = head.headerFields[.contentLength] { return length != "0" }
        return head.headerFields[.transferEncoding] != nil
    }

    private static func asksToClose(_ head: HTTPRequest) -> Bool {
        guard let connection = head.headerFields[.connection] else { return false }
        return connection.lowercased().contains("close")
    }
}
