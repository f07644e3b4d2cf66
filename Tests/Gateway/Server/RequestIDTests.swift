import HTTPTypes
import Logging
import NIOCore
import SlipwayCore
import SlipwayGRPC
import SlipwayHTTP
import SlipwayInferenceMessages
import Synchronization
import Testing

@testable import SlipwayGateway

/// `x-request-id`: taken, passed on, sent back, and in the log where a request failed.
@Suite("Request ids")
struct RequestIDTests {
    private static let name = HTTPField.Name("x-request-id")

    private func headers(_ id: String) throws -> HTTPFields {
        var fields = HTTPFields()
        fields[try #require(Self.name)] = id
        return fields
    }

    @Test("A client's id comes back with every answer, good or refused; without one a good answer has none")
    func back() async throws {
        let fixture = try await GatewayFixture.tumor()
        for (path, body, status) in [
            ("/predict", #"{"instances":[[1,2,3]]}"#, HTTPResponse.Status.ok), ("/predict", "{", .badRequest),
            ("/models/none/predict", #"{"instances":[[1,2,3]]}"#, .notFound), ("/predict", #"{"instances":[[1]]}"#, .badRequest),
        ] {
            let answer = try await fixture.post(path, body, headers: try headers("req-1"))
            #expect(answer.status == status)
            #expect(answer.header("x-request-id") == "req-1", "\(path) \(body)")
        }
        #expect(try await fixture.post("/predict").header("x-request-id") == nil)
    }

    private static let ids: [(sent: String, used: String?)] = [
        ("0af7651916cd43dd8448eb211c80319c", "0af7651916cd43dd8448eb211c80319c"),
        ("a b\"c{d}\u{e9}", "abcd"), ("", nil), ("<>", nil),
        (String(repeating: "x", count: 500), String(repeating: "x", count: 128)),
    ]

    @Test("Of an id only plain signs are used, and not more than 128", arguments: ids.indices)
    func cleaned(index: Int) {
        #expect(RequestID.cleaned(Self.ids[index].sent) == Self.ids[index].used)
    }

    @Test("An id that is made is 32 digits, another one each time")
    func fresh() {
        let ids = Set((0..<100).map { _ in RequestID.fresh() })
        #expect(ids.count == 100)
        #expect(ids.allSatisfy { $0.utf8.count == 32 && RequestID.cleaned($0) == $0 })
    }

    @Test("A failed request is in the log under its id, with its model, version and variant; the id that is made goes back")
    func logged() async throws {
        let lines = LogLines()
        let fixture = GatewayFixture(logger: Logger(label: "test") { _ in lines })
        try fixture.models.load("tumor", 1)
        try await fixture.serve("tumor", ["A": (1, 100)])
        let one = try ModelVersion(1)
        fixture.models.state.withLock { $0.failing[one] = PlatformError(.unexpected, "the graph broke") }
        let given = try await fixture.post("/predict", headers: try headers("req-3"))
        let made = try await fixture.post("/predict")
        #expect(given.status == .internalServerError && given.header("x-request-id") == "req-3")
        let fresh = try #require(made.header("x-request-id"))
        let found = try await lines.wait(for: 2) { $0 == "request failed" }
        #expect(found.map { $0["request.id"] } == ["req-3", fresh])
        for line in found {
            #expect(line["model.name"] == "tumor" && line["model.version"] == "1" && line["variant"] == "A")
            #expect(line["outcome"] == "error" && line["error"] == "the graph broke")
        }
    }

    @Test("What the client did wrong is not in the log, nor what was answered")
    func quiet() async throws {
        let lines = LogLines()
        let fixture = GatewayFixture(logger: Logger(label: "test") { _ in lines })
        try fixture.models.load("tumor", 1)
        try await fixture.serve("tumor", ["A": (1, 100)])
        _ = try await fixture.post("/predict")
        _ = try await fixture.post("/predict", #"{"instances":[[1]]}"#)
        let one = try ModelVersion(1)
        fixture.models.state.withLock { $0.nonFinite = [one] }
        _ = try await fixture.post("/predict")
        let found = try await lines.wait(for: 1) { $0.hasPrefix("request") }
        #expect(found.map { $0["outcome"] } == ["non_finite"])
    }

    @Test("Of many failures a second only so many are in the log; every one still has its answer and its id")
    func bounded() async throws {
        let lines = LogLines()
        let fixture = GatewayFixture(logger: Logger(label: "test") { _ in lines })
        try fixture.models.load("tumor", 1)
        try await fixture.serve("tumor", ["A": (1, 100)])
        let one = try ModelVersion(1)
        fixture.models.state.withLock { $0.failing[one] = PlatformError(.unexpected, "the graph broke") }
        let clock = ContinuousClock()
        let start = clock.now
        for _ in 0..<2_000 { #expect(try await fixture.post("/predict").header("x-request-id") != nil) }
        // A second that has begun counts as one.
        let seconds = Int(start.duration(to: clock.now).components.seconds) + 2
        let found = try await lines.wait(for: 1) { $0 == "request failed" }
        #expect(found.count <= seconds * GatewayLimits.requestLinesPerSecondMax)
    }

    @Test("Over gRPC the id comes in and goes back as metadata")
    func grpc() async throws {
        let fixture = try await GatewayFixture.tumor()
        var request = Inference_ModelInferRequest()
        request.modelName = "none"
        let refused = try await fixture.call("ModelInfer", request, metadata: [("x-request-id", "req-4")])
        #expect(refused.status == .notFound)
        #expect(refused.metadata.contains { $0.name == "x-request-id" && $0.value == "req-4" })
        request.modelName = "tumor"
        let routed = try await fixture.call("ModelInfer", request, metadata: [("x-request-id", "req-5")])
        #expect(routed.metadata.contains { $0.name == "x-request-id" && $0.value == "req-5" })
    }
}

/// Keeps what is logged.
final class LogLines: LogHandler {
    private struct Line {
        let message: String
        let metadata: [String: String]
    }

    private let lines = Mutex<[Line]>([])
    var metadata: Logger.Metadata {
        get { [:] }
        set {}
    }
    var logLevel: Logger.Level {
        get { .trace }
        set {}
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { nil }
        set {}
    }

    func log(event: LogEvent) {
        let line = Line(message: "\(event.message)", metadata: (event.metadata ?? [:]).mapValues { "\($0)" })
        lines.withLock { $0.append(line) }
    }

    /// The metadata of the lines whose message is wanted, once there are so many.
    func wait(for count: Int, _ isWanted: (String) -> Bool) async throws -> [[String: String]] {
        for _ in 0..<3_000 {
            let found = lines.withLock { $0 }.filter { isWanted($0.message) }.map(\.metadata)
            if found.count >= count { return found }
            try await Task.sleep(for: .milliseconds(10))
        }
        throw PlatformError(.unavailable, "there are no \(count) such lines")
    }
}
