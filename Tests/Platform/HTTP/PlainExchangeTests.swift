import Foundation
import HTTPTypes
import NIOCore
import NIOEmbedded
import NIOHTTP1
import NIOHTTPTypes
import NIOHTTPTypesHTTP1
import Testing

@testable import SlipwayHTTP

@Suite("Plain heads")
struct PlainHeadTests {
    static let notPlain: [String] = [
        "POST /fast HTTP/1.0\r\nHost: a\r\n\r\n",
        "PUT /fast HTTP/1.1\r\nHost: a\r\n\r\n",
        "POST fast HTTP/1.1\r\nHost: a\r\n\r\n",
        "POST http://a/fast HTTP/1.1\r\nHost: a\r\n\r\n",
        "POST /fast\u{7f} HTTP/1.1\r\nHost: a\r\n\r\n",
        "POST  /fast HTTP/1.1\r\nHost: a\r\n\r\n",
        "POST /fast HTTP/1.1\r\n\r\n",
        "POST /fast HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        "POST /fast HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
        "POST /fast HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\n",
        "POST /fast HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 1\r\n\r\n",
        "POST /fast HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n",
        "POST /fast HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
        "POST /fast HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        "POST /fast HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n",
        "POST /fast HTTP/1.1\r\nHost: a\r\nX-A : b\r\n\r\n",
        "POST /fast HTTP/1.1\r\nHost: a\r\nX-A: b\r\n folded\r\n\r\n",
        "POST /fast HTTP/1.1\r\nHost: a\r\nX-A: b\nX-B: c\r\n\r\n",
        "POST /fast HTTP/1.1\r\nHost: a\r\nX-A: \u{1}\r\n\r\n",
        "POST /fast HTTP/1.1\nHost: a\r\n\r\n",
        "\r\nPOST /fast HTTP/1.1\r\nHost: a\r\n\r\n",
    ]

    @Test("What is not plain is left to the decoder", arguments: notPlain)
    func leaves(head: String) {
        guard case .notPlain = scan(head) else {
            Issue.record("taken: \(head.debugDescription)")
            return
        }
    }

    @Test("A plain head is read as the decoder would")
    func reads() throws {
        let text = "POST /v2/models/a%20b/infer?x=1 HTTP/1.1\r\nHost: h:80\r\nContent-Type:  text/plain \r\nX-Empty:\r\ncontent-length: 12\r\n\r\n{"
        guard case .head(let head) = scan(text) else {
            Issue.record("not taken")
            return
        }
        #expect(head.path == "/v2/models/a%20b/infer")
        #expect(head.request.path == "/v2/models/a%20b/infer?x=1")
        #expect(head.request.authority == "h:80")
        #expect(head.request.headerFields[.contentType] == "text/plain")
        #expect(head.contentLength == 12)
        #expect(head.byteCount == text.utf8.count - 1)
    }

    @Test("A head that has not ended is waited for, whatever it is cut at")
    func incomplete() {
        let text = "POST /fast HTTP/1.1\r\nHost: a\r\n\r\n"
        for count in 0..<text.utf8.count {
            guard case .incomplete = Array(text.utf8.prefix(count)).withUnsafeBytes(PlainHead.scan) else {
                Issue.record("cut at \(count)")
                continue
            }
        }
    }

    @Test("A head beyond the limit is the decoder's to refuse")
    func long() {
        let text = "POST /fast HTTP/1.1\r\nHost: a\r\nX-A: " + String(repeating: "a", count: PlainHead.bytesMax) + "\r\n\r\n"
        guard case .notPlain = scan(text) else {
            Issue.record("taken")
            return
        }
    }

    private func scan(_ text: String) -> PlainHead.Scan {
        Array(text.utf8).withUnsafeBytes(PlainHead.scan)
    }
}

@Suite("Plain exchanges")
struct PlainExchangeTests {
    @Test("Any mix of requests, cut anywhere, is answered as without the shortcut", arguments: 0..<200)
    func same(seed: Int) throws {
        var random = Seeded(state: UInt64(seed) &+ 1)
        var bytes = ""
        for _ in 0..<Int.random(in: 1...8, using: &random) { bytes += Self.request(&random) }
        let cuts = (0..<Int.random(in: 0...6, using: &random)).map { _ in Int.random(in: 0...bytes.utf8.count, using: &random) }.sorted()
        let delayed = Bool.random(using: &random)
        let direct = try answers(to: Array(bytes.utf8), cuts: cuts, delayed: delayed, plain: true)
        let decoded = try answers(to: Array(bytes.utf8), cuts: cuts, delayed: delayed, plain: false)
        #expect(direct == decoded, "\(bytes.debugDescription) cut at \(cuts)")
        #expect(!direct.isEmpty)
    }

    @Test("While an answer is on its way, the next requests wait and are answered in order")
    func order() throws {
        let (channel, routes) = try channel(plain: true, delayed: true)
        try channel.writeInbound(ByteBuffer(string: Self.post("/fast", "1") + Self.post("/fast", "2") + Self.post("/slow", "3")))
        #expect(try Self.bodies(channel).isEmpty)
        routes.release()
        channel.embeddedEventLoop.run()
        #expect(try Self.bodies(channel) == ["1"])
        routes.release()
        channel.embeddedEventLoop.run()
        #expect(try Self.bodies(channel) == ["2", "routed"])
        _ = try channel.finish(acceptAlreadyClosed: true)
    }

    @Test("A stop of the server lets the answer under way out, and then ends the connection")
    func quiesce() throws {
        let (channel, routes) = try channel(plain: true, delayed: true)
        try channel.writeInbound(ByteBuffer(string: Self.post("/fast", "1")))
        channel.pipeline.fireUserInboundEventTriggered(ChannelShouldQuiesceEvent())
        #expect(channel.isActive)
        routes.release()
        channel.embeddedEventLoop.run()
        let out = try Self.output(channel)
        #expect(out.contains("connection: close"))
        #expect(!channel.isActive)
    }

    @Test("A body over the routes' limit is refused by the decoder's side, in the routes' own words")
    func tooLarge() throws {
        let (channel, _) = try channel(plain: true, delayed: false)
        try channel.writeInbound(ByteBuffer(string: Self.post("/fast", String(repeating: "x", count: 101))))
        #expect(try Self.output(channel).hasPrefix("HTTP/1.1 413 "))
        _ = try channel.finish(acceptAlreadyClosed: true)
    }

    // MARK: Fixture

    private static func post(_ path: String, _ body: String) -> String {
        "POST \(path) HTTP/1.1\r\nHost: a\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)"
    }

    private static func request(_ random: inout Seeded) -> String {
        let body = String(repeating: "b", count: Int.random(in: 0...9, using: &random))
        switch Int.random(in: 0...9, using: &random) {
        case 0: return post("/slow", body)
        case 1: return "GET /slow HTTP/1.1\r\nHost: a\r\n\r\n"
        case 2: return "POST /fast HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n"
        case 3: return "POST /fast HTTP/1.1\r\nHost: a\r\nX-A: b\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)"
        default: return post("/fast", body)
        }
    }

    private func answers(to bytes: [UInt8], cuts: [Int], delayed: Bool, plain: Bool) throws -> [String] {
        let (channel, routes) = try channel(plain: plain, delayed: delayed)
        var start = 0
        for end in cuts + [bytes.count] {
            if end > start { try channel.writeInbound(ByteBuffer(bytes: bytes[start..<end])) }
            start = end
        }
        while routes.release() { channel.embeddedEventLoop.run() }
        let bodies = try Self.bodies(channel)
        _ = try channel.finish(acceptAlreadyClosed: true)
        return bodies
    }

    private static func output(_ channel: EmbeddedChannel) throws -> String {
        var text = ""
        while let buffer = try channel.readOutbound(as: ByteBuffer.self) { text += String(buffer: buffer) }
        return text
    }

    private static func bodies(_ channel: EmbeddedChannel) throws -> [String] {
        try output(channel).components(separatedBy: "HTTP/1.1 ").dropFirst().map { $0.components(separatedBy: "\r\n\r\n").last ?? "" }
    }

    private func channel(plain: Bool, delayed: Bool) throws -> (EmbeddedChannel, EchoRoutes) {
        let routes = EchoRoutes(isDelayed: delayed)
        let channel = EmbeddedChannel()
        try channel.pipeline.syncOperations.configureHTTPServerPipeline(withPipeliningAssistance: false, withErrorHandling: false)
        try channel.pipeline.syncOperations.addHandlers([
            HTTP1ToHTTPServerCodec(secure: false), FastPathHandler(routes: routes, answersPlainHeads: plain), RoutedAnswers(),
        ])
        try channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
        return (channel, routes)
    }
}

private struct Seeded: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return state ^ (state >> 29)
    }
}

/// Answers `/fast` with the body it was sent; at once, or when it is told to.
private final class EchoRoutes: FastRoutes, @unchecked Sendable {
    // Used on the test's thread only: an embedded channel has no other.
    let bodyBytesMax = 100
    private let isDelayed: Bool
    private var waiting: [() -> Void] = []

    init(isDelayed: Bool) {
        self.isDelayed = isDelayed
    }

    func accepts(method: HTTPRequest.Method, path: String) -> Bool { method == .post && path == "/fast" }

    func answer(_ request: FastRequest, on eventLoop: any EventLoop) -> FastAnswer {
        let response = FastResponse(status: .ok, headers: [.contentType: "text/plain"], body: request.body)
        guard isDelayed else { return .now(response) }
        let promise = eventLoop.makePromise(of: FastResponse.self)
        waiting.append { promise.succeed(response) }
        return .later(promise.futureResult)
    }

    @discardableResult
    func release() -> Bool {
        guard !waiting.isEmpty else { return false }
        waiting.removeFirst()()
        return true
    }
}

/// The router's place: answers every request that reaches it.
private final class RoutedAnswers: ChannelInboundHandler {
    typealias InboundIn = HTTPRequestPart
    typealias OutboundOut = HTTPResponsePart

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard case .end = unwrapInboundIn(data) else { return }
        let fields: HTTPFields = [.contentLength: "6"]
        context.write(wrapOutboundOut(.head(HTTPResponse(status: .ok, headerFields: fields))), promise: nil)
        context.write(wrapOutboundOut(.body(ByteBuffer(string: "routed"))), promise: nil)
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
    }
}
