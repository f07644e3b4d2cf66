import HTTPTypes
import NIOCore
import NIOHTTP1
import NIOPosix
import SlipwayCore
import SlipwayHTTP
import SlipwayRouting
import Synchronization
import Testing

@testable import SlipwayGateway

@Suite("Several model servers behind URLs", .timeLimit(.minutes(2)))
struct UpstreamReplicaTests {
    @Test("A replica that hangs up again and again is ejected, and comes back when it answers")
    func ejection() async throws {
        var limits = UpstreamLimits()
        limits.ejection.failuresMax = 3
        limits.ejection.ejectionFirst = 300_000_000
        try await withReplicas(2, limits) { replicas, plane, fixture in
            let loop = MultiThreadedEventLoopGroup.singleton.next()
            replicas[0].plays([], otherwise: .hangUp)
            var failures = 0
            for _ in 0..<60 {
                let status = try await fixture.post(on: loop, "/predict").status
                if status != .ok { failures += 1 }
            }
            #expect(failures >= 1, "what was under way is lost")
            #expect(failures < 30, "and no more than that")
            #expect(plane.counts.ejections.load(ordering: .relaxed) >= 1)
            replicas[0].plays([])
            let before = replicas[0].seen.requests.count
            for _ in 0..<1_000 where replicas[0].seen.requests.count == before {
                try await fixture.expect(.ok, on: loop)
                try await Task.sleep(for: .milliseconds(10))
            }
            #expect(replicas[0].seen.requests.count > before)
        }
    }

    @Test(
        "A replica that does not have the version costs no request, and gets them again when it has",
        arguments: [(404, "Request for unknown model: 'tumor' is not found"), (400, "Request for unknown model: 'tumor' version 1 is not found")]
    )
    func absence(status: Int, words: String) async throws {
        var limits = UpstreamLimits()
        limits.absence.duration = 100_000_000
        try await withReplicas(2, limits) { replicas, plane, fixture in
            let loop = MultiThreadedEventLoopGroup.singleton.next()
            replicas[0].plays([], otherwise: .status(status, words))
            for _ in 0..<60 { try await fixture.expect(.ok, on: loop) }
            #expect(!replicas[0].seen.requests.isEmpty)
            #expect(plane.counts.absences.load(ordering: .relaxed) == replicas[0].seen.requests.count)
            #expect(plane.counts.ejections.load(ordering: .relaxed) == 0, "it is well")
            replicas[0].plays([])
            let before = replicas[0].seen.requests.count
            for _ in 0..<1_000 where replicas[0].seen.requests.count == before {
                try await fixture.expect(.ok, on: loop)
                try await Task.sleep(for: .milliseconds(10))
            }
            #expect(replicas[0].seen.requests.count > before)
        }
    }

    @Test("A version that no replica has is a 503, asked of each once")
    func absentEverywhere() async throws {
        try await withReplicas(2, UpstreamLimits()) { replicas, _, fixture in
            let loop = MultiThreadedEventLoopGroup.singleton.next()
            for replica in replicas { replica.plays([], otherwise: .status(404, "Request for unknown model: 'tumor' is not found")) }
            try await fixture.expect(.serviceUnavailable, on: loop)
            #expect(replicas.map { $0.seen.requests.count } == [1, 1])
            for replica in replicas { replica.plays([]) }
            try await fixture.expect(.ok, on: loop)
        }
    }

    @Test("A server that answers nothing is not asked any more, which the client is told with Retry-After; then it is probed")
    func breaker() async throws {
        var limits = UpstreamLimits()
        limits.breaker.requestsMin = 4
        limits.breaker.openFirst = 3_000_000_000
        limits.breaker.probes = 1
        try await withReplicas(1, limits) { replicas, plane, fixture in
            let loop = MultiThreadedEventLoopGroup.singleton.next()
            replicas[0].plays([], otherwise: .half)
            for _ in 0..<4 { try await fixture.expect(.serviceUnavailable, on: loop) }
            let asked = replicas[0].seen.requests.count
            let refused = try await fixture.post(on: loop, "/predict")
            #expect(refused.status == .serviceUnavailable)
            #expect(refused.errorMessage?.contains("is not asked") == true)
            let seconds = try #require(refused.header("retry-after").flatMap(Int.init))
            #expect((1...3).contains(seconds))
            #expect(replicas[0].seen.requests.count == asked)
            #expect(plane.counts.openings.load(ordering: .relaxed) == 1)
            replicas[0].plays([])
            var isBack = false
            for _ in 0..<1_000 where !isBack {
                try await Task.sleep(for: .milliseconds(20))
                isBack = try await fixture.post(on: loop, "/predict").status == .ok
            }
            #expect(isBack)
        }
    }

    @Test("Errors that the server answers open no breaker")
    func answeredErrors() async throws {
        var limits = UpstreamLimits()
        limits.breaker.requestsMin = 2
        try await withReplicas(1, limits) { replicas, plane, fixture in
            let loop = MultiThreadedEventLoopGroup.singleton.next()
            replicas[0].plays([], otherwise: .status(500, "no"))
            for _ in 0..<10 { try await fixture.expect(.internalServerError, on: loop) }
            replicas[0].plays([])
            try await fixture.expect(.ok, on: loop)
            #expect(plane.counts.openings.load(ordering: .relaxed) == 0)
        }
    }

    @Test("A name's addresses are the replicas; a look-up that fails keeps them, a new one moves the requests")
    func names() async throws {
        let upstream = ScriptedUpstream()
        let port = try await upstream.start()
        let answer = Mutex<Result<[String], PlatformError>>(.success(["127.0.0.1"]))
        let plane = UpstreamDataPlane(endpoints: [try UpstreamEndpoint(url: "http://models.test:\(port)")]) { name in
            #expect(name == "models.test")
            return try answer.withLock { try $0.get() }
        }
        await plane.refreshReplicas()
        #expect(await plane.replicas().map(\.url) == ["http://127.0.0.1:\(port)"])
        let fixture = GatewayFixture(backend: .upstream(plane))
        try fixture.models.load("tumor", 1)
        try await fixture.serve("tumor", ["A": (1, 100)])
        #expect(try await fixture.post("/predict").status == .ok)
        #expect(upstream.seen.requests.first?.headers["host"] == ["models.test:\(port)"])
        answer.withLock { $0 = .failure(PlatformError(.unavailable, "no name server")) }
        await plane.refreshReplicas()
        #expect(try await fixture.post("/predict").status == .ok)
        #expect(plane.counts.lookupFailures.load(ordering: .relaxed) == 1)
        // An address where nobody listens beside the one where somebody does.
        answer.withLock { $0 = .success(["127.0.0.1", "127.0.0.9"]) }
        await plane.refreshReplicas()
        #expect(await plane.replicas().count == 2)
        for _ in 0..<20 { #expect(try await fixture.post("/predict").status == .ok) }
        answer.withLock { $0 = .success(["127.0.0.1"]) }
        await plane.refreshReplicas()
        for _ in 0..<5 { #expect(try await fixture.post("/predict").status == .ok) }
        try await plane.shutDown()
        try await upstream.stop()
    }

    private func withReplicas(
        _ count: Int,
        _ limits: UpstreamLimits,
        _ body: ([ScriptedUpstream], UpstreamDataPlane, GatewayFixture) async throws -> Void
    ) async throws {
        let replicas = (0..<count).map { _ in ScriptedUpstream() }
        var endpoints: [UpstreamEndpoint] = []
        for replica in replicas { endpoints.append(try UpstreamEndpoint(url: "http://127.0.0.1:\(try await replica.start())")) }
        let plane = UpstreamDataPlane(endpoints: endpoints, limits: limits)
        let fixture = GatewayFixture(backend: .upstream(plane))
        try fixture.models.load("tumor", 1)
        try await fixture.serve("tumor", ["A": (1, 100)])
        try await body(replicas, plane, fixture)
        try await plane.shutDown()
        for replica in replicas { _ = try? await replica.stop() }
    }
}
