import Atomics
import Foundation
import NIOConcurrencyHelpers
import SlipwayCore
import SlipwayInference
import SlipwayTesting
import Testing

@testable import SlipwayInferenceServer

@Suite("Scheduling")
struct SchedulingTests {
    @Test("What waits behind a run is one run, and each gets its own rows", .timeLimit(.minutes(2)))
    func gathers() async throws {
        let fixture = try SchedulerFixture(ScriptedSession(isHeld: true)) {
            $0.rowsMax = 8
            $0.gathering = BatchingPolicy.Gathering()
        }
        let first = fixture.ask([1])
        try await fixture.waitForRuns(1)
        let others = (2...5).map { fixture.ask([Float($0), Float($0) + 0.5]) }
        fixture.session.release(2)
        #expect(try await first.value == [2])
        for (index, pending) in others.enumerated() {
            let value = Float(index + 2)
            #expect(try await pending.value == [value * 2, value * 2 + 1])
        }
        #expect(fixture.session.runs.withLockedValue { $0.map(\.count) } == [1, 8])
        let statistics = VersionStatistics(fixture.version)
        #expect(statistics.executionCount == 2)
        #expect(statistics.inferenceCount == 9)
        #expect(statistics.success.count == 5)
        #expect(statistics.batches.map(\.rows) == [1, 8])
        #expect(fixture.version.inFlight.load(ordering: .relaxed) == 0)
        await fixture.server.stop()
    }

    @Test("A batch that fails is repeated one by one: a bad request spoils only its own answer", .timeLimit(.minutes(2)))
    func badRequest() async throws {
        let fixture = try SchedulerFixture(ScriptedSession(isHeld: true, refused: [3])) {
            $0.rowsMax = 8
            $0.gathering = BatchingPolicy.Gathering()
        }
        let first = fixture.ask([1])
        try await fixture.waitForRuns(1)
        let others = (2...4).map { fixture.ask([Float($0)]) }
        fixture.session.release(10)
        #expect(try await first.value == [2])
        #expect(try await others[0].value == [4])
        await #expect(throws: PlatformError.self) { try await others[1].value }
        #expect(try await others[2].value == [8])
        #expect(fixture.session.runs.withLockedValue { $0 } == [[1], [2, 3, 4], [2], [3], [4]])
        #expect(fixture.version.counters.modelFailures.load(ordering: .relaxed) == 1)
        #expect(fixture.version.scheduler.counters.brokenBatches.load(ordering: .relaxed) == 1)
        await fixture.server.stop()
    }

    @Test("A model that does not keep rows apart is found out, and not gathered again", .timeLimit(.minutes(2)))
    func lostRows() async throws {
        let fixture = try SchedulerFixture(ScriptedSession(isHeld: true, keepsRows: false)) {
            $0.rowsMax = 8
            $0.gathering = BatchingPolicy.Gathering()
        }
        let first = fixture.ask([1])
        try await fixture.waitForRuns(1)
        let others = (2...4).map { fixture.ask([Float($0)]) }
        fixture.session.release(5)
        _ = try await first.value
        for (index, pending) in others.enumerated() { #expect(try await pending.value == [Float(index + 2) * 2]) }
        let next = fixture.ask([7])
        try await fixture.waitForRuns(6)
        let after = [fixture.ask([8]), fixture.ask([9])]
        fixture.session.release(10)
        _ = try await next.value
        for pending in after { _ = try await pending.value }
        #expect(fixture.session.runs.withLockedValue { $0 } == [[1], [2, 3, 4], [2], [3], [4], [7], [8], [9]])
        await fixture.server.stop()
    }

    @Test("A full line refuses, an expired request is refused while the model runs, and one whose client is gone is dropped", .timeLimit(.minutes(2)))
    func limits() async throws {
        let fixture = try SchedulerFixture(ScriptedSession(isHeld: true)) {
            $0.rowsMax = 4
            $0.queueMax = 2
            $0.gathering = BatchingPolicy.Gathering()
            $0.allowsTimeoutOverride = true
        }
        let running = fixture.ask([1])
        try await fixture.waitForRuns(1)
        let cancellation = Cancellation()
        let gone = fixture.ask([2]) { $0.cancellation = cancellation }
        let hasty = fixture.ask([3]) { $0.timeoutMicroseconds = 3_000_000 }
        let refused = await #expect(throws: PlatformError.self) { try await fixture.ask([4]).value }
        #expect(refused?.code == .unavailable)
        #expect(refused?.message.hasPrefix("Exceeds maximum queue size") == true)
        // Still nothing was released: only a timer can answer it.
        let expired = await #expect(throws: PlatformError.self) { try await hasty.value }
        #expect(expired?.code == .unavailable)
        cancellation.cancel()
        fixture.session.release(5)
        #expect(try await running.value == [2])
        await #expect(throws: PlatformError.self) { try await gone.value }
        #expect(fixture.session.runs.withLockedValue { $0 } == [[1]])
        let counters = fixture.version.scheduler.counters
        #expect(counters.refused.load(ordering: .relaxed) == 1)
        #expect(counters.expired.load(ordering: .relaxed) == 1)
        #expect(counters.cancelled.load(ordering: .relaxed) == 1)
        #expect(fixture.version.inFlight.load(ordering: .relaxed) == 0)
        await fixture.server.stop()
    }

    @Test("A small model runs on the caller's thread; a large one, and one that waits for a process, does not", .timeLimit(.minutes(2)))
    func inline() async throws {
        let small = try SchedulerFixture(ScriptedSession(), rowNanoseconds: 1000)
        #expect(small.ask([1]).count == 1, "the answer is there when the call returns")
        let gathering = try SchedulerFixture(ScriptedSession(), rowNanoseconds: 1000) {
            $0.rowsMax = 8
            $0.gathering = BatchingPolicy.Gathering()
            $0.gathering?.delayMicroseconds = 100_000
        }
        #expect(gathering.ask([1]).count == 1, "alone, gathering costs nothing")
        for session in [ScriptedSession(isHeld: true), ScriptedSession(isComputeOnly: false, isHeld: true)] {
            let fixture = try SchedulerFixture(session, rowNanoseconds: session.isComputeOnly ? SchedulerFixture.slow : 1000)
            let pending = fixture.ask([1])
            #expect(pending.count == 0)
            session.release(1)
            #expect(try await pending.value == [2])
            await fixture.server.stop()
        }
        await small.server.stop()
        await gathering.server.stop()
    }

    @Test("Without a delay, what is cheaper than a hand-over is not handed over, nor what is no cheaper together")
    func worth() async throws {
        let inputs = [ScriptedSession.tensor([1])]
        let habitual = try SchedulerFixture(ScriptedSession(), rowNanoseconds: 60_000) {
            $0.rowsMax = 8
            $0.gathering = BatchingPolicy.Gathering()
        }
        #expect(!habitual.version.gathers(inputs, cost: 10_000))
        #expect(habitual.version.gathers(inputs, cost: 60_000))
        habitual.version.cost.saw(nanoseconds: 480_000, elements: 8)
        #expect(!habitual.version.gathers(inputs, cost: 60_000))
        let patient = try SchedulerFixture(ScriptedSession(), rowNanoseconds: 1000) {
            $0.rowsMax = 8
            $0.gathering = BatchingPolicy.Gathering()
            $0.gathering?.delayMicroseconds = 100
        }
        #expect(patient.version.gathers(inputs, cost: 1000))
        let plain = try SchedulerFixture(ScriptedSession()) { $0.rowsMax = 8 }
        #expect(!plain.version.gathers(inputs, cost: 60_000))
        for fixture in [habitual, patient, plain] { await fixture.server.stop() }
    }

    @Test("With others about, a lone request waits for company and no longer than the delay", .timeLimit(.minutes(2)))
    func delay() async throws {
        let fixture = try SchedulerFixture(ScriptedSession(isHeld: true)) {
            $0.rowsMax = 64
            $0.gathering = BatchingPolicy.Gathering()
            $0.gathering?.delayMicroseconds = 1_000_000
        }
        let first = fixture.ask([1])
        try await fixture.waitForRuns(1)
        let second = fixture.ask([2])
        fixture.session.release(1)
        #expect(try await first.value == [2])
        let third = fixture.ask([3])
        // For one run of both, or one each when the delay was over before the third came.
        fixture.session.release(2)
        #expect(try await second.value == [4])
        #expect(try await third.value == [6])
        #expect(fixture.session.runs.withLockedValue { $0.count } <= 3)
        await fixture.server.stop()
    }

    @Test("More rows than a run may have are refused in Triton's words")
    func tooManyRows() async throws {
        let fixture = try SchedulerFixture(ScriptedSession()) { $0.rowsMax = 2 }
        let error = await #expect(throws: PlatformError.self) { try await fixture.ask([1, 2, 3]).value }
        #expect(error?.message == "inference request batch-size must be <= 2 for 'm'")
        await fixture.server.stop()
    }

    @Test("Every request of many clients is answered once and with its own answer", .timeLimit(.minutes(2)))
    func storm() async throws {
        let fixture = try SchedulerFixture(ScriptedSession(), rowNanoseconds: 1000) {
            $0.rowsMax = 16
            $0.instances = 2
            $0.gathering = BatchingPolicy.Gathering()
            $0.gathering?.delayMicroseconds = 200
        }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for client in 0..<16 {
                group.addTask {
                    for round in 0..<100 {
                        let value = Float(client * 1000 + round)
                        let pending = fixture.ask([value])
                        let answer = try await pending.value
                        #expect(answer == [value * 2])
                        #expect(pending.count == 1)
                    }
                }
            }
            try await group.waitForAll()
        }
        let statistics = VersionStatistics(fixture.version)
        #expect(statistics.inferenceCount == 1600)
        #expect(fixture.session.runs.withLockedValue { $0.reduce(0) { $0 + $1.count } } == 1600)
        #expect(fixture.version.inFlight.load(ordering: .relaxed) == 0)
        await fixture.server.stop()
    }
}

@Suite("Tensor batch")
struct TensorBatchTests {
    @Test("Joined and split again, each has its own rows; strings and several dimensions too")
    func roundTrip() throws {
        let requests = [[strings(["a", "b"]), matrix([1, 2, 3, 4])], [strings(["c"]), matrix([5, 6])]]
        #expect(TensorBatch.matches(requests[0], requests[1]))
        let joined = TensorBatch.joined(requests)
        #expect(joined.map(\.shape) == [[3], [3, 2]])
        let parts = try #require(TensorBatch.split(joined, rows: [2, 1]))
        #expect(parts.map { $0.map(\.shape) } == [[[2], [2, 2]], [[1], [1, 2]]])
        #expect(parts.map { ScriptedSession.floats($0[1]) } == [[1, 2, 3, 4], [5, 6]])
        guard case .strings(let items) = parts[1][0].storage else { throw PlatformError(.unexpected, "no strings") }
        #expect(items == [Array("c".utf8)])
    }

    @Test("The parts of a run's output are its own memory")
    func windows() throws {
        let output = matrix([1, 2, 3, 4])
        let parts = try #require(TensorBatch.split([output], rows: [1, 1]))
        guard case .fixed(let whole) = output.storage, case .fixed(let part) = parts[1][0].storage else { throw PlatformError(.unexpected, "no bytes") }
        #expect(part.pointer == whole.pointer + 8)
    }

    @Test("Tensors of other shapes, types or names are not joined; an output without rows is not split")
    func refusals() {
        let narrow = Tensor(name: "m", type: .fp32, shape: [1, 3], storage: .fixed(TensorBytes(count: 12)))
        #expect(!TensorBatch.matches([matrix([1, 2])], [narrow]))
        #expect(!TensorBatch.matches([matrix([1, 2])], [strings(["a"])]))
        #expect(!TensorBatch.matches([matrix([1, 2])], []))
        #expect(TensorBatch.split([matrix([1, 2])], rows: [1, 1]) == nil)
    }

    private func strings(_ items: [String]) -> Tensor {
        Tensor(name: "s", type: .bytes, shape: [items.count], storage: .strings(items.map { Array($0.utf8) }))
    }

    private func matrix(_ values: [Float]) -> Tensor {
        Tensor(name: "m", type: .fp32, shape: [values.count / 2, 2], storage: ScriptedSession.tensor(values).storage)
    }
}

@Suite("Run cost")
struct RunCostTests {
    @Test("Large batches do not vouch for small ones of a model that is slow to begin with")
    func fixedCost() {
        let cost = RunCost(elements: 30, nanoseconds: 2_000_000)
        for _ in 0..<100 { cost.saw(nanoseconds: 2_100_000, elements: 30 * 64) }
        #expect(cost.nanoseconds(elements: 30) >= 2_000_000)
    }

    @Test("What was not seen is in proportion to what was, and never above a larger run")
    func estimates() {
        let cost = RunCost(elements: 32, nanoseconds: 1000)
        #expect(cost.nanoseconds(elements: 32) == 1000)
        #expect(cost.nanoseconds(elements: 64) == 2000)
        #expect(cost.nanoseconds(elements: 320) == 16_000)
        #expect(cost.nanoseconds(elements: 1) == 1000)
        #expect(cost.nanoseconds(elements: .max) > ServingLimits.eventLoopNanosecondsMax)
        cost.saw(nanoseconds: 1500, elements: 4096)
        #expect(cost.nanoseconds(elements: 1024) == 1500)
    }

    @Test("Whether it pays to run several together is seen from larger runs")
    func together() {
        let network = RunCost(elements: 32, nanoseconds: 100_000)
        #expect(network.isCheaperTogether(elements: 32), "nothing was seen")
        network.saw(nanoseconds: 200_000, elements: 256)
        #expect(network.isCheaperTogether(elements: 32))
        let trees = RunCost(elements: 32, nanoseconds: 100_000)
        trees.saw(nanoseconds: 790_000, elements: 256)
        #expect(!trees.isCheaperTogether(elements: 32))
    }

    @Test("A model that has become slow leaves the event loop within a few requests, and comes back")
    func follows() {
        let cost = RunCost(elements: 1, nanoseconds: 10_000)
        var requests = 0
        while cost.nanoseconds(elements: 1) <= ServingLimits.eventLoopNanosecondsMax, requests < 100 {
            cost.saw(nanoseconds: 4_000_000, elements: 1)
            requests += 1
        }
        #expect(requests <= 4)
        for _ in 0..<60 { cost.saw(nanoseconds: 10_000, elements: 1) }
        #expect(cost.nanoseconds(elements: 1) <= ServingLimits.eventLoopNanosecondsMax)
    }
}
