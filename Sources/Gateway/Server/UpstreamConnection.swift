import NIOCore
import SlipwayCore
import Synchronization

/// One kept-alive connection to a replica, with at most one exchange at a time.
///
/// Speaks HTTP/1.1 on its own bytes: a request is one buffer and one write, an answer is read where it
/// came in.
final class UpstreamConnection: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let pool: UpstreamPool
    private var context: ChannelHandlerContext?
    private var exchange: UpstreamExchange?
    private var reader: UpstreamResponseReader
    private var uses = 0
    /// Where the pool keeps it; `nil` once it is closed.
    var slot: Int?

    init(pool: UpstreamPool) {
        self.pool = pool
        reader = UpstreamResponseReader(bodyBytesMax: pool.limits.responseBytesMax)
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
        next.connection = self
        uses += 1
        let request = next.request
        let isCopied = request.body.readableBytes <= UpstreamLimits.copiedBodyBytesMax
        let capacity = request.path.utf8.count + pool.headBytes + (isCopied ? request.body.readableBytes : 0)
        var head = context.channel.allocator.buffer(capacity: capacity)
        pool.writeHead(of: request, into: &head)
        if isCopied {
            // A small body goes with its head: one system call, one segment.
            head.writeImmutableBuffer(request.body)
            context.writeAndFlush(wrapOutboundOut(head), promise: nil)
        } else {
            context.write(wrapOutboundOut(head), promise: nil)
            context.writeAndFlush(wrapOutboundOut(request.body), promise: nil)
        }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        // Nobody asked: an answer to nothing must not become the next request's.
        guard exchange != nil else { return context.close(promise: nil) }
        take(reader.read(unwrapInboundIn(data)), context)
    }

    private func take(_ step: UpstreamResponseReader.Step, _ context: ChannelHandlerContext) {
        switch step {
        case .more: break
        case .broken(let reason):
            fail(PlatformError(.unavailable, "the model server's answer cannot be read: \(reason)"), isFault: true)
        case .answer(let response, let isKeptAlive):
            guard let exchange else { return context.close(promise: nil) }
            self.exchange = nil
            exchange.connection = nil
            if isKeptAlive {
                pool.released(self)
            } else {
                pool.closed(self)
                context.close(promise: nil)
            }
            pool.answered(exchange, response)
        }
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
        if cause == nil, reader.hasBegun, let context, case .answer(let response, _) = reader.close() {
            return take(.answer(response, isKeptAlive: false), context)
        }
        let hadAnswer = reader.hasBegun
        exchange = nil
        lost.connection = nil
        pool.died(lost, wasReused: uses > 1, hadAnswer: hadAnswer, cause: cause)
    }

    /// Gives the exchange up if its time is over, or its client gone: what still comes on this connection belongs to nobody.
    func expire(now: NIODeadline) {
        guard let exchange, !exchange.endIfAbandoned(), exchange.deadline <= now else { return }
        pool.counts.expired.wrappingAdd(1, ordering: .relaxed)
        fail(pool.tooLate(exchange), isFault: true)
    }

    /// Gives the exchange up because nobody waits for it. HTTP/1.1 has no other way to say so than to close.
    func abandon() {
        fail(UpstreamTrouble.clientGone, isFault: false)
    }

    private func fail(_ error: PlatformError, isFault: Bool) {
        let lost = exchange
        exchange = nil
        lost?.connection = nil
        pool.closed(self)
        context?.close(promise: nil)
        guard let lost else { return }
        if isFault { pool.faulted(lost) }
        lost.finish(.failure(error))
    }

    func close() {
        context?.close(promise: nil)
    }
}
