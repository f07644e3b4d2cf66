import HTTPTypes
import NIOCore
import NIOHTTP1
import NIOPosix
import SlipwayCore
import SlipwayHTTP
import SlipwayInference
import SlipwayRelease
import Synchronization
import Testing

@testable import SlipwayGateway

@Suite("Model server behind a URL", .timeLimit(.minutes(2)))
struct UpstreamTests {
    private static let body = #"{"inputs":[{"name":"X","shape":[1,3],"datatype":"FP32","data":[1,2,3]}]}"#

    @Test("A v2 body passes through as it is, to the path of its version, and back as it is")
    func passThrough() async throws {
        try await withUpstream { upstream, fixture in
            let response = try await fixture.post("/v2/models/tumor/infer", Self.body)
            #expect(response.status == .ok)
            #expect(try response.json["model_version"] == "1")
            #expect(response.header("x-slipway-variant") == "A")
            #expect(upstream.seen.requests.map(\.uri) == ["/v2/models/tumor/versions/1/infer"])
            #expect(upstream.seen.bodies.map { String(buffer: $0) } == [Self.body])
        }
    }

    @Test("Rows become a tensor on the way, and the answer is nested")
    func rows() async throws {
        try await withUpstream { upstream, fixture in
            let response = try await fixture.post("/predict", #"{"instances": [[1, 2.50, 3]]}"#)
            #expect(response.status == .ok)
            #expect(try response.json["outputs"] == ["label": [1], "probabilities": [[0.25, 0.75]]])
            let sent = try #require(upstream.seen.bodies.first.map { try JSONValue(parsing: $0.readableBytesView) })
            #expect(sent == ["inputs": [["name": "X", "datatype": "FP32", "shape": [1, 3], "data": [[1, 2.5, 3]]]]])
        }
    }

    @Test("To Triton, a version is a model of its own; the client sees our names")
    func naming() async throws {
        try await withUpstream(naming: .separateModels) { upstream, fixture in
            let response = try await fixture.post("/v2/models/tumor/infer", Self.body)
            #expect(upstream.seen.requests.map(\.uri) == ["/v2/models/tumor-v1/infer"])
            #expect(try response.json["model_name"] == "tumor")
            #expect(try response.json["model_version"] == "1")
        }
    }

    @Test("The model server gets the client's request id, and none where the client has none")
    func requestID() async throws {
        try await withUpstream { upstream, fixture in
            let name = try #require(HTTPField.Name("x-request-id"))
            for body in [Self.body, #"{"instances": [[1, 2, 3]]}"#] {
                let response = try await fixture.post("/predict", body, headers: [name: "req-2"])
                #expect(response.status == .ok && response.header("x-request-id") == "req-2")
            }
            #expect(try await fixture.post("/predict", Self.body).header("x-request-id") == nil)
            #expect(upstream.seen.requests.map { $0.headers["x-request-id"] } == [["req-2"], ["req-2"], []])
        }
    }

    @Test("One connection serves one request after the other")
    func keepAlive() async throws {
        try await withUpstream { upstream, fixture in
            let loop = MultiThreadedEventLoopGroup.singleton.next()
            for _ in 0..<50 { try await fixture.expect(.ok, on: loop) }
            // One for the metadata at the reload, one for the loop of the requests.
            #expect(upstream.seen.connections <= 2)
        }
    }

    @Test("A kept-alive connection that dies under a request is replaced, once, unseen by the client")
    func retry() async throws {
        try await withUpstream { upstream, fixture in
            let loop = MultiThreadedEventLoopGroup.singleton.next()
            try await fixture.expect(.ok, on: loop)
            upstream.plays([.hangUp])
            try await fixture.expect(.ok, on: loop)
            #expect(upstream.seen.requests.count == 3)
            upstream.plays([.hangUp, .hangUp])
            let failed = try await fixture.post(on: loop, "/predict")
            #expect(failed.status == .serviceUnavailable)
            #expect(failed.header("retry-after") == "1")
            #expect(upstream.seen.requests.count == 5, "one retry, not more")
        }
    }

    @Test("On a new connection, or with half an answer, nothing is sent twice")
    func noRetry() async throws {
        try await withUpstream { upstream, fixture in
            let loop = MultiThreadedEventLoopGroup.singleton.next()
            upstream.plays([.answerAndClose, .hangUp, .answer, .half])
            try await fixture.expect(.ok, on: loop)
            // The connection before is closed: this one is new.
            try await fixture.expect(.serviceUnavailable, on: loop)
            #expect(upstream.seen.requests.count == 2)
            try await fixture.expect(.ok, on: loop)
            try await fixture.expect(.serviceUnavailable, on: loop)
            #expect(upstream.seen.requests.count == 4)
        }
    }

    @Test("Idle connections that the server closes cost no request")
    func idleClose() async throws {
        try await withUpstream { upstream, fixture in
            let loop = MultiThreadedEventLoopGroup.singleton.next()
            for _ in 0..<20 {
                try await fixture.expect(.ok, on: loop)
                await upstream.closeConnections()
            }
            upstream.plays([], otherwise: .answerAndClose)
            for _ in 0..<5 { try await fixture.expect(.ok, on: loop) }
        }
    }

    @Test("A server that does not answer in time is a 504 that says so, and its connection is not used again")
    func slow() async throws {
        var limits = UpstreamLimits()
        limits.answerDeadline = .seconds(2)
        limits.tick = .milliseconds(10)
        try await withUpstream(limits: limits) { upstream, fixture in
            let loop = MultiThreadedEventLoopGroup.singleton.next()
            upstream.plays([.silence])
            let late = try await fixture.post(on: loop, "/predict")
            #expect(late.status == .gatewayTimeout)
            #expect(late.errorMessage?.contains("did not answer within 2") == true)
            try await fixture.expect(.ok, on: loop)
            let counters = try await fixture.gateway.counters(of: ModelName("tumor"))
            #expect(counters[try ModelVersion(1)]?.errors == 1)
        }
    }

    @Test("More requests than may wait are refused at once; those that wait are answered")
    func saturation() async throws {
        var limits = UpstreamLimits()
        limits.connectionsMax = 1
        limits.waitingMax = 2
        limits.answerDeadline = .seconds(5)
        limits.tick = .milliseconds(10)
        try await withUpstream(limits: limits) { upstream, fixture in
            let loop = MultiThreadedEventLoopGroup.singleton.next()
            try await fixture.expect(.ok, on: loop)
            upstream.plays([.silence])
            let statuses = try await withThrowingTaskGroup(of: (Int, String?).self) { group in
                for _ in 0..<8 {
                    group.addTask {
                        let response = try await fixture.post(on: loop, "/predict")
                        return (response.status.code, response.errorMessage)
                    }
                }
                return try await group.reduce(into: []) { $0.append($1) }
            }
            // One is silent on the only connection, two wait behind it, five do not fit. Those that wait came a moment
            // after the silent one: when it is given up they fail with it, or are answered in the moment that is left.
            #expect(statuses.allSatisfy { [200, 503, 504].contains($0.0) })
            #expect(statuses.count { $0.0 == 503 } == 5)
            #expect(statuses.contains { $0.0 == 504 })
            #expect(statuses.count { $0.1?.contains("saturated") == true } == 5)
            try await fixture.expect(.ok, on: loop)
        }
    }

    @Test("A server that is down is a 503 with Retry-After; when it is back, so are the answers")
    func down() async throws {
        try await withUpstream { upstream, fixture in
            let port = try await upstream.stop()
            for _ in 0..<3 {
                let response = try await fixture.post("/predict")
                #expect(response.status == .serviceUnavailable)
                #expect(response.header("retry-after") == "1")
            }
            try await upstream.start(port: port)
            #expect(try await fixture.post("/predict").status == .ok)
        }
    }

    @Test("Of two replicas, the one that is down costs no request")
    func twoReplicas() async throws {
        let gone = ScriptedUpstream()
        let gonePort = try await gone.start()
        let here = ScriptedUpstream()
        let herePort = try await here.start()
        let endpoints = try [gonePort, herePort].map { try UpstreamEndpoint(url: "http://127.0.0.1:\($0)") }
        let dataPlane = UpstreamDataPlane(endpoints: endpoints)
        let fixture = GatewayFixture(backend: .upstream(dataPlane))
        try fixture.models.load("tumor", 1)
        try await fixture.serve("tumor", ["A": (1, 100)])
        for _ in 0..<40 { #expect(try await fixture.post("/predict").status == .ok) }
        #expect(!gone.seen.requests.isEmpty)
        #expect(!here.seen.requests.isEmpty)
        try await gone.stop()
        for _ in 0..<40 { #expect(try await fixture.post("/predict").status == .ok) }
        try await dataPlane.shutDown()
        try await here.stop()
    }

    @Test(
        "What the server refuses reaches the client with the right blame",
        arguments: [
            (400, 400, 0), (404, 503, 1), (429, 503, 1), (500, 500, 1), (503, 503, 1),
        ]
    )
    func statuses(status: Int, answered: Int, errors: Int) async throws {
        try await withUpstream { upstream, fixture in
            upstream.plays([], otherwise: .status(status, "said the server"))
            let ours = try await fixture.post("/predict")
            #expect(ours.status.code == answered)
            let theirs = try await fixture.post("/v2/models/tumor/infer", Self.body)
            #expect(theirs.status.code == answered)
            #expect(try theirs.json["error"]?.stringValue != nil)
            let counters = try await fixture.gateway.counters(of: ModelName("tumor"))
            #expect(counters[try ModelVersion(1)]?.errors == errors * 2)
        }
    }

    @Test("An answer that cannot be read is our failure; NaN is refused on /predict and passed on /v2")
    func badAnswers() async throws {
        try await withUpstream { upstream, fixture in
            upstream.plays([.garbage, .nonFinite, .nonFinite])
            #expect(try await fixture.post("/predict").status == .serviceUnavailable)
            #expect(try await fixture.post("/predict").status == .internalServerError)
            let passed = try await fixture.post("/v2/models/tumor/infer", Self.body)
            #expect(passed.status == .ok)
            #expect(String(buffer: passed.body).contains("NaN"))
            let counters = try await fixture.gateway.counters(of: ModelName("tumor"))
            #expect(counters[try ModelVersion(1)]?.nonFinite == 2)
        }
    }

    @Test("Many requests at once on few connections are all answered, each with its own answer")
    func crowd() async throws {
        var limits = UpstreamLimits()
        limits.connectionsMax = 4
        try await withUpstream(limits: limits) { upstream, fixture in
            try fixture.models.load("tumor", 1, 2)
            try await fixture.serve("tumor", ["A": (1, 50), "B": (2, 50)])
            try await withThrowingTaskGroup(of: Void.self) { group in
                for index in 0..<300 {
                    group.addTask {
                        let response = try await fixture.post("/v2/models/tumor/infer", Self.body, client: "client-\(index)")
                        #expect(response.status == .ok)
                        #expect(try response.json["model_version"]?.stringValue == response.header("x-slipway-version"))
                    }
                }
                try await group.waitForAll()
            }
        }
    }

    @Test(
        "An address that is not http://host:port is refused",
        arguments: ["", "localhost:8000", "https://h:1", "http://", "http://h:0", "http://h:70000", "http://h:x", "http://h:1/v2", "http://[::1", "http://u@h:1"]
    )
    func badAddress(url: String) {
        #expect(throws: PlatformError.self) { try UpstreamEndpoint(url: url) }
    }

    @Test("An address without a port means port 80, and IPv6 stands in brackets")
    func goodAddress() throws {
        #expect(try UpstreamEndpoint(url: "http://triton").authority == "triton:80")
        let six = try UpstreamEndpoint(url: "http://[::1]:8000/")
        #expect(six.host == "::1")
        #expect(six.authority == "[::1]:8000")
    }

    private func withUpstream(
        naming: UpstreamNaming = .versions,
        limits: UpstreamLimits = UpstreamLimits(),
        _ body: (ScriptedUpstream, GatewayFixture) async throws -> Void
    ) async throws {
        let upstream = ScriptedUpstream()
        let endpoint = try UpstreamEndpoint(url: "http://127.0.0.1:\(try await upstream.start())")
        let dataPlane = UpstreamDataPlane(endpoints: [endpoint], naming: naming, limits: limits)
        let fixture = GatewayFixture(backend: .upstream(dataPlane))
        try fixture.models.load("tumor", 1)
        try await fixture.serve("tumor", ["A": (1, 100)])
        try await body(upstream, fixture)
        try await dataPlane.shutDown()
        _ = try? await upstream.stop()
    }
}

extension GatewayFixture {
    func expect(
        _ status: HTTPResponse.Status,
        on loop: any EventLoop,
        sourceLocation: SourceLocation = #_sourceLocation
    ) async throws {
        let response = try await post(on: loop, "/predict")
        #expect(response.status == status, "\(response.errorMessage ?? "")", sourceLocation: sourceLocation)
    }

    /// Sends a request from one event loop, so that it meets that loop's connections.
    func post(on loop: any EventLoop, _ path: String) async throws -> FastResponse {
        let head = HTTPRequest(method: .post, scheme: "http", authority: "test", path: path)
        let request = FastRequest(head: head, path: path, body: ByteBuffer(string: #"{"instances":[[1,2,3]]}"#))
        let routes = gateway.fastRoutes
        return try await loop.flatSubmit {
            switch routes.answer(request, on: loop) {
            case .now(let response): loop.makeSucceededFuture(response)
            case .later(let future): future
            }
        }.get()
    }
}
