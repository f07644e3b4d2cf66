import NIOConcurrencyHelpers
public import NIOCore

/// A reply that may be there when the call returns, or later from another thread.
///
/// When ``complete(_:)`` runs before ``answer`` is asked for, no promise is ever made: that is the hot path.
public final class GRPCPendingReply: @unchecked Sendable {
    // Guarded by `lock`.
    private let eventLoop: any EventLoop
    private let lock = NIOLock()
    private var reply: GRPCReply?
    private var promise: EventLoopPromise<GRPCReply>?

    public init(eventLoop: any EventLoop) {
        self.eventLoop = eventLoop
    }

    /// To be called once.
    public func complete(_ reply: GRPCReply) {
        let promise = lock.withLock {
            self.reply = reply
            return self.promise
        }
        promise?.succeed(reply)
    }

    /// To be asked for once.
    public var answer: GRPCAnswer {
        lock.withLock {
            if let reply { return .now(reply) }
            let promise = eventLoop.makePromise(of: GRPCReply.self)
            self.promise = promise
            return .later(promise.futureResult)
        }
    }
}
