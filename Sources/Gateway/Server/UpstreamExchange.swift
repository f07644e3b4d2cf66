import NIOCore
import NIOHTTP1
import SlipwayCore
import Synchronization

/// A request to the model server.
struct UpstreamRequest: Sendable {
    var method: HTTPMethod = .POST
    var path: String
    var body = ByteBuffer()
    /// The length of the JSON before the binary part.
    var jsonBytes: Int?
}

/// A complete answer of the model server.
struct UpstreamResponse: Sendable {
    var status: Int
    var jsonBytes: Int?
    var retryAfter: String?
    var body: ByteBuffer
}

typealias UpstreamResult = Result<UpstreamResponse, PlatformError>

/// One request on its way to an answer, over one connection or a second one. Only touched on its loop.
final class UpstreamExchange {
    private(set) var request: UpstreamRequest
    let deadline: NIODeadline
    /// Replicas that refused a connection for it.
    var refusals = 0
    var hasRetried = false
    private var promise: EventLoopPromise<UpstreamResult>?

    init(_ request: UpstreamRequest, deadline: NIODeadline, promise: EventLoopPromise<UpstreamResult>) {
        self.request = request
        self.deadline = deadline
        self.promise = promise
    }

    var isDone: Bool { promise == nil }

    /// Answers whoever asked. Only the first call counts.
    func finish(_ result: UpstreamResult) {
        guard let promise else { return }
        self.promise = nil
        request.body = ByteBuffer()
        promise.succeed(result)
    }
}

/// What the client of the model server did since it started; one for all event loops.
final class UpstreamCounts: Sendable {
    let connections = Atomic<Int>(0)
    let retries = Atomic<Int>(0)
    let saturated = Atomic<Int>(0)
    let refused = Atomic<Int>(0)
    let expired = Atomic<Int>(0)
}
