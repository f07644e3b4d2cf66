import Foundation
import SlipwayCore
import SlipwayPipeline
import SlipwayRelease
import SlipwayTesting
import SlipwayTracking
import Synchronization
import Testing

@testable import SlipwayPipelineRunner

@Suite("Recovery after a crash", .timeLimit(.minutes(5)))
struct CrashTests {
    @Test(
        "Killed at any save, before or after it is on disk, a second run converges and says so",
        arguments: [false, true]
    )
    func secondRunConverges(isDurable: Bool) async throws {
        let saves = try await crashAtEverySave(isDurable: isDurable, prepare: { _ in }) {
            world,
            run,
            crashedAt in
            #expect(run.state == .succeeded, "save \(crashedAt): \(run.summary)")
            #expect(world.served?.champion.version.number == 2, "save \(crashedAt)")
            #expect(run.conditions == Set(SuccessCondition.allCases), "save \(crashedAt)")
        }
        #expect(saves > 30)
    }

    @Test(
        "Killed at any save of a run that must be rolled back, it is rolled back",
        arguments: [false, true]
    )
    func failingRunConverges(isDurable: Bool) async throws {
        let prepare: @Sendable (SimulatedWorld) -> Void = { world in
            world.traffic.state.withLock { $0.errorsOfNewest = 5 }
        }
        _ = try await crashAtEverySave(isDurable: isDurable, prepare: prepare) { world, run, crashedAt in
            #expect(run.state == .rolledBack, "save \(crashedAt): \(run.summary)")
            #expect(world.served?.champion.version.number == 1, "save \(crashedAt)")
            #expect(world.served?.variants.count == 1, "save \(crashedAt)")
        }
    }

    @Test("Killed at any save of a run that is refused, nothing is in Git")
    func refusedRunConverges() async throws {
        _ = try await crashAtEverySave(isDurable: true, parameters: ["model": "bad"], prepare: { _ in }) {
            world,
            run,
            crashedAt in
            #expect(run.state == .refused, "save \(crashedAt): \(run.summary)")
            #expect(world.repository.messages.count == 1, "save \(crashedAt)")
        }
    }

    @Test("A run in traffic that is there at a second crash is rolled back: it may be the cause")
    func secondCrashRollsBack() async throws {
        try await withWorld { world in
            _ = try await world.withChampion()
            for restart in 0..<2 {
                let engine = try world.engine()
                if restart == 1 { _ = try await engine.recover() }
                // Dies when observing has begun: the commit is out by then.
                try await runUntilCrash(world, engine, isSubmitted: restart == 0) {
                    $0.step(.observe, "10")?.state == .running
                }
            }
            let engine = try world.engine()
            let taken = try await engine.recover()
            let run = try await world.running(engine) { try await SimulatedWorld.end(of: taken[0], engine) }
            #expect(run.state == .rolledBack && run.summary.contains("stopped 2 times"), "\(run.summary)")
            #expect(world.served?.champion.version.number == 1)
        }
    }

    /// Repeats a second run, killed at its first save, its second, … until one is not killed any more.
    private func crashAtEverySave(
        isDurable: Bool,
        parameters: [String: String] = [:],
        prepare: @escaping @Sendable (SimulatedWorld) -> Void,
        check: (SimulatedWorld, RunRecord, Int) throws -> Void
    ) async throws -> Int {
        var save = 1
        var isKilled = true
        while isKilled, save < 200 {
            let (number, isDone) = (save, Holder())
            try await withWorld { world in
                _ = try await world.withChampion()
                prepare(world)
                world.store.state.withLock { $0.crash = ($0.saves + number, isDurable) }
                let engine = try world.engine()
                let killed = try await world.running(engine) {
                    try await withThrowingTaskGroup(of: Bool.self) { group in
                        group.addTask {
                            for await _ in world.store.crashes { return true }
                            return true
                        }
                        group.addTask {
                            do {
                                let id = try await engine.submit(
                                    project: world.folder.path,
                                    parameters: parameters
                                )
                                _ = try await SimulatedWorld.end(of: id, engine)
                                return false
                            } catch is MemoryRunStore.Crash {
                                return true
                            }
                        }
                        defer { group.cancelAll() }
                        return try await group.next() ?? true
                    }
                }
                isDone.value = !killed
                world.store.state.withLock { $0.crash = nil }
                world.forgetMemory()
                try await converge(world, number, check)
            }
            isKilled = !isDone.value
            save += 1
        }
        #expect(save < 200)
        return save
    }

    private func converge(
        _ world: SimulatedWorld,
        _ save: Int,
        _ check: (SimulatedWorld, RunRecord, Int) throws -> Void
    ) async throws {
        let engine = try world.engine()
        for id in try await engine.recover() {
            _ = try await world.running(engine) { try await SimulatedWorld.end(of: id, engine) }
        }
        #expect(try await engine.recover().isEmpty, "save \(save)")
        #expect(try await engine.held().isEmpty, "save \(save)")
        let runs = try await world.store.runs(limit: 10)
        // Not even accepted when it was killed at its first save.
        guard runs.count == 2, let run = runs.first else { return #expect(save == 1) }
        try check(world, run, save)
        for text in world.repository.texts(of: SimulatedWorld.release).compactMap(\.self) {
            _ = try ReleaseFile.parse(text, path: SimulatedWorld.release)
        }
        // One version a run, and nothing told twice.
        let made = world.registry.state.withLock {
            $0.versions.filter { $0.tags[VersionTag.run] == run.id.text }
        }
        #expect(made.count <= 1, "save \(save)")
        let sent = world.notifier.state.withLock { $0.sent }
        #expect(Set(sent).count == sent.count && sent.count == 2, "save \(save): \(sent)")
        #expect(run.steps.allSatisfy { $0.state != .running }, "save \(save)")
    }

    private func runUntilCrash(
        _ world: SimulatedWorld,
        _ engine: PipelineEngine,
        isSubmitted: Bool,
        when isTime: @escaping @Sendable (RunRecord) -> Bool
    ) async throws {
        try await world.running(engine) {
            if isSubmitted { _ = try await engine.submit(project: world.folder.path, parameters: [:]) }
            let unfinished = try await world.store.unfinished()
            let id = try #require(unfinished.first).id
            for await event in try await engine.events(of: id) {
                guard case .run(let record) = event, isTime(record) else { continue }
                return world.store.state.withLock { $0.crash = ($0.saves, false) }
            }
        }
        world.store.state.withLock { $0.crash = nil }
        world.forgetMemory()
    }
}

/// Carries one value out of a closure.
private final class Holder {
    var value = false
}
