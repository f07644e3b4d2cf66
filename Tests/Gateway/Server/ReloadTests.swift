import HTTPTypes
import SlipwayCore
import SlipwayHTTP
import SlipwayRelease
import Synchronization
import Testing

@testable import SlipwayGateway

@Suite("Reload")
struct ReloadTests {
    @Test("A release that Git and the model server agree on is taken up; the same again keeps its generation")
    func idempotent() async throws {
        let fixture = try await GatewayFixture.tumor()
        let (release, commit) = try fixture.releases.commit("tumor", ["A": (1, 90), "B": (2, 10)])
        let generation = try await fixture.gateway.reload(release, commit: commit)
        #expect(generation == 2)
        #expect(try await fixture.gateway.reload(release, commit: commit) == 2)
        #expect(await fixture.gateway.routes() == [ServingRoute(release: release, commit: commit, generation: 2)])
    }

    @Test("A commit with the same release changes the commit that is shown, and nothing else")
    func sameReleaseLaterCommit() async throws {
        let fixture = try await GatewayFixture.tumor()
        let (release, commit) = try fixture.releases.commit("tumor", ["A": (1, 100)])
        try await fixture.gateway.refresh()
        #expect(await fixture.gateway.routes() == [ServingRoute(release: release, commit: commit, generation: 1)])
    }

    @Test("Where Git says otherwise, the reload is refused and routes stay")
    func gitDisagrees() async throws {
        let fixture = try await GatewayFixture.tumor()
        let before = await fixture.gateway.routes()
        let asked = try makeRelease("tumor", ["A": (1, 90), "B": (2, 10)])
        let error = await #expect(throws: PlatformError.self) {
            try await fixture.gateway.reload(asked, commit: before[0].commit)
        }
        #expect(error?.code == .failedPrecondition)
        #expect(error?.message.contains("A: 1 at 100 instead of A: 1 at 90, B: 2 at 10") == true)
        #expect(await fixture.gateway.routes() == before)
    }

    @Test("Where a variant is not ready at the model server, even with weight 0, the reload is refused")
    func serverDisagrees() async throws {
        let fixture = try await GatewayFixture.tumor()
        let before = await fixture.gateway.routes()
        let (release, commit) = try fixture.releases.commit("tumor", ["A": (1, 100), "B": (9, 0)])
        let error = await #expect(throws: PlatformError.self) {
            try await fixture.gateway.reload(release, commit: commit)
        }
        #expect(error?.code == .failedPrecondition)
        #expect(error?.message == "version 9 of model 'tumor' is not ready at the model server")
        #expect(await fixture.gateway.routes() == before)
        #expect(try await fixture.post("/predict").status == .ok)
    }

    @Test("Where the model server does not answer, the reload says so and routes stay")
    func serverSilent() async throws {
        let fixture = try await GatewayFixture.tumor()
        let (release, commit) = try fixture.releases.commit("tumor", ["A": (2, 100)])
        fixture.models.state.withLock { $0.isAnswering = false }
        let error = await #expect(throws: PlatformError.self) {
            try await fixture.gateway.reload(release, commit: commit)
        }
        #expect(error?.code == .unavailable)
        #expect(try await fixture.post("/predict").header("x-slipway-version") == "1")
    }

    @Test("While Git cannot be reached, serving goes on")
    func gitSilent() async throws {
        let fixture = try await GatewayFixture.tumor()
        fixture.releases.fail(PlatformError(.unavailable, "the release repository cannot be reached"))
        let error = await #expect(throws: PlatformError.self) { try await fixture.gateway.refresh() }
        #expect(error?.code == .unavailable)
        #expect(try await fixture.post("/predict").status == .ok)
    }

    @Test("A refresh takes up what is ready, leaves the rest as it was, and says why")
    func refresh() async throws {
        let fixture = try await GatewayFixture.tumor()
        let (price, tumor) = (try ModelName("price"), try ModelName("tumor"))
        try fixture.models.load("price", 7)
        try fixture.releases.commit("price", ["A": (7, 100)])
        try fixture.releases.commit("tumor", ["A": (9, 100)])
        let behind = try await fixture.gateway.refresh()
        #expect(behind.keys.sorted() == [tumor])
        #expect(behind[tumor]?.code == .failedPrecondition)
        #expect(await fixture.gateway.routes().map(\.release.model) == [price, tumor])
        #expect(try await fixture.post("/models/tumor/predict").header("x-slipway-version") == "1")
    }

    @Test("A model that Git no longer names goes with the next refresh")
    func removal() async throws {
        let fixture = try await GatewayFixture.tumor()
        try fixture.models.load("price", 7)
        try await fixture.serve("price", ["A": (7, 100)])
        try fixture.releases.remove("tumor")
        try await fixture.gateway.refresh()
        #expect(await fixture.gateway.routes().map(\.release.model.text) == ["price"])
        #expect(try await fixture.post("/models/tumor/predict").status == .notFound)
        #expect(try await fixture.post("/predict").header("x-slipway-model") == "price")
    }

    @Test("Reloads that come all at once are carried out one by one and end at what Git says")
    func concurrent() async throws {
        let fixture = try await GatewayFixture.tumor()
        try fixture.releases.commit("tumor", ["A": (1, 50), "B": (2, 50)])
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<40 { group.addTask { try await fixture.gateway.refresh() } }
            try await group.waitForAll()
        }
        #expect(await fixture.gateway.routes().map(\.generation) == [2])
    }

    @Test("More changes than may wait are refused, not queued without end")
    func queueLimit() async throws {
        let fixture = try await GatewayFixture.tumor()
        let refused = await withTaskGroup(of: Bool.self) { group in
            for _ in 0..<GatewayLimits.changesWaitingMax * 4 {
                group.addTask {
                    do {
                        try await fixture.gateway.refresh()
                        return false
                    } catch {
                        return (error as? PlatformError)?.code == .exhausted
                    }
                }
            }
            return await group.reduce(0) { $0 + ($1 ? 1 : 0) }
        }
        #expect(refused < GatewayLimits.changesWaitingMax * 4)
        // Whoever was refused did no harm: the next one gets in.
        try await fixture.gateway.refresh()
    }

    @Test("Ready: routes, and every version of them ready at the model server; never with an empty set")
    func readiness() async throws {
        let empty = GatewayFixture()
        #expect(await empty.gateway.readinessReport().reason == "no model has routes")

        let fixture = try await GatewayFixture.tumor()
        try await fixture.serve("tumor", ["A": (1, 100), "B": (2, 0)])
        #expect(await fixture.gateway.readinessReport().isReady)
        try fixture.models.unload("tumor", 2)
        #expect(await fixture.gateway.readinessReport().reason == "version 2 of model 'tumor' is not ready at the model server")
        try fixture.models.load("tumor", 2)
        #expect(await fixture.gateway.readinessReport().isReady)
        fixture.models.state.withLock { $0.isAnswering = false }
        #expect(await fixture.gateway.readinessReport().reason == "the model server did not answer")
        fixture.models.state.withLock { $0.isAnswering = true }
        await fixture.gateway.beginDraining()
        let report = await fixture.gateway.readinessReport()
        #expect(report.isDraining)
        #expect(!report.isReady)
        #expect(try await fixture.post("/predict").status == .ok, "a draining gateway goes on answering")
    }
}
