import Foundation
import HTTPTypes
import Hummingbird
import Logging
import NIOCore
import NIOPosix
import SlipwayCore
import SlipwayHTTP
import Synchronization

/// A server that behaves like Slack: an incoming webhook at `/services/T/B/SECRET` and `chat.postMessage`.
final class FakeSlack: Sendable {
    enum Behaviour: Sendable {
        /// Takes the message.
        case works
        /// Answers this and takes nothing.
        case answers(Int, String, retryAfter: String? = nil)
        /// Takes the message and never answers.
        case hangs
        /// Takes the message and drops the connection.
        case drops
    }

    static let webhookSecret = "XSECRETX"
    static let botToken = "xoxb-1-hunter2"

    private struct State {
        /// What happens to the next requests; the last one stays.
        var script: [Behaviour] = [.works]
        var messages: [JSONValue] = []
        var requests = 0
        var waiting: [CheckedContinuation<Void, Never>] = []
    }

    private let state = Mutex(State())

    func behave(_ script: Behaviour...) { state.withLock { $0.script = script } }
    /// What reached a channel.
    var messages: [JSONValue] { state.withLock { $0.messages } }
    var requests: Int { state.withLock { $0.requests } }

    /// Returns when the next request has come in.
    func nextRequest() async {
        await withCheckedContinuation { continuation in state.withLock { $0.waiting.append(continuation) } }
    }

    private func next(_ body: JSONValue) -> Behaviour {
        let (behaviour, waiting) = state.withLock { state in
            state.requests += 1
            let behaviour = state.script.count > 1 ? state.script.removeFirst() : state.script[0]
            switch behaviour {
            case .answers: break
            default: state.messages.append(body)
            }
            defer { state.waiting = [] }
            return (behaviour, state.waiting)
        }
        for continuation in waiting { continuation.resume() }
        return behaviour
    }

    private var router: Router<PlatformRequestContext> {
        let router = Router(context: PlatformRequestContext.self)
        router.post("services/T/B/\(Self.webhookSecret)") { [self] request, _ in
            try await answer(request) { body in
                body["text"]?.stringValue == nil ? Self.text(.badRequest, "invalid_payload") : Self.text(.ok, "ok")
            }
        }
        router.post("api/chat.postMessage") { [self] request, _ in
            guard request.headers[.authorization] == "Bearer \(Self.botToken)" else {
                return Response(json: ["ok": false, "error": "invalid_auth"])
            }
            return try await answer(request) { body in
                guard body["channel"] == "#releases" else { return Response(json: ["ok": false, "error": "channel_not_found"]) }
                return Response(json: ["ok": true, "channel": "C024BE91L", "ts": "1503435956.000247"])
            }
        }
        router.post("**") { _, _ in Self.text(.notFound, "no_service") }
        return router
    }

    private func answer(_ request: Request, _ works: (JSONValue) -> Response) async throws -> Response {
        let body = try JSONValue(parsing: try await request.body.collect(upTo: 1 << 20).readableBytesView)
        switch next(body) {
        case .works: return works(body)
        case .answers(let status, let text, let retryAfter):
            var response = Self.text(.init(code: status), text)
            if let retryAfter { response.headers[.retryAfter] = retryAfter }
            return response
        case .hangs:
            // Until the client goes and the server is stopped.
            try await Task.sleep(for: .seconds(60))
            return Self.text(.ok, "ok")
        case .drops:
            // A body that breaks off closes the connection.
            return Response(status: .ok, headers: [.contentLength: "100"], body: ResponseBody(contentLength: 100) { writer in
                try await writer.write(ByteBuffer(string: "o"))
                throw CancellationError()
            })
        }
    }

    private static func text(_ status: HTTPResponse.Status, _ text: String) -> Response {
        Response(status: status, headers: [.contentType: "text/html"], body: ResponseBody(byteBuffer: ByteBuffer(string: text)))
    }

    /// Runs `body` with the server's address.
    func run(_ body: (String) async throws -> Void) async throws {
        let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        let server = HTTPServer(name: "slack", host: "127.0.0.1", port: 0, router: router, logger: logger)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await server.run() }
            defer { group.cancelAll() }
            try await body("http://127.0.0.1:\(try await server.boundPort())")
        }
    }
}

/// A time of day that a test moves.
final class TestTime: Sendable {
    private let milliseconds = Mutex<Int64>(1_700_000_000_000)

    var clock: WallClock { WallClock { [self] in now } }
    var now: Timestamp { Timestamp(milliseconds: milliseconds.withLock { $0 }) }
    func pass(_ duration: Duration) { milliseconds.withLock { $0 += duration.milliseconds } }
}
