import Foundation
import SlipwayCore
import SlipwayPipeline
import SlipwayRelease
import SlipwayTesting
import Synchronization
import Testing

@testable import SlipwayPipelineRunner

@Suite("One step a process", .timeLimit(.minutes(2)))
struct StepTests {
    @Test("Every step in an engine of its own ends like the embedded engine's run")
    func wholeRoad() async throws {
        try await withWorld { world in
            _ = try await world.withChampion()
            let id = try RunID("airflow-1")
            let last = try await walk(world, id)
            #expect(last.state == .succeeded, "\(last.summary)")
            #expect(last.conditions == Set(SuccessCondition.allCases))
            #expect(last.steps.allSatisfy { $0.attempt <= 1 })
            #expect(world.served?.champion.version.number == 2)
            #expect(world.served?.lastGood?.number == 1)
            #expect(last.championWindow != nil)
        }
    }

    @Test("A first release skips the steps that shift and observe")
    func firstRelease() async throws {
        try await withWorld { world in
            let last = try await walk(world, try RunID("airflow-1"))
            #expect(last.state == .succeeded, "\(last.summary)")
            #expect(last.step(.shift, "10")?.state == .skipped)
            #expect(world.served?.champion.version.number == 1)
        }
    }

    @Test("A step that has passed is not done again, whoever asks")
    func isIdempotent() async throws {
        try await withWorld { world in
            let id = try RunID("airflow-1")
            for _ in 0..<2 {
                let engine = try world.engine()
                _ = try await engine.adopt(id, project: world.folder.path, parameters: [:])
                let record = try await engine.perform(.train, part: nil, of: id)
                #expect(record.step(.train)?.state == .passed)
            }
            #expect(world.commands.seen.withLock { $0.count } == 1)
        }
    }

    @Test("A step before its turn is refused, and the error names the one to do first")
    func refusesOutOfTurn() async throws {
        try await withWorld { world in
            let engine = try world.engine()
            let id = try await engine.adopt(try RunID("airflow-1"), project: world.folder.path, parameters: [:]).id
            let error = await #expect(throws: PlatformError.self) {
                _ = try await engine.perform(.register, part: nil, of: id)
            }
            #expect(error?.code == .failedPrecondition)
            #expect(error?.remedy == "slipway step train --run airflow-1")
        }
    }

    @Test("A run that is not known needs its project")
    func refusesUnknown() async throws {
        try await withWorld { world in
            let engine = try world.engine()
            let error = await #expect(throws: PlatformError.self) {
                _ = try await engine.adopt(try RunID("airflow-1"), project: nil, parameters: [:])
            }
            #expect(error?.code == .notFound)
        }
    }

    @Test("A gate's refusal stands: the next step is refused, rollback ends the run, Git is untouched")
    func refusedRun() async throws {
        try await withWorld { world in
            let id = try RunID("airflow-1")
            let engine = try world.engine()
            _ = try await engine.adopt(id, project: world.folder.path, parameters: ["model": "bad"])
            _ = try await engine.perform(.train, part: nil, of: id)
            for _ in 0..<2 {
                let refused = try await engine.perform(.evaluate, part: nil, of: id)
                #expect(refused.step(.evaluate)?.state == .refused)
                #expect(refused.step(.evaluate)?.attempt == 1)
            }
            let error = await #expect(throws: PlatformError.self) {
                _ = try await engine.perform(.register, part: nil, of: id)
            }
            #expect(error?.remedy == "slipway step rollback --run airflow-1")
            for _ in 0..<2 {
                let ended = try await engine.perform(.rollback, part: nil, of: id)
                #expect(ended.state == .refused, "\(ended.summary)")
            }
            #expect(world.repository.messages.isEmpty)
        }
    }

    @Test("A candidate that fails in traffic is rolled back by a commit")
    func rollsBack() async throws {
        try await withWorld { world in
            _ = try await world.withChampion()
            world.traffic.state.withLock { $0.errorsOfNewest = 5 }
            let id = try RunID("airflow-1")
            let stopped = try await walk(world, id)
            #expect(stopped.step(.observe, "10")?.state == .refused)
            let ended = try await world.engine().perform(.rollback, part: nil, of: id)
            #expect(ended.state == .rolledBack, "\(ended.summary)")
            #expect(world.served?.champion.version.number == 1)
            #expect(world.served?.variants.count == 1)
        }
    }

    @Test("A run whose orchestrator fell silent in the middle of the traffic is rolled back, and says where")
    func rollsBackSilent() async throws {
        try await withWorld { world in
            _ = try await world.withChampion()
            let id = try RunID("airflow-1")
            let stopped = try await walk(world, id, until: .attach)
            #expect(stopped.step(.attach)?.state == .passed)
            let ended = try await world.engine().perform(.rollback, part: nil, of: id)
            #expect(ended.state == .rolledBack)
            #expect(ended.summary.hasPrefix("shift 10: it did not come to an end"))
        }
    }

    @Test("What did not answer leaves the step to be tried again, and the retry passes")
    func triesAgain() async throws {
        try await withWorld { world in
            let id = try RunID("airflow-1")
            _ = try await walk(world, id, until: .evaluate)
            world.registry.state.withLock { $0.failure = PlatformError(.unavailable, "the tracking server does not answer") }
            let error = await #expect(throws: PlatformError.self) {
                _ = try await world.engine().perform(.register, part: nil, of: id)
            }
            world.registry.state.withLock { $0.failure = nil }
            #expect(error?.code == .unavailable)
            let kept = try await world.store.run(id)
            #expect(kept?.step(.register)?.state == .waiting)
            let again = try await world.engine().perform(.register, part: nil, of: id)
            #expect(again.step(.register)?.state == .passed)
        }
    }

    @Test("A run that has succeeded is not rolled back by its orchestrator")
    func keepsSucceeded() async throws {
        try await withWorld { world in
            let id = try RunID("airflow-1")
            _ = try await walk(world, id)
            let engine = try world.engine()
            let error = await #expect(throws: PlatformError.self) {
                _ = try await engine.perform(.rollback, part: nil, of: id)
            }
            #expect(error?.code == .failedPrecondition)
        }
    }

    /// Does the steps in order, each by an engine that knows nothing of the others, up to one that stops.
    private func walk(_ world: SimulatedWorld, _ id: RunID, until: StepName? = nil) async throws -> RunRecord {
        var record = try await world.engine().adopt(id, project: world.folder.path, parameters: [:])
        for step in record.steps {
            record = try await world.engine().perform(step.name, part: step.part, of: id)
            if step.name == until || record.step(step.name, step.part)?.state.isStopped == true { break }
        }
        return record
    }
}
