import Foundation
import Hummingbird
import SlipwayCore
import SlipwayRelease
import SlipwayTesting
import Synchronization
import Testing

@testable import SlipwayClients

/// The observer against a Prometheus that says what a test says.
@Suite("Prometheus observer", .timeLimit(.minutes(3)))
struct PrometheusObserverTests {
    @Test("It asks for one model, environment and two versions, and counts what the samples say")
    func counts() async throws {
        let fake = FakePrometheus()
        fake.samples = [
            Self.heartbeat([1001, 1011, 1021]),
            Self.series("slipway_gateway_requests_total", #""outcome":"ok","version":"2""#, [(1001, "5"), (1011, "20"), (1021, "65")]),
            Self.series("slipway_gateway_requests_total", #""outcome":"error","version":"2""#, [(1011, "2"), (1021, "3")]),
            Self.series("slipway_gateway_predictions_total", #""prediction":"0.9..1","version":"2""#, [(1011, "60")]),
        ]
        // As Swift writes numbers: 5e-05 and 1.0.
        let bounds = VariantCounters.latencyBoundsMicroseconds.map { "\(Double($0) / 1e6)" } + ["+Inf"]
        fake.samples += bounds.map { bound in
            let labels = #""le":"\#(bound)","version":"2""#
            return Self.series("slipway_gateway_request_duration_seconds_bucket", labels, [(1001, "5"), (1021, bound == "5e-05" ? "9" : "65")])
        }
        let (versions, covered) = try await withWindow(fake, labels: ["namespace": "gateway-dev"]) { window in
            fake.now = 1025
            let reading = try await window.reading()
            guard case .counted(let versions, let covered) = reading else { throw PlatformError(.unexpected, "\(reading)") }
            return (versions, covered)
        }
        let counters = try #require(versions[try ModelVersion(2)])
        #expect(counters.requests == 63 && counters.errors == 3)
        #expect(counters.predictions == ["0.9..1": 60])
        #expect(counters.latencyCounts.first == 4 && counters.latencyCounts[1] == 56)
        #expect(covered == .seconds(20))
        let asked = try #require(fake.questions.first { $0.contains("slipway_gateway") })
        #expect(asked.contains(#"__name__=~"slipway_gateway_routing_generation|slipway_gateway_requests_total|"#))
        #expect(asked.contains(#"model=~"tumor\\.v-2|",version=~"1|2|",namespace="gateway-dev"}[25000ms]"#), "\(asked)")
        #expect(fake.questions.last == #"up{job=~"gateway",namespace="gateway-dev"} == 0"#)
    }

    @Test("A Prometheus that is away, refuses, answers in part, too much or nonsense makes the window blind", arguments: Trouble.allCases)
    func blind(trouble: Trouble) async throws {
        let fake = FakePrometheus()
        fake.samples = [Self.heartbeat([1001, 1011, 1021])]
        fake.trouble = trouble
        let reason = try await withWindow(fake) { window in
            fake.now = 1025
            guard case .blind(let reason) = try await window.reading() else { return "it sees" }
            return reason
        }
        #expect(reason.contains(trouble.said), "\(reason)")
    }

    @Test("A Prometheus that cannot be reached makes the window blind, and is no error")
    func away() async throws {
        try await withConnections { connections in
            let source = PrometheusSource(url: "http://127.0.0.1:\(closedPort)")
            let observer = PrometheusObserver(source, connections: connections)
            let window = try await observer.watch(try ModelName("tumor"), versions: [])
            let reading = try await window.reading()
            #expect(reading == .blind("Prometheus could not be reached"))
        }
    }

    @Test("A window that could not begin begins when Prometheus answers: what was before is not in it")
    func late() async throws {
        let fake = FakePrometheus()
        fake.trouble = .refusing
        fake.samples = [
            Self.heartbeat([1001, 1011, 1021, 1031]),
            Self.series("slipway_gateway_requests_total", #""outcome":"error","version":"2""#, [(1001, "0"), (1011, "50"), (1021, "60"), (1031, "61")]),
        ]
        let errors = try await withWindow(fake) { window in
            fake.trouble = nil
            fake.now = 1012
            _ = try await window.reading()
            fake.now = 1035
            guard case .counted(let versions, _) = try await window.reading() else { return -1 }
            return versions[try ModelVersion(2)]?.errors ?? -1
        }
        #expect(errors == 1)
    }

    @Test("A gateway that Prometheus finds and cannot scrape makes the window blind")
    func down() async throws {
        let fake = FakePrometheus()
        fake.samples = [Self.heartbeat([1001, 1011, 1021])]
        fake.down = [#"{"metric":{"__name__":"up","job":"gateway","instance":"b:8080"},"value":[1025,"0"]}"#]
        let reason = try await withWindow(fake) { window in
            fake.now = 1025
            guard case .blind(let reason) = try await window.reading() else { return "it sees" }
            return reason
        }
        #expect(reason == "gateway 'instance=b:8080,job=gateway' cannot be scraped")
    }

    @Test("Bounds of latencies that are not the gateway's, and numbers that are none, make the window blind")
    func strange() async throws {
        for (series, said) in [
            (Self.series("slipway_gateway_request_duration_seconds_bucket", #""le":"0.123","version":"2""#, [(1001, "0")]), "bucket '0.123'"),
            (Self.series("slipway_gateway_requests_total", #""outcome":"ok","version":"2""#, [(1001, "NaN")]), "is no number"),
        ] {
            let fake = FakePrometheus()
            fake.samples = [Self.heartbeat([1001, 1011, 1021]), series]
            let reason = try await withWindow(fake) { window in
                fake.now = 1025
                guard case .blind(let reason) = try await window.reading() else { return "it sees" }
                return reason
            }
            #expect(reason.contains(said), "\(reason)")
        }
    }

    @Test("Between two questions a pause is kept")
    func pause() async throws {
        let fake = FakePrometheus()
        try await withWindow(fake, poll: .seconds(3_600)) { window in
            for _ in 0..<5 { _ = try await window.reading() }
        }
        #expect(fake.questions == ["time()"])
    }

    @Test("A token goes along as a bearer's")
    func token() async throws {
        let fake = FakePrometheus()
        try await withWindow(fake, token: "secret") { _ in }
        #expect(fake.peer.requests.allSatisfy { $0.headers[.authorization] == "Bearer secret" })
    }

    private func withWindow<Result>(
        _ fake: FakePrometheus,
        labels: [String: String] = [:],
        token: String? = nil,
        poll: Duration = .zero,
        _ body: (any VariantWindow) async throws -> Result
    ) async throws -> Result {
        var result: Result?
        try await withServer(fake.peer.router) { url in
            try await withConnections { connections in
                let source = PrometheusSource(url: url, labels: labels, staleSeconds: 30)
                let observer = PrometheusObserver(source, token: token, connections: connections, clock: ContinuousClock(), poll: poll)
                let window = try await observer.watch(try ModelName("tumor.v-2"), versions: [try ModelVersion(1), try ModelVersion(2)])
                result = try await body(window)
            }
        }
        return try #require(result)
    }

    private static func heartbeat(_ seconds: [Int]) -> String {
        let values = seconds.map { "[\($0),\"3\"]" }.joined(separator: ",")
        return #"{"metric":{"__name__":"slipway_gateway_routing_generation","job":"gateway","instance":"a:8080"},"values":[\#(values)]}"#
    }

    private static func series(_ name: String, _ labels: String, _ samples: [(Int, String)]) -> String {
        let values = samples.map { "[\($0.0),\"\($0.1)\"]" }.joined(separator: ",")
        let own = #""__name__":"\#(name)","job":"gateway","instance":"a:8080","model":"tumor.v-2","variant":"B",\#(labels)"#
        return "{\"metric\":{\(own)},\"values\":[\(values)]}"
    }
}

enum Trouble: String, Sendable, CaseIterable {
    case refusing, partial, nonsense, empty, tooLarge, nothing

    var said: String {
        switch self {
        case .refusing: "Prometheus answered 503: query timed out"
        case .partial: "Prometheus answered in part: remote read failed"
        case .nonsense: "Prometheus answered 200: <html>"
        case .empty: "no gateway was scraped"
        case .tooLarge: "Prometheus answered more than 16 MiB"
        case .nothing: "no 'result'"
        }
    }
}

/// Answers `/api/v1/query` with what a test has put there.
final class FakePrometheus: Sendable {
    private struct State {
        var now = 1_000
        var samples: [String] = []
        var down: [String] = []
        var trouble: Trouble?
    }

    private let state: SharedState
    let peer: FakePeer

    private final class SharedState: Sendable {
        let value = Mutex(State())
    }

    init() {
        let state = SharedState()
        self.state = state
        peer = FakePeer { seen in state.value.withLock { FakePrometheus.answer(seen, $0) } }
    }

    var now: Int {
        get { state.value.withLock { $0.now } }
        set { state.value.withLock { $0.now = newValue } }
    }
    var samples: [String] {
        get { state.value.withLock { $0.samples } }
        set { state.value.withLock { $0.samples = newValue } }
    }
    var down: [String] {
        get { state.value.withLock { $0.down } }
        set { state.value.withLock { $0.down = newValue } }
    }
    var trouble: Trouble? {
        get { state.value.withLock { $0.trouble } }
        set { state.value.withLock { $0.trouble = newValue } }
    }

    /// What was asked, in the language of Prometheus.
    var questions: [String] { peer.requests.map { Self.question($0) } }

    private static func question(_ seen: FakePeer.Seen) -> String {
        URLComponents(string: seen.target)?.queryItems?.first { $0.name == "query" }?.value ?? ""
    }

    private static func answer(_ seen: FakePeer.Seen, _ state: State) -> Response {
        func vector(_ items: [String], _ type: String, more: String = "") -> Response {
            json("{\"status\":\"success\",\"data\":{\"resultType\":\"\(type)\",\"result\":[\(items.joined(separator: ","))]}\(more)}")
        }
        let question = question(seen)
        if state.trouble == .refusing { return json(#"{"status":"error","errorType":"timeout","error":"query timed out"}"#, status: .serviceUnavailable) }
        if question == "time()" { return vector(["\(state.now)", "\"\(state.now)\""], "scalar") }
        switch state.trouble {
        case nil, .refusing: break
        case .partial: return vector(state.samples, "matrix", more: #","warnings":["remote read failed"]"#)
        case .nonsense: return json("<html>")
        case .empty: return vector([], "matrix")
        case .tooLarge: return json(String(repeating: " ", count: (16 << 20) + 1))
        case .nothing: return json(#"{"status":"success","data":{}}"#)
        }
        return question.hasPrefix("up{") ? vector(state.down, "vector") : vector(state.samples, "matrix")
    }
}
