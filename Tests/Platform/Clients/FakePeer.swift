import HTTPTypes
import Hummingbird
import NIOCore
import NIOPosix
import SlipwayCore
import SlipwayHTTP
import Synchronization

/// A server that answers what a test says, and remembers what it was asked.
final class FakePeer: Sendable {
    struct Seen: Sendable {
        let method: HTTPRequest.Method
        let target: String
        let headers: HTTPFields
        let body: String
    }

    typealias Answer = @Sendable (Seen) async throws -> Response

    private let seen = Mutex<[Seen]>([])
    private let answer: Answer

    init(_ answer: @escaping Answer) {
        self.answer = answer
    }

    var requests: [Seen] { seen.withLock { $0 } }

    var router: Router<PlatformRequestContext> {
        let router = Router(context: PlatformRequestContext.self)
        for method in [HTTPRequest.Method.get, .post, .put, .patch, .delete] {
            router.on("**", method: method) { [self] request, _ in
                let buffer = try await request.body.collect(upTo: 64 << 20)
                let one = Seen(method: method, target: request.head.path ?? "", headers: request.headers, body: String(buffer: buffer))
                seen.withLock { $0.append(one) }
                return try await answer(one)
            }
        }
        return router
    }
}

func json(_ text: String, status: HTTPResponse.Status = .ok) -> Response {
    Response(status: status, headers: [.contentType: "application/json"], body: ResponseBody(byteBuffer: ByteBuffer(string: text)))
}

/// A clock whose sleeps end at once: every deadline has passed.
struct HurriedClock: Clock {
    typealias Instant = ContinuousClock.Instant

    var now: Instant { ContinuousClock().now }
    var minimumResolution: Duration { .zero }

    func sleep(until deadline: Instant, tolerance: Duration?) async throws {
        try Task.checkCancellation()
        // Lets the request begin.
        await Task.yield()
    }
}

/// A listener that accepts connections and then does what a test says, below HTTP.
func withRawServer(
    _ serve: @escaping @Sendable (any Channel) -> EventLoopFuture<Void>,
    _ body: (String) async throws -> Void
) async throws {
    let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
        .childChannelInitializer(serve)
        .bind(host: "127.0.0.1", port: 0).get()
    do {
        try await body("http://127.0.0.1:\(channel.localAddress?.port ?? 0)")
    } catch {
        try? await channel.close()
        throw error
    }
    try await channel.close()
}
