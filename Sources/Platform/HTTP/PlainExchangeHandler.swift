import Foundation
import HTTPTypes
import NIOCore
import SlipwayCore

/// Answers ``FastRoutes`` before HTTP is decoded, as long as a connection asks for nothing else.
///
/// The full decoder, its types and the handlers behind it cost more than a small model does. This handler
/// stands in front of them and reads ``PlainHead``s only. A head that repeats the last one byte for byte, as
/// a client in a loop sends it, is not even read. At the first request that is not plain, or not a fast
/// route's, the handler gives everything to the decoder behind it and leaves the connection for good.
final class PlainExchangeHandler: ChannelDuplexHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    /// Bodies up to this many bytes are copied behind the head of their answer, into one write.
    private static let copiedBytesMax = 16 << 10
    /// What may wait behind an exchange under way before the connection is read no further.
    private static let heldBytesMax = 64 << 10

    private enum Exchange {
        case none
        case answering(FastRequest)
        /// The connection is to end: nothing more is read from it.
        case closing
        /// The decoder behind has the connection.
        case left
    }

    private let routes: any FastRoutes
    /// Keeps the connection's time, as it does for what the decoder reads.
    private let clock: FastPathHandler
    private var exchange = Exchange.none
    private var received: ByteBuffer?
    /// The last head, as bytes and as it was read.
    private var known: (bytes: ByteBuffer, head: PlainHead)?
    /// Whether the body that is still coming may come: the handlers behind refuse one from its head that may not.
    private var isBodyAwaited = false
    private var isWorking = false
    private var needsFlush = false
    private var isReadHeld = false
    private var heldEvents: [Any] = []
    private var isQuiescing = false
    /// One for the connection: it has one request under way at a time.
    private let cancellation = Cancellation()
    /// Known once the first request is there.
    private var knownPeer: UInt64?

    init(routes: any FastRoutes, clock: FastPathHandler) {
        self.routes = routes
        self.clock = clock
    }

    // MARK: Requests

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch exchange {
        case .left: return context.fireChannelRead(data)
        case .closing: return
        case .none, .answering: break
        }
        let more = unwrapInboundIn(data)
        if received == nil {
            received = more
        } else {
            received?.writeImmutableBuffer(more)
        }
        work(context)
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        flush(context)
        context.fireChannelReadComplete()
    }

    func read(context: ChannelHandlerContext) {
        if case .answering = exchange, (received?.readableBytes ?? 0) >= Self.heldBytesMax {
            isReadHeld = true
            return
        }
        context.read()
    }

    func channelInactive(context: ChannelHandlerContext) {
        received = nil
        exchange = .closing
        cancellation.cancel()
        context.fireChannelInactive()
    }

    /// Answers what has come in whole; a loop and not a recursion, as each answer may be there at once.
    private func work(_ context: ChannelHandlerContext) {
        guard !isWorking else { return }
        isWorking = true
        defer { isWorking = false }
        while case .none = exchange, let bytes = received, bytes.readableBytes > 0 {
            guard let head = head(of: bytes, context) else { return }
            let (length, overflow) = head.byteCount.addingReportingOverflow(head.contentLength)
            guard !overflow, head.contentLength <= routes.bodyBytesMax else { return leave(context) }
            guard bytes.readableBytes >= length else {
                if !isBodyAwaited, routes.refusal(of: head.request) != nil { return leave(context) }
                isBodyAwaited = true
                clock.sawPlainBytes(isBusy: false)
                received?.reserveCapacity(minimumWritableBytes: length - bytes.readableBytes)
                return
            }
            received = nil
            isBodyAwaited = false
            var whole = bytes
            whole.moveReaderIndex(forwardBy: head.byteCount)
            guard let body = whole.readSlice(length: head.contentLength) else { return leave(context) }
            if whole.readableBytes > 0 { received = whole }
            answer(FastRequest(head: head.request, path: head.path, body: body, cancellation: cancellation, peer: peer(context)), context)
        }
    }

    /// The head that the bytes begin with; `nil` when it is not there yet, or not ours to read.
    private func head(of bytes: ByteBuffer, _ context: ChannelHandlerContext) -> PlainHead? {
        if let known, bytes.readableBytes >= known.head.byteCount {
            let isSame = bytes.withUnsafeReadableBytes { now in
                known.bytes.withUnsafeReadableBytes { before in
                    guard let now = now.baseAddress, let before = before.baseAddress else { return false }
                    return memcmp(before, now, known.head.byteCount) == 0
                }
            }
            if isSame { return known.head }
        }
        switch bytes.withUnsafeReadableBytes(PlainHead.scan) {
        case .incomplete:
            clock.sawPlainBytes(isBusy: false)
            return nil
        case .head(let head) where routes.accepts(method: head.request.method, path: head.path):
            // A copy of its own, so that the buffer of the connection may be used again.
            known = bytes.getBytes(at: bytes.readerIndex, length: head.byteCount).map { (ByteBuffer(bytes: $0), head) }
            return head
        case .head, .notPlain:
            leave(context)
            return nil
        }
    }

    private func answer(_ request: FastRequest, _ context: ChannelHandlerContext) {
        exchange = .answering(request)
        clock.sawPlainBytes(isBusy: true)
        switch routes.answer(request, on: context.eventLoop) {
        case .now(let response):
            write(response, context)
            finish(context)
        case .later(let future):
            future.hop(to: context.eventLoop).assumeIsolated().whenComplete { result in
                guard case .answering = self.exchange else { return }
                self.write((try? result.get()) ?? FastResponse(status: .internalServerError, body: ByteBuffer()), context)
                self.finish(context)
                self.work(context)
                self.flush(context)
            }
        }
    }

    /// The decoder takes over, with all that has not been answered.
    private func leave(_ context: ChannelHandlerContext) {
        flush(context)
        exchange = .left
        known = nil
        if let bytes = received {
            received = nil
            context.fireChannelRead(wrapInboundOut(bytes))
            context.fireChannelReadComplete()
        }
        context.pipeline.syncOperations.removeHandler(self, promise: nil)
    }

    private func peer(_ context: ChannelHandlerContext) -> UInt64 {
        if let knownPeer { return knownPeer }
        let hash = context.channel.peerHash
        knownPeer = hash
        return hash
    }

    // MARK: Responses

    private func write(_ response: FastResponse, _ context: ChannelHandlerContext) {
        let length = response.body.readableBytes
        let isCopied = length <= Self.copiedBytesMax
        var buffer = context.channel.allocator.buffer(capacity: 256 + (isCopied ? length : 0))
        if response.status.code == 200 {
            buffer.writeStaticString("HTTP/1.1 200 OK\r\n")
        } else {
            buffer.writeString("HTTP/1.1 \(response.status.code) \(response.status.reasonPhrase)\r\n")
        }
        for field in response.headers {
            buffer.writeString(field.name.rawName)
            buffer.writeStaticString(": ")
            buffer.writeString(field.value)
            buffer.writeStaticString("\r\n")
        }
        buffer.writeStaticString("content-length: ")
        buffer.writeString(String(length))
        if isQuiescing { buffer.writeStaticString("\r\nconnection: close") }
        buffer.writeStaticString("\r\n\r\n")
        if isCopied {
            buffer.writeImmutableBuffer(response.body)
            context.write(wrapOutboundOut(buffer), promise: nil)
        } else {
            context.write(wrapOutboundOut(buffer), promise: nil)
            context.write(wrapOutboundOut(response.body), promise: nil)
        }
        needsFlush = true
    }

    private func finish(_ context: ChannelHandlerContext) {
        clock.sawPlainBytes(isBusy: false)
        guard !isQuiescing else {
            exchange = .closing
            flush(context)
            release(context)
            return context.close(promise: nil)
        }
        exchange = .none
        release(context)
        if isReadHeld {
            isReadHeld = false
            context.read()
        }
    }

    private func release(_ context: ChannelHandlerContext) {
        let events = heldEvents
        heldEvents.removeAll()
        for event in events { context.fireUserInboundEventTriggered(event) }
    }

    private func flush(_ context: ChannelHandlerContext) {
        guard needsFlush else { return }
        needsFlush = false
        context.flush()
    }

    /// An answer under way holds events back: a handler behind might close the connection on them.
    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if event is ChannelShouldQuiesceEvent { isQuiescing = true }
        if case .answering = exchange {
            heldEvents.append(event)
        } else {
            context.fireUserInboundEventTriggered(event)
        }
    }
}
