import HTTPTypes
import NIOCore
import NIOEmbedded
import NIOHTTP1
import NIOHTTPTypes
import NIOHTTPTypesHTTP1

@testable import SlipwayHTTP

extension FuzzTarget {
    /// Bytes of a connection, as they come from the wire: a first byte for how they are cut into reads, then the rest.
    ///
    /// The listener understands the same requests however the network cuts them, with and without the shortcut past
    /// the decoder, and answers each once, in order.
    static let http = FuzzTarget(
        name: "http",
        seeds: [
            "\u{01}GET /slow HTTP/1.1\r\nhost: a\r\n\r\n", "\u{07}POST /fast HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\nabcGET /slow HTTP/1.1\r\nhost: a\r\n\r\n",
            "\u{03}POST /later HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\nPOST /fast HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n",
            "\u{05}POST /fast HTTP/1.1\r\nhost: a\r\ncontent-length: 99\r\n\r\n", "\u{02}POST /fast HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 1\r\n\r\nx",
            "\u{09}GET /fast?x HTTP/1.0\r\nconnection: keep-alive\r\n\r\nHEAD /fast HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n", "\u{04}GET  / HTTP/1.1\r\n\r\n",
            "\u{06}POST /fast HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        ],
        words: [
            "GET /fast HTTP/1.1\r\n", "POST /later HTTP/1.1\r\n", "HEAD /slow HTTP/1.0\r\n", "host: a\r\n", "\r\n\r\n", "content-length: ", "transfer-encoding: chunked\r\n",
            "0\r\n\r\n", "connection: close\r\n", "expect: 100-continue\r\n", "upgrade: h2c\r\n",
        ]
    ) { input in
        guard let cut = input.first else { return .refused }
        let bytes = input.dropFirst()
        let whole = try Connection(bytes, pieceBytes: bytes.count, readsPlainHeads: false)
        try expect(whole.answers <= whole.begun + 1, "\(whole.answers) answers to \(whole.begun) requests: \(whole.statuses)")
        for (pieceBytes, readsPlainHeads) in [(Int(cut) + 1, false), (bytes.count, true), (Int(cut) + 1, true)] {
            let other = try Connection(bytes, pieceBytes: pieceBytes, readsPlainHeads: readsPlainHeads)
            let way = "\(pieceBytes) bytes at a time\(readsPlainHeads ? ", plain heads read directly" : "")"
            // A head that is wrong already and has not ended is refused at once by the decoder, by the other when it ends.
            if readsPlainHeads, whole.statuses.last == 400, other.statuses == whole.statuses.dropLast(), other.requests == whole.requests {
                let ended = try Connection(bytes + Array("\r\n\r\n".utf8), pieceBytes: pieceBytes, readsPlainHeads: true)
                try expect(ended.statuses == whole.statuses, "\(way): a wrong head that has ended is not refused: \(ended.statuses); decoded whole: \(whole.statuses)")
                continue
            }
            try expect(whole.requests == other.requests, "\(way): \(other.requests); decoded whole: \(whole.requests)")
            try expect(whole.statuses == other.statuses, "\(way): \(other.statuses); decoded whole: \(whole.statuses)")
            try expect(other.isInOrder, "answers out of order")
        }
        return whole.requests.isEmpty ? .refused : .accepted
    }
}

/// One connection's life, from its first byte to its end.
private struct Connection {
    /// What was understood, in order: who answered, the head, the body.
    let requests: [String]
    let statuses: [Int]
    let begun: Int
    let answers: Int
    let isInOrder: Bool

    init(_ bytes: ArraySlice<UInt8>, pieceBytes: Int, readsPlainHeads: Bool) throws {
        let log = Log()
        let channel = EmbeddedChannel()
        try channel.pipeline.syncOperations.configureHTTPServerPipeline(withPipeliningAssistance: false, withErrorHandling: false)
        try channel.pipeline.syncOperations.addHandlers(
            HTTP1ToHTTPServerCodec(secure: false), FastPathHandler(routes: LoggedRoutes(log: log), answersPlainHeads: readsPlainHeads),
            LoggedRouter(log: log)
        )
        try channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
        var rest = bytes
        while !rest.isEmpty, channel.isActive {
            do { try channel.writeInbound(ByteBuffer(bytes: rest.prefix(max(pieceBytes, 1)))) } catch { break }
            rest = rest.dropFirst(max(pieceBytes, 1))
            channel.embeddedEventLoop.run()
        }
        channel.embeddedEventLoop.run()
        var answer = ByteBuffer()
        while let part = try channel.readOutbound(as: ByteBuffer.self) { answer.writeImmutableBuffer(part) }
        _ = try? channel.finish(acceptAlreadyClosed: true)
        requests = log.requests
        begun = log.begun
        let text = String(buffer: answer)
        var statuses = text.split(separator: "HTTP/1.1 ", omittingEmptySubsequences: false).dropFirst().compactMap { Int($0.prefix(3)) }
        // The decoder refuses the end of a connection that it has refused already; nobody is there to hear it.
        while statuses.suffix(2) == [400, 400] { statuses.removeLast() }
        self.statuses = statuses
        answers = statuses.count { $0 != 100 }
        // Each answer carries the number of its request.
        let numbers = text.split(separator: "x-number: ").dropFirst().compactMap { Int($0.prefix { $0.isNumber }) }
        isInOrder = numbers == numbers.sorted() && Set(numbers).count == numbers.count
    }
}

/// Used on one thread only: an embedded channel has no other.
private final class Log: @unchecked Sendable {
    var requests: [String] = []
    var begun = 0

    func add(_ who: String, _ head: HTTPRequest, _ body: String) {
        let fields = head.headerFields.map { "\($0.name.canonicalName)=\($0.value)" }
        requests.append("\(who) \(head.method) \(head.authority ?? "-") \(head.path ?? "-") \(fields) \(body)")
    }
}

private struct LoggedRoutes: FastRoutes {
    let log: Log
    let bodyBytesMax = 64

    func accepts(method: HTTPRequest.Method, path: String) -> Bool {
        guard path == "/fast" || path == "/later" else { return false }
        log.begun += 1
        return true
    }

    func answer(_ request: FastRequest, on eventLoop: any EventLoop) -> FastAnswer {
        log.add("fast \(request.path)", request.head, String(buffer: request.body))
        let name = HTTPField.Name("x-number")
        let response = FastResponse(
            status: .ok, headers: name.map { [$0: "\(log.requests.count)"] } ?? [:], body: ByteBuffer(string: "a")
        )
        guard request.path == "/later" else { return .now(response) }
        let promise = eventLoop.makePromise(of: FastResponse.self)
        eventLoop.execute { promise.succeed(response) }
        return .later(promise.futureResult)
    }
}

/// Where the router is in a server: answers what the fast routes do not.
private final class LoggedRouter: ChannelInboundHandler {
    typealias InboundIn = HTTPRequestPart
    typealias OutboundOut = HTTPResponsePart

    private let log: Log
    private var head = HTTPRequest(method: .get, scheme: nil, authority: nil, path: nil)
    private var body = ""

    init(log: Log) { self.log = log }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head):
            log.begun += 1
            self.head = head
            body = ""
        case .body(let more): body += String(buffer: more)
        case .end:
            log.add("routed", head, body)
            var head = HTTPResponse(status: .accepted)
            if let name = HTTPField.Name("x-number") { head.headerFields[name] = "\(log.requests.count)" }
            head.headerFields[.contentLength] = "0"
            context.write(wrapOutboundOut(.head(head)), promise: nil)
            context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        context.close(promise: nil)
    }
}
