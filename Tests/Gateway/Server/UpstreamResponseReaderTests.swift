import NIOCore
import Testing

@testable import SlipwayGateway

@Suite("Reading a model server's answers")
struct UpstreamResponseReaderTests {
    private static let length = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nInference-Header-Content-Length: 3\r\n\r\nhello"
    private static let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nhel\r\n2\r\nlo\r\n0\r\nTrailer: t\r\n\r\n"

    @Test("An answer is the same wherever it is cut", arguments: [length, chunked])
    func cuts(text: String) throws {
        let bytes = Array(text.utf8)
        for cut in 1..<bytes.count {
            var reader = UpstreamResponseReader(bodyBytesMax: 100)
            guard case .more = reader.read(ByteBuffer(bytes: bytes[..<cut])) else {
                Issue.record("ended before \(cut)")
                return
            }
            #expect(reader.hasBegun)
            let (response, isKeptAlive) = try #require(answer(reader.read(ByteBuffer(bytes: bytes[cut...]))))
            #expect(String(buffer: response.body) == "hello")
            #expect(response.status == 200 && isKeptAlive && !reader.hasBegun)
        }
    }

    @Test("One answer follows the other on a connection; what comes before the answer proper is passed over")
    func several() throws {
        var reader = UpstreamResponseReader(bodyBytesMax: 100)
        for text in [Self.length, "HTTP/1.1 100 Continue\r\n\r\n" + Self.length, Self.chunked, "HTTP/1.1 204 No Content\r\n\r\n"] {
            let (response, isKeptAlive) = try #require(answer(reader.read(ByteBuffer(string: text))))
            #expect(isKeptAlive)
            #expect(String(buffer: response.body) == (response.status == 204 ? "" : "hello"))
        }
    }

    @Test("A connection is kept only where both sides say so", arguments: [
        ("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", false),
        ("HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", false),
        ("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n", true),
    ])
    func keeping(text: String, isKept: Bool) throws {
        var reader = UpstreamResponseReader(bodyBytesMax: 100)
        #expect(try #require(answer(reader.read(ByteBuffer(string: text)))).isKeptAlive == isKept)
    }

    @Test("Without a length the answer ends with the connection; with one, an early end is no answer")
    func untilClose() throws {
        var reader = UpstreamResponseReader(bodyBytesMax: 100)
        guard case .more = reader.read(ByteBuffer(string: "HTTP/1.1 503 Busy\r\nRetry-After: 7\r\n\r\nbye")) else {
            Issue.record("ended too early")
            return
        }
        let (response, isKeptAlive) = try #require(answer(reader.close()))
        #expect(response.status == 503 && response.retryAfter == "7" && !isKeptAlive)
        #expect(String(buffer: response.body) == "bye")
        var cut = UpstreamResponseReader(bodyBytesMax: 100)
        _ = cut.read(ByteBuffer(string: "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel"))
        #expect(answer(cut.close()) == nil)
    }

    private static let refused = [
        "SSH-2.0-OpenSSH\r\n\r\n", "HTTP/2 200 OK\r\n\r\n", "HTTP/1.1 2x0 OK\r\n\r\n", "HTTP/1.1 101 Switching\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 101\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nab", "HTTP/1.1 200 OK\r\nno field\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n65\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nHTTP/1.1 200 OK\r\n",
        "HTTP/1.1 200 OK\r\nX: " + String(repeating: "a", count: 70_000),
    ]

    @Test("What is ambiguous, too large or not HTTP is refused, and bytes never become the next answer's", arguments: refused.indices)
    func refuses(index: Int) {
        var reader = UpstreamResponseReader(bodyBytesMax: 100)
        guard case .broken = reader.read(ByteBuffer(string: Self.refused[index])) else {
            Issue.record("taken: \(Self.refused[index].prefix(200))")
            return
        }
    }

    private func answer(_ step: UpstreamResponseReader.Step) -> (response: UpstreamResponse, isKeptAlive: Bool)? {
        guard case .answer(let response, let isKeptAlive) = step else { return nil }
        return (response, isKeptAlive)
    }
}
