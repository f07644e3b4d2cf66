import HTTPTypes
import NIOHTTP1
import SlipwayCore
import SlipwayHTTP
import SlipwayInference
import SlipwayRelease
import SlipwayRouting
import SlipwayTesting
import Synchronization
import Testing

@testable import SlipwayGateway

@Suite("Shadow", .timeLimit(.minutes(2)))
struct ShadowTests {
    @Test("Every request is copied, its answer is the variant's, and the comparison is counted")
    func mirrors() async throws {
        let fixture = try await Self.fixture(compare: .exact)
        for _ in 0..<20 {
            let response = try await fixture.post("/predict")
            #expect(try response.json["version"] == "1")
        }
        // The simulated model answers its own version number as the label.
        let counts = try await fixture.shadowCounts { $0["differ"] == 20 }
        #expect(counts == ["match": 0, "differ": 20, "incomparable": 0, "error": 0, "dropped": 0])
        let page = await fixture.gateway.metricsPage().text
        #expect(page.contains(#"slipway_gateway_shadow_requests_total{model="tumor",variant="A",version="1",shadow="3",outcome="differ"} 20"#))
        #expect(page.contains(#"slipway_gateway_shadow_duration_seconds_count{model="tumor",variant="A",version="1",shadow="3"} 20"#))
        let counters = try await fixture.gateway.counters(of: ModelName("tumor"))
        #expect(counters.mapValues(\.requests) == [try ModelVersion(1): 20], "a copy is no request of any version")
    }

    @Test("A shadow that fails is counted for itself, and its variant loses nothing")
    func fails() async throws {
        let fixture = try await Self.fixture(compare: .exact)
        let shadow = try ModelVersion(3)
        fixture.models.state.withLock { $0.failing[shadow] = PlatformError(.unexpected, "broken") }
        for _ in 0..<5 { #expect(try await fixture.post("/v2/models/tumor/infer", Self.tensors).status == .ok) }
        #expect(try await fixture.shadowCounts { $0["error"] == 5 }["error"] == 5)
        let counters = try await fixture.gateway.counters(of: ModelName("tumor"))
        #expect(counters[try ModelVersion(1)]?.errors == 0)
        #expect(await fixture.gateway.readinessReport().isReady)
    }

    @Test("Answers do not wait for the shadow; what does not fit its queue is dropped and counted")
    func drops() async throws {
        let fixture = try await Self.fixture(compare: .exact, queue: 2)
        let models = fixture.models
        models.holdOnly(3)
        for _ in 0..<10 { #expect(try await fixture.post("/predict").status == .ok) }
        // One is being answered and two wait.
        #expect(try await fixture.shadowCounts { $0["dropped"] == 7 }["dropped"] == 7)
        #expect(await fixture.gateway.inFlight(model: try ModelName("tumor"), version: try ModelVersion(3)) == 3)
        models.release()
        #expect(try await fixture.shadowCounts { $0["differ"] == 3 }["differ"] == 3)
        #expect(await fixture.gateway.inFlight(model: try ModelName("tumor"), version: try ModelVersion(3)) == 0)
    }

    @Test("Routes do not wait for a shadow; it is taken up when the model server has it")
    func late() async throws {
        let fixture = GatewayFixture()
        try fixture.models.load("tumor", 1)
        try await fixture.serve(try Self.release(compare: .exact))
        #expect(try await fixture.post("/predict").status == .ok)
        #expect(await fixture.gateway.readinessReport().isReady)
        #expect(await fixture.gateway.routes().first?.shadow?.isMirrored == false)
        try fixture.models.load("tumor", 3)
        try await fixture.gateway.refresh()
        #expect(await fixture.gateway.routes().first?.shadow?.isMirrored == true)
        #expect(try await fixture.post("/predict").status == .ok)
        #expect(try await fixture.shadowCounts { $0["differ"] == 1 }["differ"] == 1)
        // Nothing is left to take up: another look changes nothing.
        let generation = await fixture.gateway.snapshot.generation
        try await fixture.gateway.refresh()
        #expect(await fixture.gateway.snapshot.generation == generation)
    }

    @Test("A shadow that leaves the release gets nothing more, and what waits for it is dropped")
    func leaves() async throws {
        let fixture = try await Self.fixture(compare: .exact)
        fixture.models.holdOnly(3)
        for _ in 0..<4 { #expect(try await fixture.post("/predict").status == .ok) }
        try await fixture.serve("tumor", ["A": (1, 100)])
        fixture.models.release()
        for _ in 0..<4 { #expect(try await fixture.post("/predict").status == .ok) }
        let tumor = try ModelName("tumor")
        for _ in 0..<3_000 where await fixture.gateway.inFlight(model: tumor, version: try ModelVersion(3)) > 0 {
            try await Task.sleep(for: .milliseconds(10))
        }
        #expect(await fixture.gateway.inFlight(model: tumor, version: try ModelVersion(3)) == 0)
        let meters = await fixture.gateway.shadowMeters
        #expect(meters.map { $0.count(of: .dropped) } == [3])
    }

    @Test("Behind a URL, the copy goes to the shadow's path, and a shadow's errors keep no replica out")
    func upstream() async throws {
        let upstream = ScriptedUpstream()
        let endpoint = try UpstreamEndpoint(url: "http://127.0.0.1:\(try await upstream.start())")
        let dataPlane = UpstreamDataPlane(endpoints: [endpoint])
        let fixture = GatewayFixture(backend: .upstream(dataPlane))
        try fixture.models.load("tumor", 1, 3)
        try await fixture.serve(try Self.release(compare: .exact))
        for _ in 0..<5 { #expect(try await fixture.post("/predict").status == .ok) }
        #expect(try await fixture.shadowCounts { $0["match"] == 5 }["match"] == 5)
        let paths = upstream.seen.requests.map(\.uri)
        #expect(paths.count { $0 == "/v2/models/tumor/versions/3/infer" } == 5)
        #expect(paths.count { $0 == "/v2/models/tumor/versions/1/infer" } == 5)
        try await dataPlane.shutDown()
        try await upstream.stop()
    }

    @Test("Whatever is compared, the same answers match and other shapes cannot be compared", arguments: [
        RoutedShadow.Comparison.exact, .tolerance(absolute: 0, relative: 0), .label,
    ])
    func same(rule: RoutedShadow.Comparison) {
        let comparison = ShadowComparison(rule: rule, predictions: "label")
        let answer = [tensor("label", .int64, [2], [Int64(1), 0]), tensor("score", .fp32, [2], [Float(0.25), .nan])]
        #expect(comparison.compare(answer, with: answer) == .match)
        #expect(comparison.compare(answer, with: answer.reversed()) == .match)
        let other = [tensor("label", .int64, [1], [Int64(1)]), tensor("score", .fp32, [2], [Float(0.25), 0.5])]
        #expect(comparison.compare(answer, with: other) == .incomparable)
        #expect(comparison.compare(answer, with: []) == .incomparable)
        let renamed = [tensor("LABEL", .int64, [2], [Int64(1), 0]), tensor("score", .fp32, [2], [Float(0.25), .nan])]
        #expect(comparison.compare(answer, with: renamed) == .incomparable)
    }

    @Test("Exact means the same bits; tolerance forgives floating-point numbers and nothing else; a label only the prediction")
    func rules() {
        func compare(_ rule: RoutedShadow.Comparison, _ left: Tensor, _ right: Tensor) -> ShadowOutcome {
            ShadowComparison(rule: rule, predictions: "y").compare([left], with: [right])
        }
        let half = tensor("y", .fp32, [1, 2], [Float(0.5), 0.5])
        let near = tensor("y", .fp32, [1, 2], [Float(0.5000001), 0.5])
        #expect(compare(.exact, half, near) == .differ)
        #expect(compare(.tolerance(absolute: 1e-6, relative: 0), half, near) == .match)
        #expect(compare(.tolerance(absolute: 0, relative: 1e-9), half, near) == .differ)
        let first = tensor("y", .fp64, [2, 3], [0.1, 0.7, 0.2, 0.5, 0.2, 0.3])
        let agreeing = tensor("y", .fp64, [2, 3], [0.3, 0.4, 0.3, 0.9, 0.1, 0])
        let disagreeing = tensor("y", .fp64, [2, 3], [0.3, 0.4, 0.3, 0.1, 0.9, 0])
        #expect(compare(.label, first, agreeing) == .match)
        #expect(compare(.label, first, disagreeing) == .differ)
        let score = tensor("y", .fp32, [2], [Float(0.9), 0.2])
        #expect(compare(.label, score, tensor("y", .fp32, [2], [Float(0.6), 0.4])) == .match)
        #expect(compare(.label, score, tensor("y", .fp32, [2], [Float(0.4), 0.4])) == .differ)
        let whole = tensor("y", .int64, [1], [Int64(1_000_000)])
        #expect(compare(.tolerance(absolute: 10, relative: 1), whole, tensor("y", .int64, [1], [Int64(1_000_001)])) == .differ)
        let text = Tensor(name: "y", type: .bytes, shape: [1], storage: .strings([Array("yes".utf8)]))
        let otherText = Tensor(name: "y", type: .bytes, shape: [1], storage: .strings([Array("no".utf8)]))
        #expect(compare(.label, text, text) == .match)
        #expect(compare(.tolerance(absolute: 1, relative: 1), text, otherText) == .differ)
    }

    private static let numbers: [(ours: Double, theirs: Double, isWithin: Bool)] = [
        (1, 1.1, true), (1, 1.2, false), (0, 0.1, true), (0, -0.1, true), (.nan, .nan, true), (.nan, 1, false), (1, .nan, false),
        (.infinity, .infinity, true), (.infinity, -.infinity, false), (.infinity, 1e308, false), (1e308, 1.04e308, true),
    ]

    @Test("A number is within the tolerance by its distance; NaN is like NaN only", arguments: numbers)
    func within(ours: Double, theirs: Double, isWithin: Bool) {
        #expect(ShadowComparison.isWithin(ours, theirs, absolute: 0.1, relative: 0.05) == isWithin)
    }

    @Test("Half precision is read as IEEE 754 has it")
    func half() {
        let cases: [(UInt16, Double)] = [
            (0x3C00, 1), (0xC000, -2), (0x0001, 0x1p-24), (0x7BFF, 65_504), (0x0000, 0), (0x7C00, .infinity), (0x3555, 0.333251953125),
        ]
        for (bits, value) in cases { #expect(ShadowComparison.half(bits) == value) }
        #expect(ShadowComparison.half(0x7E00).isNaN)
    }

    private static let tensors = #"{"inputs":[{"name":"X","shape":[1,3],"datatype":"FP32","data":[1,2,3]}]}"#

    private static func release(compare: Release.Shadow.Comparison, queue: Int = 100) throws -> Release {
        try makeRelease(
            "tumor",
            ["A": (1, 100)],
            shadow: Release.Shadow(version: try ModelVersion(3), percent: .whole, compare: compare, queue: queue)
        )
    }

    /// Version 1 answers, version 3 is its shadow.
    private static func fixture(compare: Release.Shadow.Comparison, queue: Int = 100) async throws -> GatewayFixture {
        let fixture = GatewayFixture()
        try fixture.models.load("tumor", 1, 3)
        try await fixture.serve(try release(compare: compare, queue: queue))
        return fixture
    }
}
