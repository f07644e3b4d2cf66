import Hummingbird
import Logging
import SlipwayCore
import SlipwayGateway
import SlipwayHTTP
import SlipwayInference
import SlipwayRelease
import SlipwayTesting
import Synchronization
import Testing

@testable import SlipwayClients

/// The client against the gateway itself, so that both sides of the wire agree.
@Suite("Gateway client", .timeLimit(.minutes(3)))
struct HTTPGatewayControlTests {
    @Test("A reload takes up what Git says and answers the generation; routes and weights come back as they are")
    func reload() async throws {
        try await withGateway { control, source in
            #expect(try await control.routes() == [])
            let first = try release(["A": (1, 10_000)], lastGood: 1)
            source.set(first, commit: 1)
            let one = try await control.reload(first, commit: try commit(1))
            let second = try release(["A": (1, 8_750), "B": (2, 1_250)], lastGood: 1)
            source.set(second, commit: 2)
            let two = try await control.reload(second, commit: try commit(2))
            #expect(two > one)
            #expect(try await control.routes() == [ServingRoute(release: second, commit: try commit(2), generation: two)])
            #expect(try await control.inFlight(model: try ModelName("tumor"), version: try ModelVersion(1)) == 0)
            #expect(try await control.inFlight(model: try ModelName("none"), version: try ModelVersion(1)) == 0)
        }
    }

    @Test("A reload to something else than Git says is failed_precondition, and routes stay")
    func otherwise() async throws {
        try await withGateway { control, source in
            let serving = try release(["A": (1, 10_000)], lastGood: 1)
            source.set(serving, commit: 1)
            _ = try await control.reload(serving, commit: try commit(1))
            for other in [try release(["A": (2, 10_000)], lastGood: 1), try release(["A": (1, 9_000), "B": (2, 1_000)], lastGood: nil)] {
                let error = await #expect(throws: PlatformError.self) { try await control.reload(other, commit: try commit(9)) }
                #expect(error?.code == .failedPrecondition)
            }
            #expect(try await control.routes().map(\.release) == [serving])
        }
    }

    @Test("A version that is not ready at the model server is not taken up")
    func notReady() async throws {
        try await withGateway { control, source in
            let release = try release(["A": (7, 10_000)], lastGood: nil)
            source.set(release, commit: 1)
            let error = await #expect(throws: PlatformError.self) { try await control.reload(release, commit: try commit(1)) }
            #expect(error?.code == .failedPrecondition)
            #expect(try await control.routes() == [])
        }
    }

    @Test("The wrong token is refused")
    func token() async throws {
        try await withGateway(token: "wrong") { control, source in
            let release = try release(["A": (1, 10_000)], lastGood: nil)
            source.set(release, commit: 1)
            let error = await #expect(throws: PlatformError.self) { try await control.reload(release, commit: try commit(1)) }
            #expect(error?.code == .unauthenticated)
            #expect(error?.message.contains("token") == true)
        }
    }

    @Test("An observer adds up all replicas, and fails when one does not answer")
    func observer() async throws {
        @Sendable func answer(_ count: Int) throws -> Response {
            var counters = VariantCounters(requests: count, errors: 1, nonFinite: 0, predictions: ["1": count])
            counters.latencyCounts[3] = count
            return Response(json: ["model": "tumor", "versions": ["2": try JSONValue(encoding: counters)]])
        }
        let one = FakePeer { _ in try answer(5) }
        let two = FakePeer { _ in try answer(7) }
        try await withServer(one.router) { first in
            try await withServer(two.router) { second in
                try await withConnections { connections in
                    let replicas = [first, second].map { HTTPGatewayControl(url: $0, token: "t", connections: connections) }
                    let sums = try await HTTPVariantObserver(replicas).counters(of: try ModelName("tumor"))
                    let sum = try #require(sums[try ModelVersion(2)])
                    #expect(sum.requests == 12 && sum.errors == 2 && sum.predictions == ["1": 12] && sum.latencyCounts[3] == 12)
                    let gone = HTTPGatewayControl(url: "http://127.0.0.1:\(closedPort)", token: "t", connections: connections)
                    let error = await #expect(throws: PlatformError.self) {
                        try await HTTPVariantObserver(replicas + [gone]).counters(of: try ModelName("tumor"))
                    }
                    #expect(error?.code == .unavailable)
                }
            }
        }
    }

    private func withGateway(
        token: String = "secret",
        _ body: (HTTPGatewayControl, Releases) async throws -> Void
    ) async throws {
        let source = Releases()
        let models = Models()
        let gateway = GatewayService(
            backend: .embedded(models), source: source, readiness: models, token: "secret", logger: silent
        )
        let server = gateway.server(host: "127.0.0.1", port: 0)
        try await withConnections { connections in
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { try await server.run() }
                defer { group.cancelAll() }
                let url = "http://127.0.0.1:\(try await server.boundPort())"
                try await body(HTTPGatewayControl(url: url, token: token, connections: connections), source)
            }
        }
    }
}

private func release(_ variants: KeyValuePairs<String, (Int, Int)>, lastGood: Int?) throws -> Release {
    try Release(
        model: try ModelName("tumor"),
        variants: try variants.map {
            Release.Variant(alias: try Alias($0.key), version: try ModelVersion($0.value.0), weight: try Weight(hundredths: $0.value.1))
        },
        lastGood: try lastGood.map { try ModelVersion($0) }
    )
}

private func commit(_ number: Int) throws -> CommitID { try CommitID(String(repeating: "\(number)", count: 40)) }

/// What Git says.
private final class Releases: ReleaseSource {
    private let state = Mutex(AcceptedReleases())

    func accepted() async throws -> AcceptedReleases { state.withLock { $0 } }

    func set(_ release: Release, commit number: Int) {
        guard let commit = try? commit(number) else { return }
        state.withLock { $0.entries[release.model] = .init(release: release, commit: commit) }
    }
}

/// Versions 1 and 2 of `tumor`, ready, that nobody infers with here.
private struct Models: InferenceDataPlane, VersionReadiness {
    func infer(_ request: InferenceRequest, completion: @escaping @Sendable (Result<InferenceResponse, PlatformError>) -> Void) {
        completion(.failure(PlatformError(.unavailable, "nothing computes here")))
    }

    func signature(model: String, version: ModelVersion?) throws(PlatformError) -> ModelSignature {
        ModelSignature(
            inputs: [TensorSpec(name: "X", type: .fp32, shape: [-1, 3])],
            outputs: [TensorSpec(name: "label", type: .int64, shape: [-1])]
        )
    }

    func readyVersions() async throws -> [ModelName: Set<ModelVersion>] {
        [try ModelName("tumor"): [try ModelVersion(1), try ModelVersion(2)]]
    }
}
