import HTTPTypes
import Logging
import NIOCore
import NIOPosix
import SlipwayCore
import SlipwayFeatures
import SlipwayHTTP
import SlipwayInference
import SlipwayRelease
import Synchronization
import Testing

@testable import SlipwayGateway

@Suite("Features in front of a model")
struct FeaturesTests {
    @Test("Features are joined behind each row's own columns, in the release's order, in one round trip")
    func joins() async throws {
        let fixture = try await FeaturesFixture()
        fixture.store.set(["b": [2, 20], "a": [1, 10]])
        let response = try await fixture.post(#"{"entities":{"id":[7,"x"]},"instances":[[0.5],[5]]}"#)
        #expect(response.status == .ok)
        #expect(fixture.rows == [0.5, 1, 2, 5, 10, 20])
        #expect(response.header("x-slipway-features") == "fresh")
        #expect(response.header("x-slipway-features-stale") == nil && response.header("x-slipway-features-missing") == nil)
        #expect(response.header("x-slipway-version") == "1")
        #expect(fixture.store.calls == 1)
        #expect(fixture.store.lastTimeout == .milliseconds(80))
    }

    @Test("A store that stops answering leaves the last known values, and the headers say so")
    func lastKnown() async throws {
        let fixture = try await FeaturesFixture(policy: .warn)
        let body = #"{"entities":{"id":[7]},"instances":[[0]]}"#
        fixture.store.set(["a": [1], "b": [nil]])
        let first = try await fixture.post(body)
        #expect(first.header("x-slipway-features") == "missing")
        #expect(first.header("x-slipway-features-missing") == "b")
        #expect(fixture.rows == [0, 1, -2])
        fixture.store.fail(PlatformError(.unavailable, "the feature store did not answer within 80 ms"))
        let second = try await fixture.post(body)
        #expect(second.status == .ok)
        #expect(fixture.rows == [0, 1, -2])
        #expect(second.header("x-slipway-features-stale") == "a")
        #expect(second.header("x-slipway-features-missing") == "b")
        #expect(second.header("warning") == #"199 slipway "features are missing: b, a""#)
    }

    @Test("Metrics say how often features were fresh, stale, missing or not to be had, by model")
    func metrics() async throws {
        let fixture = try await FeaturesFixture(policy: .warn)
        let body = #"{"entities":{"id":[7]},"instances":[[0]]}"#
        fixture.store.set(["a": [1], "b": [nil]])
        _ = try await fixture.post(body)
        fixture.store.set(["a": [1], "b": [2]])
        _ = try await fixture.post(body)
        fixture.store.fail(PlatformError(.unavailable, "the feature store did not answer within 80 ms"))
        _ = try await fixture.post(body)
        let page = await fixture.gateway.metricsPage().text
        for (outcome, count) in [("fresh", 1), ("stale", 1), ("missing", 1), ("refused", 0), ("unavailable", 0)] {
            #expect(page.contains("slipway_gateway_feature_joins_total{model=\"tumor\",outcome=\"\(outcome)\"} \(count)\n"), "\(outcome)")
        }
    }

    @Test("'reject' refuses a request whose features are not fresh, and no model is asked")
    func rejects() async throws {
        let fixture = try await FeaturesFixture(policy: .reject)
        fixture.store.set(["a": [1], "b": [nil]])
        let response = try await fixture.post(#"{"entities":{"id":[7]},"instances":[[0]]}"#)
        #expect(response.status == .conflict)
        #expect(response.errorMessage == "feature 'b' of id=7 is missing")
        fixture.store.fail(PlatformError(.unavailable, "the feature store did not answer within 80 ms"))
        let late = try await fixture.post(#"{"entities":{"id":[8]},"instances":[[0]]}"#)
        #expect(late.status == .serviceUnavailable)
        #expect(late.errorMessage == "feature 'a' of id=8 is missing, as the feature store did not answer within 80 ms")
        #expect(fixture.rows.isEmpty)
    }

    @Test("While Optional is detached such a model is refused with the reason, also after values were known; others never notice")
    func detached() async throws {
        let fixture = try await FeaturesFixture(others: ["plain"])
        fixture.store.set(["a": [1], "b": [2]])
        #expect(try await fixture.post(#"{"entities":{"id":[7]},"instances":[[0]]}"#).status == .ok)
        fixture.store.fail(PlatformError(.failedPrecondition, "Optional is detached in 'dev'", remedy: "slipway optional on --env dev"))
        let refused = try await fixture.post(#"{"entities":{"id":[7]},"instances":[[0]]}"#)
        #expect(refused.status == .serviceUnavailable)
        #expect(refused.errorMessage == "model 'tumor' takes features of service 's': Optional is detached in 'dev'")
        #expect(String(buffer: refused.body).contains("slipway optional on --env dev"))
        let calls = fixture.store.calls
        let plain = try await fixture.post(#"{"instances":[[1,2,3]]}"#, model: "plain")
        #expect(plain.status == .ok)
        #expect(plain.header("x-slipway-features") == nil)
        #expect(fixture.store.calls == calls)
    }

    @Test("Whole tensors need no store")
    func tensors() async throws {
        let fixture = try await FeaturesFixture()
        let response = try await fixture.post(#"{"inputs":[{"name":"X","shape":[1,3],"datatype":"FP32","data":[1,2,3]}]}"#)
        #expect(response.status == .ok)
        #expect(fixture.store.calls == 0)
    }

    @Test("A request that does not say whom it is about is refused before the store is asked", arguments: [
        #"{"instances":[[1,2,3]]}"#, #"{"entities":{},"instances":[[1]]}"#, #"{"entities":{"id":[]}}"#, #"{"entities":{"id":7}}"#,
        #"{"entities":{"user":[7]}}"#, #"{"entities":{"id":[7],"user":[7]}}"#, #"{"entities":{"id":[7.5]}}"#, #"{"entities":{"id":[null]}}"#,
        #"{"entities":{"id":[7,8]},"instances":[[1]]}"#, #"{"entities":{"id":[7]},"instances":[["x"]]}"#, #"{"entities":{"id":[7]},"instances":7}"#,
    ])
    func refuses(body: String) async throws {
        let fixture = try await FeaturesFixture()
        let response = try await fixture.post(body)
        #expect(response.status == .badRequest)
        #expect(response.errorMessage?.isEmpty == false)
        #expect(fixture.store.calls == 0 && fixture.rows.isEmpty)
    }

    @Test("A release that drops its features is plain again; one that gains them joins from the next request on")
    func follows() async throws {
        let fixture = try await FeaturesFixture()
        fixture.store.set(["a": [1], "b": [2]])
        try await fixture.serve("tumor", features: nil)
        #expect(try await fixture.post(#"{"instances":[[1,2,3]]}"#).status == .ok)
        #expect(fixture.store.calls == 0)
        try await fixture.serve("tumor", features: FeaturesFixture.features(.default))
        #expect(try await fixture.post(#"{"entities":{"id":[7]},"instances":[[0]]}"#).status == .ok)
        #expect(fixture.store.calls == 1)
    }
}

/// A gateway whose model takes one column of the request and two of the store.
struct FeaturesFixture {
    let store = ScriptedFeatures()
    private let models = RecordingModels()
    let gateway: GatewayService
    private let git = ScriptedReleases()

    init(policy: Release.Features.Policy = .default, others: [String] = []) async throws {
        gateway = GatewayService(
            backend: .embedded(models), source: git, readiness: models.base, token: "secret", features: store,
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        )
        for other in others { try await serve(other, features: nil) }
        try await serve("tumor", features: Self.features(policy))
    }

    static func features(_ policy: Release.Features.Policy) -> Release.Features {
        Release.Features(service: "s", entities: ["id"], columns: ["a", "b"], policy: policy, defaults: ["a": -1, "b": -2], timeoutMilliseconds: 80)
    }

    func serve(_ model: String, features: Release.Features?) async throws {
        try models.base.load(model, 1)
        var release = try makeRelease(model, ["A": (1, 100)])
        release.features = features
        let commit = try git.commit(release)
        _ = try await gateway.reload(release, commit: commit)
    }

    /// The numbers that reached the model last.
    var rows: [Float] { models.last.withLock { $0 } }

    func post(_ body: String, model: String = "tumor") async throws -> FastResponse {
        models.last.withLock { $0 = [] }
        let path = "/models/\(model)/predict"
        let head = HTTPRequest(method: .post, scheme: "http", authority: "test", path: path, headerFields: [:])
        let routes = gateway.fastRoutes
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        return try await loop.flatSubmit {
            switch routes.answer(FastRequest(head: head, path: path, body: ByteBuffer(string: body)), on: loop) {
            case .now(let response): loop.makeSucceededFuture(response)
            case .later(let future): future
            }
        }.get()
    }
}

/// A store that answers what a test says.
final class ScriptedFeatures: FeatureSource {
    private struct State {
        var columns: [String: [Double?]] = [:]
        var failure: PlatformError?
        var calls = 0
        var timeout: Duration?
    }

    private let state = Mutex(State())

    func set(_ columns: [String: [Double?]]) { state.withLock { $0.columns = columns } }
    func fail(_ error: PlatformError) { state.withLock { $0.failure = error } }
    var calls: Int { state.withLock { $0.calls } }
    var lastTimeout: Duration? { state.withLock { $0.timeout } }

    func answer(_ settings: FeatureSettings, for entities: [EntityKey], timeout: Duration) async throws -> FeatureAnswer {
        let (columns, failure) = state.withLock { state in
            state.calls += 1
            state.timeout = timeout
            return (state.columns, state.failure)
        }
        if let failure { throw failure }
        return FeatureAnswer(columns: columns.mapValues { $0.map { $0.map { FeatureValue($0, time: nil) } } })
    }
}

/// Releases of which each is a commit.
private final class ScriptedReleases: ReleaseSource {
    private let state = Mutex(AcceptedReleases())

    func accepted() async throws -> AcceptedReleases { state.withLock { $0 } }

    func commit(_ release: Release) throws -> CommitID {
        let id = try CommitID(Digest(of: ReleaseFile.text(release).utf8).hex.prefix(40).description)
        state.withLock { $0.entries[release.model] = .init(release: release, commit: id) }
        return id
    }
}

/// Models in memory that remember what they were asked.
private final class RecordingModels: InferenceDataPlane {
    let base = SimulatedModels()
    let last = Mutex<[Float]>([])

    func infer(_ request: InferenceRequest, completion: @escaping @Sendable (Result<InferenceResponse, PlatformError>) -> Void) {
        if let input = request.inputs.first, case .fixed(let bytes) = input.storage {
            let numbers = (0..<input.elementCount).map { bytes.bytes.loadUnaligned(fromByteOffset: $0 * 4, as: Float.self) }
            last.withLock { $0 = numbers }
        }
        base.infer(request, completion: completion)
    }

    func signature(model: String, version: ModelVersion?) throws(PlatformError) -> ModelSignature {
        try base.signature(model: model, version: version)
    }
}
