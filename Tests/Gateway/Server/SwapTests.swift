import HTTPTypes
import NIOPosix
import SlipwayCore
import SlipwayHTTP
import SlipwayRelease
import Synchronization
import Testing

@testable import SlipwayGateway

@Suite("Swaps under traffic", .timeLimit(.minutes(2)))
struct SwapTests {
    @Test("A request in flight finishes on the version that it began with, and counts there until then")
    func inFlight() async throws {
        let fixture = try await GatewayFixture.tumor()
        let (tumor, one) = (try ModelName("tumor"), try ModelVersion(1))
        fixture.models.hold()
        async let slow = fixture.post("/predict")
        while await fixture.gateway.inFlight(model: tumor, version: one) == 0 { await Task.yield() }
        try await fixture.serve("tumor", ["A": (2, 100)])
        #expect(await fixture.gateway.inFlight(model: tumor, version: one) == 1)
        #expect(try await fixture.gateway.drain(limit: .zero) == false)
        fixture.models.release()
        let response = try await slow
        #expect(response.status == .ok)
        #expect(response.header("x-slipway-version") == "1")
        #expect(await fixture.gateway.inFlight(model: tumor, version: one) == 0)
        #expect(try await fixture.gateway.drain(limit: .seconds(5)))
        #expect(try await fixture.post("/predict").header("x-slipway-version") == "2")
    }

    /// Each round does what a release does: load, swap, wait for the drain, unload. A request that
    /// reaches an unloaded version, or fails in any other way, is a broken promise.
    @Test("Nothing fails in 1,000 swaps under traffic, with old versions unloaded as soon as they are drained")
    func thousandSwaps() async throws {
        let fixture = try await GatewayFixture.tumor()
        fixture.models.state.withLock { $0.isDeferring = true }
        let tumor = try ModelName("tumor")
        let traffic = Traffic()
        let failed = try await withThrowingTaskGroup(of: Int.self) { group in
            for worker in 0..<6 {
                group.addTask {
                    var failed = 0
                    while !traffic.isDone.load(ordering: .relaxed) {
                        let response = try await fixture.post("/predict", client: worker % 2 == 0 ? "client-\(worker)" : nil)
                        traffic.answered.wrappingAdd(1, ordering: .relaxed)
                        if response.status != .ok { failed += 1 }
                    }
                    return failed
                }
            }
            for number in 2...1001 {
                let old = try ModelVersion(number - 1)
                try fixture.models.load("tumor", number)
                try await fixture.serve("tumor", ["A": (number, 100)])
                while await fixture.gateway.inFlight(model: tumor, version: old) > 0 { await Task.yield() }
                try fixture.models.unload("tumor", number - 1)
            }
            traffic.isDone.store(true, ordering: .relaxed)
            return try await group.reduce(0, +)
        }
        #expect(failed == 0)
        #expect(fixture.models.state.withLock { $0.misrouted } == 0)
        #expect(traffic.answered.load(ordering: .relaxed) > 1000)
        #expect(await fixture.gateway.routes().map(\.generation) == [1001])
        let meters = await fixture.gateway.allMeters.count
        #expect(meters <= GatewayLimits.retiredMetersMax + 1, "counts of versions long gone are let go of")
    }

    @Test("No client goes back while a candidate's weight only grows, on whichever event loop it asks")
    func noWayBack() async throws {
        let fixture = try await GatewayFixture.tumor()
        let traffic = Traffic()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for client in 0..<8 {
                group.addTask {
                    var last = "A"
                    while !traffic.isDone.load(ordering: .relaxed) {
                        let variant = try await fixture.post("/predict", client: "client-\(client)").header("x-slipway-variant") ?? "none"
                        #expect(variant >= last, "client \(client) went from \(last) to \(variant)")
                        last = variant
                    }
                }
            }
            for weight in 1...100 { try await fixture.serve("tumor", ["A": (1, 100 - weight), "B": (2, weight)]) }
            traffic.isDone.store(true, ordering: .relaxed)
            try await group.waitForAll()
        }
        #expect(try await fixture.post("/predict", client: "client-0").header("x-slipway-variant") == "B")
    }

    @Test("One version under two aliases one after the other keeps one count")
    func promotion() async throws {
        let fixture = try await GatewayFixture.tumor()
        try await fixture.serve("tumor", ["A": (1, 0), "B": (2, 100)])
        for _ in 0..<3 { _ = try await fixture.post("/predict") }
        try await fixture.serve("tumor", ["A": (2, 100)])
        for _ in 0..<4 { _ = try await fixture.post("/predict") }
        let counters = try await fixture.gateway.counters(of: ModelName("tumor"))
        #expect(counters[try ModelVersion(2)]?.requests == 7)
        #expect(counters[try ModelVersion(2)]?.predictions == ["2": 7])
    }
}

/// What the tasks that make traffic share with the test.
private final class Traffic: Sendable {
    let isDone = Atomic(false)
    let answered = Atomic(0)
}
