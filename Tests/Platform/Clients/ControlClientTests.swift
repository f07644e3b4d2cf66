import HTTPTypes
import Hummingbird
import NIOCore
import SlipwayCore
import SlipwayHTTP
import Testing

@testable import SlipwayClients

@Suite("Control client", .timeLimit(.minutes(3)))
struct ControlClientTests {
    @Test("Reads and writes carry the token; an error of the platform comes back as it was thrown", arguments: PlatformError.Code.allCases)
    func errors(code: PlatformError.Code) async throws {
        let thrown = PlatformError(code, "run 'r' is \(code.rawValue)", remedy: "do this")
        let peer = FakePeer { seen in
            guard seen.method == .post else { return json(#"{"runs":[]}"#) }
            throw thrown
        }
        try await withControl(peer) { control in
            let runs = try await control.get("runs?limit=5")
            #expect(runs == ["runs": []])
            let error = await #expect(throws: PlatformError.self) { try await control.post("runs", ["project": "/p"]) }
            #expect(error?.code == code && error?.message == thrown.message && error?.remedy == "do this")
        }
        #expect(peer.requests.map(\.target) == ["/api/v1/runs?limit=5", "/api/v1/runs"])
        #expect(peer.requests.allSatisfy { $0.headers[.authorization] == "Bearer secret" })
        #expect(peer.requests.last?.body == #"{"project":"/p"}"#)
    }

    @Test("A refused token is unauthenticated; another program is unavailable")
    func strangers() async throws {
        try await withControl(FakePeer { _ in throw HTTPError(.unauthorized, message: "the environment's token is needed") }) { control in
            let error = await #expect(throws: PlatformError.self) { try await control.post("reconcile", [:]) }
            #expect(error?.code == .unauthenticated)
            #expect(error?.message == "the environment's token is needed")
        }
        try await withControl(FakePeer { _ in json("<html>") }) { control in
            let error = await #expect(throws: PlatformError.self) { try await control.get("status") }
            #expect(error?.code == .unavailable)
        }
    }

    @Test("Lines come one by one, however the chunks are cut, until the stream ends")
    func lines() async throws {
        let text = (0..<50).map { #"{"n":\#($0),"t":"ü"}"# }.joined(separator: "\n") + "\n\n"
        for size in [1, 7, 64, 10_000] {
            let peer = FakePeer { _ in stream(text, chunk: size) }
            try await withControl(peer) { control in
                var numbers: [Int64] = []
                try await control.lines("runs/r/events") { numbers.append($0["n"]?.intValue ?? -1) }
                #expect(numbers == (0..<50).map(Int64.init))
            }
        }
    }

    @Test("A stream that ends inside a line, or holds no JSON, is an error; one that fails says why")
    func brokenLines() async throws {
        for (text, code) in [("{\"n\":1}\n{\"n\"", PlatformError.Code.unavailable), ("nonsense\n", .invalidArgument)] {
            try await withControl(FakePeer { _ in stream(text, chunk: 3) }) { control in
                let error = await #expect(throws: PlatformError.self) { try await control.lines("x") { _ in } }
                #expect(error?.code == code)
            }
        }
        try await withControl(FakePeer { _ in throw PlatformError(.notFound, "there is no run 'r'") }) { control in
            let error = await #expect(throws: PlatformError.self) { try await control.lines("x") { _ in } }
            #expect(error?.code == .notFound)
        }
    }

    @Test("A platform that goes away in the middle is unavailable, and the remedy says what starting it does")
    func goesAway() async throws {
        let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n8\r\n{\"n\":1}\n\r\n"
        try await withRawServer({ $0.pipeline.addHandler(AnswerAndClose(head)) }) { url in
            try await withConnections { connections in
                var count = 0
                let control = ControlClient(url: url, token: nil, connections: connections)
                let error = await #expect(throws: PlatformError.self) { try await control.lines("x") { _ in count += 1 } }
                #expect(error?.code == .unavailable)
                #expect(error?.remedy?.contains("slipway up") == true)
                #expect(count == 1)
            }
        }
    }

    @Test("A consumer's error ends the stream and comes out")
    func consumerFails() async throws {
        struct Enough: Error {}
        try await withControl(FakePeer { _ in stream("{}\n{}\n", chunk: 2) }) { control in
            await #expect(throws: Enough.self) { try await control.lines("x") { _ in throw Enough() } }
        }
    }

    private func withControl(_ peer: FakePeer, _ body: (ControlClient) async throws -> Void) async throws {
        try await withServer(peer.router) { url in
            try await withConnections { connections in
                try await body(ControlClient(url: url, token: "secret", connections: connections))
            }
        }
    }
}

private func stream(_ text: String, chunk: Int) -> Response {
    Response(
        status: .ok,
        headers: [.contentType: "application/x-ndjson"],
        body: ResponseBody { writer in
            var rest = Array(text.utf8)[...]
            while !rest.isEmpty {
                try await writer.write(ByteBuffer(bytes: rest.prefix(chunk)))
                rest = rest.dropFirst(chunk)
            }
            try await writer.finish(nil)
        }
    )
}
