import HTTPTypes
import NIOCore
import NIOEmbedded
import NIOHTTP1
import NIOHTTPTypes
import NIOHTTPTypesHTTP1
import SlipwayTesting
import Testing

@testable import SlipwayHTTP

@Suite("Fast path handler")
struct FastPathHandlerTests {
    @Test("A request that came before the answer to the last was out reaches the router, and the router is told")
    func nextRequestEarly() throws {
        let (channel, router) = try channel()
        try channel.send("/slow")
        try channel.writeOutbound(HTTPResponsePart.head(HTTPResponse(status: .ok)))
        // The client has the whole body and goes on; the end of the answer is still on its way.
        try channel.send("/next")
        #expect(router.paths == ["/slow"])
        try channel.writeOutbound(HTTPResponsePart.end(nil))
        #expect(router.paths == ["/slow", "/next"])
        #expect(router.ends == 2)
        #expect(router.isTold, "handlers that collect what they read wait for its completion")
        _ = try channel.finish(acceptAlreadyClosed: true)
    }

    @Test("A fast answer and a routed one keep the order of their requests")
    func order() throws {
        let (channel, router) = try channel()
        try channel.send("/slow")
        try channel.send("/fast")
        try channel.writeOutbound(HTTPResponsePart.head(HTTPResponse(status: .accepted)))
        #expect(try channel.statuses() == [202])
        try channel.writeOutbound(HTTPResponsePart.end(nil))
        #expect(try channel.statuses() == [200])
        #expect(router.paths == ["/slow"])
        _ = try channel.finish(acceptAlreadyClosed: true)
    }

    @Test("A body over the limit is refused before it is read, in the routes' own words")
    func tooLarge() throws {
        let (channel, router) = try channel()
        try channel.writeInbound(HTTPRequestPart.head(request("/fast", length: 11)))
        #expect(try channel.statuses() == [413])
        #expect(router.paths.isEmpty)
        _ = try channel.finish(acceptAlreadyClosed: true)
    }

    @Test("Whoever may not send a body is told so from the head, on the fast path and before the router", arguments: ["/fast", "/slow"])
    func refusedFromHead(path: String) throws {
        let (channel, router) = try channel()
        var head = request(path, length: 5)
        head.headerFields[.authorization] = "nobody"
        head.headerFields[.expect] = "100-continue"
        try channel.writeInbound(HTTPRequestPart.head(head))
        #expect(try channel.statuses() == [401], "no 100 either: nothing of the body is wanted")
        #expect(router.paths.isEmpty)
        // What comes all the same is nobody's: not even a next request's.
        if channel.isActive {
            try channel.writeInbound(HTTPRequestPart.body(ByteBuffer(string: "abc")))
            try channel.writeInbound(HTTPRequestPart.head(request("/fast")))
        }
        #expect(try channel.statuses() == [])
        #expect(router.paths.isEmpty)
        _ = try channel.finish(acceptAlreadyClosed: true)
    }

    @Test("In front of the decoder, too, a body is refused before it comes, and the rest of it is nobody's")
    func refusedPlainHead() throws {
        let router = Router()
        let channel = EmbeddedChannel()
        try channel.pipeline.syncOperations.configureHTTPServerPipeline(withPipeliningAssistance: false, withErrorHandling: false)
        try channel.pipeline.syncOperations.addHandlers([
            HTTP1ToHTTPServerCodec(secure: false), FastPathHandler(routes: Routes(), answersPlainHeads: true), router,
        ])
        try channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
        // The connection ends in the middle of a body, which the decoder tells as an error.
        _ = try? channel.writeInbound(ByteBuffer(string: "POST /fast HTTP/1.1\r\nHost: a\r\nAuthorization: nobody\r\nContent-Length: 5\r\n\r\n"))
        var text = ""
        while let buffer = try channel.readOutbound(as: ByteBuffer.self) { text += String(buffer: buffer) }
        #expect(text.hasPrefix("HTTP/1.1 401 ") && text.lowercased().contains("connection: close"))
        #expect(router.paths.isEmpty)
        _ = try? channel.finish(acceptAlreadyClosed: true)
    }

    @Test("A request without a body is not refused from its head: whoever answers it does", arguments: ["/fast", "/slow"])
    func noBody(path: String) throws {
        let (channel, router) = try channel()
        var head = request(path)
        head.headerFields[.authorization] = "nobody"
        try channel.writeInbound(HTTPRequestPart.head(head))
        try channel.writeInbound(HTTPRequestPart.end(nil))
        #expect(try channel.statuses() == (path == "/fast" ? [200] : []))
        #expect(router.paths == (path == "/fast" ? [] : ["/slow"]))
        _ = try channel.finish(acceptAlreadyClosed: true)
    }

    private func channel() throws -> (EmbeddedChannel, Router) {
        let router = Router()
        let channel = EmbeddedChannel(handlers: [FastPathHandler(routes: Routes()), router])
        try channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
        return (channel, router)
    }
}

private func request(_ path: String, length: Int? = nil) -> HTTPRequest {
    var request = HTTPRequest(method: .post, scheme: "http", authority: "a", path: path)
    if let length { request.headerFields[.contentLength] = "\(length)" }
    return request
}

extension EmbeddedChannel {
    fileprivate func send(_ path: String) throws {
        try writeInbound(HTTPRequestPart.head(request(path)))
        try writeInbound(HTTPRequestPart.end(nil))
    }

    /// The heads that have gone out since the last call.
    fileprivate func statuses() throws -> [Int] {
        var statuses: [Int] = []
        while let part = try readOutbound(as: HTTPResponsePart.self) {
            if case .head(let head) = part { statuses.append(head.status.code) }
        }
        return statuses
    }
}

private struct Routes: FastRoutes {
    let bodyBytesMax = 10

    func accepts(method: HTTPRequest.Method, path: String) -> Bool { path == "/fast" }

    func refusal(of head: HTTPRequest) -> FastResponse? {
        head.headerFields[.authorization] == "nobody" ? FastResponse(status: .unauthorized, body: ByteBuffer(string: "no")) : nil
    }

    func answer(_ request: FastRequest, on eventLoop: any EventLoop) -> FastAnswer {
        .now(FastResponse(status: .ok, body: ByteBuffer(string: "fast")))
    }
}

/// Where the router would be: takes requests, and answers when the test says so.
private final class Router: ChannelInboundHandler {
    typealias InboundIn = HTTPRequestPart

    private(set) var paths: [String] = []
    private(set) var ends = 0
    /// Whether a completion has followed the last part.
    private(set) var isTold = true

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        isTold = false
        switch unwrapInboundIn(data) {
        case .head(let head): paths.append(head.path ?? "")
        case .body: break
        case .end: ends += 1
        }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        isTold = true
        context.fireChannelReadComplete()
    }
}
