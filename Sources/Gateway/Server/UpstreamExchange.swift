import NIOCore
import NIOHTTP1
import SlipwayCore
import SlipwayHTTP
import Synchronization

/// A request to the model server.
struct UpstreamRequest: Sendable {
    var method: HTTPMethod = .POST
    var path: String
    var body = ByteBuffer()
    /// The length of the JSON before the binary part.
    var jsonBytes: Int?
    /// As the client calls it; clean enough for a header.
    var requestID: String?
    /// A copy for a shadow: never waits where a request would, and says nothing about a replica's health.
    var isShadow = false
}

/// A complete answer of the model server.
struct UpstreamResponse: Sendable {
    var status: Int
    var jsonBytes: Int?
    var retryAfter: String?
    var body: ByteBuffer

    /// Whether the server does not have the version that the path names. Older Tritons say so with 400.
    var saysAbsent: Bool {
        switch status {
        case 404: true
        case 400: body.readableBytesView.firstRange(of: Self.unknownModel) != nil
        default: false
        }
    }

    private static let unknownModel = Array("Request for unknown model".utf8)
}

typealias UpstreamResult = Result<UpstreamResponse, PlatformError>

/// One request on its way to an answer, over one connection or a second one. Only touched on its loop.
final class UpstreamExchange {
    private(set) var request: UpstreamRequest
    let deadline: NIODeadline
    let timeout: Duration
    /// Replicas that refused a connection for it, or do not have what it asks for.
    var refusals: [UpstreamEndpoint] = []
    var hasRetried = false
    /// The connection that it is under way on.
    var connection: UpstreamConnection?
    /// Where it counts as outstanding.
    var replica: UpstreamEndpoint?
    private let cancellation: Cancellation?
    private let owner: any UpstreamExchangeOwner
    private var completion: ((UpstreamResult) -> Void)?

    init(
        _ request: UpstreamRequest,
        deadline: NIODeadline,
        timeout: Duration,
        cancellation: Cancellation? = nil,
        owner: any UpstreamExchangeOwner,
        completion: @escaping (UpstreamResult) -> Void
    ) {
        self.request = request
        self.deadline = deadline
        self.timeout = timeout
        self.cancellation = cancellation
        self.owner = owner
        self.completion = completion
    }

    var isDone: Bool { completion == nil }

    /// Answers whoever asked. Only the first call counts.
    func finish(_ result: UpstreamResult) {
        guard let completion else { return }
        self.completion = nil
        request.body = ByteBuffer()
        owner.ended(self, hasAnswer: (try? result.get()) != nil)
        completion(result)
    }

    /// Gives it up if nobody waits for the answer any more.
    ///
    /// - Returns: Whether it is done, now or before.
    func endIfAbandoned() -> Bool {
        guard !isDone else { return true }
        guard cancellation?.isCancelled == true else { return false }
        owner.abandoned(self)
        if let connection {
            connection.abandon()
        } else {
            finish(.failure(UpstreamTrouble.clientGone))
        }
        return true
    }
}

/// Keeps the books of the exchanges of one event loop.
protocol UpstreamExchangeOwner: AnyObject {
    func ended(_ exchange: UpstreamExchange, hasAnswer: Bool)
    func abandoned(_ exchange: UpstreamExchange)
}

/// What the client of the model server did since it started; one for all event loops.
final class UpstreamCounts: Sendable {
    let connections = Atomic<Int>(0)
    let retries = Atomic<Int>(0)
    let saturated = Atomic<Int>(0)
    let refused = Atomic<Int>(0)
    /// Requests that went on to another replica because one did not have the version.
    let absences = Atomic<Int>(0)
    let expired = Atomic<Int>(0)
    let abandoned = Atomic<Int>(0)
    let ejections = Atomic<Int>(0)
    let openings = Atomic<Int>(0)
    /// Requests refused because the breaker was open.
    let broken = Atomic<Int>(0)
    let replicas = Atomic<Int>(0)
    let lookupFailures = Atomic<Int>(0)
}
