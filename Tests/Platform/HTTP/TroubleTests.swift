import Foundation
import HTTPTypes
import Hummingbird
import Logging
import NIOCore
import NIOPosix
import Testing

@testable import SlipwayHTTP

/// Clients that misbehave, over real sockets: each of them ends in a limit, and nobody else notices.
@Suite("Trouble with clients", .timeLimit(.minutes(5)))
struct TroubleTests {
    @Test("A head that trickles ends with 408 when its time is over, on a fast route and on another", arguments: [
        "POST /fast HTTP/1.1\r\nHost: a\r\nX-Slow: ", "GET /routed HTTP/1.1\r\nHost: a\r\nX-Slow: ",
    ])
    func slowHead(start: String) async throws {
        var limits = Self.patient
        limits.head = .milliseconds(400)
        try await withServer(limits) { port in
            let slow = try await RawConnection.open(port)
            #expect(await slow.send(start))
            try await slow.trickle("x")
            #expect(try await slow.isClosed())
            #expect(slow.text.hasPrefix("HTTP/1.1 408 "), "\(slow.text)")
            try await Self.expectService(port)
        }
    }

    @Test("A body that trickles ends with 408 where the route is a fast one, and the connection anyway", arguments: [
        ("/fast", "", true), ("/fast", "Connection: keep-alive\r\n", true), ("/routed", "", false),
    ])
    func slowBody(path: String, field: String, isTold: Bool) async throws {
        var limits = Self.patient
        limits.body = .milliseconds(400)
        limits.bodyBytesPerSecondMin = 1_000_000
        try await withServer(limits) { port in
            let slow = try await RawConnection.open(port)
            #expect(await slow.send("POST \(path) HTTP/1.1\r\nHost: a\r\n\(field)Content-Length: 100000\r\n\r\n"))
            try await slow.trickle("x")
            #expect(try await slow.isClosed())
            #expect(slow.text.hasPrefix("HTTP/1.1 408 ") == isTold, "\(slow.text)")
            try await Self.expectService(port)
        }
    }

    @Test("A body that comes in parts, but fast enough, is answered")
    func steadyBody() async throws {
        var limits = Self.patient
        limits.body = .seconds(20)
        limits.bodyBytesPerSecondMin = 1
        try await withServer(limits) { port in
            let client = try await RawConnection.open(port)
            for part in ["POST /fast HTTP/1.1\r\nHost: a\r\nContent-Le", "ngth: 10\r\n\r\n12345", "6789", "0"] {
                #expect(await client.send(part))
                try await Task.sleep(for: .milliseconds(60))
            }
            #expect(try await client.receives("1234567890"))
            await client.close()
        }
    }

    @Test("A client that sends its request and closes its side gets its answer", arguments: ["/fast", "/later", "/routed"])
    func halfClosed(path: String) async throws {
        try await withServer(Self.patient) { port in
            let client = try await RawConnection.open(port)
            #expect(await client.send("POST \(path) HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi"))
            try await client.endSending()
            #expect(try await client.receives("hi"))
            #expect(try await client.isClosed())
        }
    }

    @Test("A side closed in the middle of a request ends the connection at once", arguments: [
        "POST /fast HTTP/1.1\r\nHo", "POST /fast HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhi", "GET /routed HTTP/1.1\r\nHo",
        "POST /fast HTTP/1.1\r\nHost: a\r\nConnection: keep-alive\r\nContent-Length: 9\r\n\r\nhi",
        "POST /routed HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhi", "",
    ])
    func cutShort(start: String) async throws {
        try await withServer(Self.patient) { port in
            let client = try await RawConnection.open(port)
            if !start.isEmpty { #expect(await client.send(start)) }
            try await client.endSending()
            #expect(try await client.isClosed())
            try await Self.expectService(port)
        }
    }

    @Test("Five thousand pipelined requests are answered in order, fast ones and routed ones")
    func pipelining() async throws {
        try await withServer(Self.patient) { port in
            let client = try await RawConnection.open(port)
            let count = 5_000
            let paths = ["/fast", "/later", "/routed"]
            for start in stride(from: 0, to: count, by: 500) {
                let requests = (start..<(start + 500)).map { index in
                    let path = index % 50 == 0 ? paths[index / 50 % 3] : "/fast"
                    let body = "<\(index)>"
                    return "POST \(path) HTTP/1.1\r\nHost: a\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)"
                }
                #expect(await client.send(requests.joined()))
            }
            #expect(try await client.receives("<\(count - 1)>"))
            let answers = client.text.split(separator: "<").dropFirst().compactMap { Int($0.prefix { $0 != ">" }) }
            #expect(answers == Array(0..<count))
            await client.close()
        }
    }

    @Test("A client that pipelines and takes no answer is read no further, and ends when its time is over", arguments: ["/fast", "/later"])
    func greedy(path: String) async throws {
        var limits = Self.patient
        limits.write = .milliseconds(500)
        try await withServer(limits) { port in
            let client = try await RawConnection.open(port, reads: false)
            let body = String(repeating: "x", count: 4_000)
            let chunk = String(repeating: "POST \(path) HTTP/1.1\r\nHost: a\r\nContent-Length: 4000\r\n\r\n\(body)", count: 256)
            var sent = 0
            // A server that takes everything gets half a gibibyte here.
            while sent < 512, await client.send(chunk) { sent += 1 }
            #expect(sent < 512, "the server took \(sent) MiB whose answers nobody wanted")
            #expect(try await client.isClosed())
            try await Self.expectService(port)
        }
    }

    enum Bomb: CaseIterable { case oneField, manyFields, manyBytes }

    @Test("A head larger than it may be is refused by name, and so is one with too many fields", arguments: Bomb.allCases, ["POST /fast", "GET /routed"])
    func headerBomb(bomb: Bomb, start: String) async throws {
        let fields = switch bomb {
        case .oneField: "X-Bomb: " + String(repeating: "a", count: 200_000)
        case .manyFields: String(repeating: "X-Bomb: a\r\n", count: 2_000)
        case .manyBytes: String(repeating: "X-Bomb: \(String(repeating: "a", count: 1_000))\r\n", count: 100)
        }
        try await withServer(Self.patient) { port in
            let client = try await RawConnection.open(port)
            await client.send("\(start) HTTP/1.1\r\nHost: a\r\n\(fields)\r\n\r\n")
            #expect(try await client.isClosed())
            // What was sent too much may reset the connection before the answer is read.
            #expect(client.text.isEmpty || client.text.hasPrefix("HTTP/1.1 431 "), "\(client.text)")
            try await Self.expectService(port)
        }
    }

    @Test("What is not HTTP is a 400 and the connection's end", arguments: [
        "\u{16}\u{3}\u{1}\u{2}\u{0}\u{1}\r\n\r\n", "GET\r\n\r\n", "POST /fast HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n",
        "POST /fast HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ])
    func noise(text: String) async throws {
        try await withServer(Self.patient) { port in
            let client = try await RawConnection.open(port)
            await client.send(text)
            #expect(try await client.isClosed())
            #expect(client.text.hasPrefix("HTTP/1.1 400 "), "\(client.text)")
            try await Self.expectService(port)
        }
    }

    @Test("Beyond as many connections as there may be, the next one waits until one has gone")
    func connectionsMax() async throws {
        var limits = Self.patient
        limits.connectionsMax = 3
        try await withServer(limits) { port in
            var open: [RawConnection] = []
            for _ in 0..<3 {
                let client = try await RawConnection.open(port)
                await client.send(Self.request("one"))
                #expect(try await client.receives("one"))
                open.append(client)
            }
            let waiting = try await RawConnection.open(port)
            await waiting.send(Self.request("four"))
            await open[0].send(Self.request("again"))
            #expect(try await open[0].receives("again"))
            #expect(waiting.text.isEmpty)
            await open[0].close()
            #expect(try await waiting.receives("four"))
            for client in open + [waiting] { await client.close() }
        }
    }

    /// 200 of them, or as many as the environment says: `SLIPWAY_IDLE_CONNECTIONS=10000`.
    @Test("Idle connections cost nobody else anything, and end when they have been idle for their time")
    func idle() async throws {
        let count = ProcessInfo.processInfo.environment["SLIPWAY_IDLE_CONNECTIONS"].flatMap(Int.init) ?? 200
        // Both ends of each are this process's.
        guard OpenFiles.raiseMax() > 2 * count + 300 else {
            Issue.record("\(count) connections need \(2 * count + 300) open files; the limit is \(OpenFiles.raiseMax())")
            return
        }
        var limits = Self.patient
        limits.descriptorsKept = 0
        limits.idle = .seconds(Int64(2 + count / 200))
        try await withServer(limits) { port in
            var idle: [RawConnection] = []
            for index in 0..<count {
                let client = try await RawConnection.open(port)
                // Half of them have been of use once.
                if index % 2 == 0 { await client.send(Self.request("used")) }
                idle.append(client)
            }
            for _ in 0..<20 { try await Self.expectService(port) }
            for client in idle { #expect(try await client.isClosed()) }
            #expect(idle.count { $0.text.contains("used") } == (count + 1) / 2)
            try await Self.expectService(port)
        }
    }

    // MARK: Fixture

    /// So long that only the limit which a test sets can end a connection.
    private static var patient: ConnectionLimits {
        var limits = ConnectionLimits()
        limits.idle = .minutes(30)
        limits.head = .minutes(30)
        limits.body = .minutes(30)
        limits.write = .minutes(30)
        limits.check = .milliseconds(50)
        return limits
    }

    private static func request(_ body: String) -> String {
        "POST /fast HTTP/1.1\r\nHost: a\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)"
    }

    private static func expectService(_ port: Int) async throws {
        let client = try await RawConnection.open(port)
        #expect(await client.send(request("service")))
        #expect(try await client.receives("service"))
        await client.close()
    }

    private func withServer(_ limits: ConnectionLimits, _ body: (Int) async throws -> Void) async throws {
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        let router = Router(context: PlatformRequestContext.self)
        router.get("routed") { _, _ in "routed" }
        router.post("routed") { request, _ in
            try await Response(status: .ok, body: ResponseBody(byteBuffer: request.body.collect(upTo: 1 << 20)))
        }
        let server = HTTPServer(
            name: "test", host: "127.0.0.1", port: 0, router: router, fastRoutes: Echo(), limits: limits, logger: logger
        )
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await server.run() }
            let port = try await server.boundPort()
            try await body(port)
            group.cancelAll()
        }
    }
}

extension RawConnection {
    /// Sends a byte now and then, until nobody takes it any more; for a minute at most.
    fileprivate func trickle(_ byte: String) async throws {
        for _ in 0..<1_200 where isOpen {
            guard await send(byte) else { return }
            try await Task.sleep(for: .milliseconds(50))
        }
    }
}

/// Answers with the body it was sent, at once or a moment later.
private struct Echo: FastRoutes {
    let bodyBytesMax = 1 << 20

    func accepts(method: HTTPRequest.Method, path: String) -> Bool { method == .post && path != "/routed" }

    func answer(_ request: FastRequest, on eventLoop: any EventLoop) -> FastAnswer {
        let response = FastResponse(status: .ok, body: request.body)
        guard request.path == "/later" else { return .now(response) }
        let promise = eventLoop.makePromise(of: FastResponse.self)
        eventLoop.execute { promise.succeed(response) }
        return .later(promise.futureResult)
    }
}
