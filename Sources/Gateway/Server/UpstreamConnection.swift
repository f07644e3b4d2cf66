import NIOCore
import NIOHTTP1
import SlipwayCore
import Synchronization

/// One kept-alive connection to a replica, with at most one exchange at a time.
final class UpstreamConnection: ChannelInboundHandler {
    typealias InboundIn = HTTPClientResponsePart
    typealias OutboundOut = HTTPClientRequestPart

    private let pool: UpstreamPool
    private var context: ChannelHandlerContext?
    private var exchange: UpstreamExchange?
    private var head: HTTPResponseHead?
    private var body: ByteBuffer?
    private var uses = 0
    /// Where the pool keeps it; `nil` once it is closed.
    var slot: Int?

    init(pool: UpstreamPool) {
        self.pool = pool
    }

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }
    func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

    /// Sends a request. The connection must be idle.
    func start(_ next: UpstreamExchange) {
        guard let context, context.channel.isActive else {
            pool.died(next, wasReused: true, hadAnswer: false, cause: nil)
            return
        }
        precondition(exchange == nil)
        exchange = next
        uses += 1
        let request = next.request
        var headers = HTTPHeaders()
        headers.reserveCapacity(5)
        headers.add(name: "host", value: pool.endpoint.authority)
        headers.add(name: "content-length", value: "\(request.body.readableBytes)")
        if let jsonBytes = request.jsonBytes {
            headers.add(name: "content-type", value: "application/octet-stream")
            headers.add(name: "inference-header-content-length", value: "\(jsonBytes)")
        } else if request.body.readableBytes > 0 {
            headers.add(name: "content-type", value: "application/json")
        }
        let head = HTTPRequestHead(version: .http1_1, method: request.method, uri: request.path, headers: headers)
        context.write(wrapOutboundOut(.head(head)), promise: nil)
        if request.body.readableBytes > 0 { context.write(wrapOutboundOut(.body(.byteBuffer(request.body))), promise: nil) }
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head):
            guard exchange != nil else { return context.close(promise: nil) }
            self.head = head
        case .body(var more):
            guard (body?.readableBytes ?? 0) + more.readableBytes <= pool.limits.responseBytesMax else {
                fail(PlatformError(.unavailable, "the model server's answer is larger than \(pool.limits.responseBytesMax) bytes"))
                return
            }
            // Taken out first: two owners would make each append a copy of everything.
            guard var whole = body.take() else {
                body = more
                return
            }
            whole.writeBuffer(&more)
            body = whole
        case .end:
            answered(context)
        }
    }

    private func answered(_ context: ChannelHandlerContext) {
        guard let head, let exchange else { return context.close(promise: nil) }
        let response = UpstreamResponse(
            status: Int(head.status.code),
            jsonBytes: head.headers.first(name: "inference-header-content-length").flatMap { Int($0) },
            retryAfter: head.headers.first(name: "retry-after"),
            body: body ?? ByteBuffer()
        )
        self.exchange = nil
        self.head = nil
        body = nil
        if head.isKeepAlive {
            pool.released(self)
        } else {
            pool.closed(self)
            context.close(promise: nil)
        }
        exchange.finish(.success(response))
    }

    func channelInactive(context: ChannelHandlerContext) {
        end(cause: nil)
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        end(cause: error)
        context.close(promise: nil)
    }

    private func end(cause: (any Error)?) {
        pool.closed(self)
        guard let lost = exchange else { return }
        let hadAnswer = head != nil
        exchange = nil
        head = nil
        body = nil
        pool.died(lost, wasReused: uses > 1, hadAnswer: hadAnswer, cause: cause)
    }

    /// Gives the exchange up if its time is over: what still comes on this connection belongs to nobody.
    func expire(now: NIODeadline) {
        guard let exchange, exchange.deadline <= now else { return }
        pool.counts.expired.wrappingAdd(1, ordering: .relaxed)
        fail(pool.tooLate)
    }

    private func fail(_ error: PlatformError) {
        let lost = exchange
        exchange = nil
        pool.closed(self)
        context?.close(promise: nil)
        lost?.finish(.failure(error))
    }

    func close() {
        context?.close(promise: nil)
    }
}
