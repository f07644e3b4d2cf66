import Foundation
import SlipwayCore
import SlipwayPipeline
import SlipwayRelease
import SlipwayTesting
import SlipwayTracking
import Synchronization
import Testing

@testable import SlipwayPipelineRunner

@Suite("Pipeline engine", .timeLimit(.minutes(2)))
struct PipelineEngineTests {
    @Test("A first release takes all traffic in one commit; the six conditions hold, each with its proof")
    func firstRelease() async throws {
        try await withWorld { world in
            let run = try await world.withChampion()
            #expect(run.state == .succeeded, "\(run.summary)")
            #expect(run.conditions == Set(SuccessCondition.allCases))
            #expect(world.repository.messages.count == 1)
            #expect(
                try world.served?.champion
                    == .init(alias: Alias("A"), version: ModelVersion(1), weight: .whole)
            )
            #expect(world.served?.lastGood?.number == 1)
            #expect(
                world.proofs.kinds == [
                    "registered", "ready", "loaded", "smoke-passed", "gateway-reloaded", "notified",
                ]
            )
            #expect(run.proofs.count == 6)
            #expect(run.step(.observe, "10")?.state == .skipped)
            #expect(world.notifier.state.withLock { $0.sent } == ["run-1/promoted"])
        }
    }

    @Test(
        "A better candidate is attached at 0, shifted by commits and promoted; the champion becomes last good"
    )
    func promotion() async throws {
        try await withWorld { world in
            _ = try await world.withChampion()
            let engine = try world.engine()
            let held = Mutex<Set<Int>>([])
            world.traffic.state.withLock { state in
                state.onPoll = { _ in
                    let now = try? await engine.held()[ModelName("tumor")]
                    held.withLock { $0.formUnion((now ?? []).map(\.number)) }
                }
            }
            let run = try await world.running(engine) {
                try await SimulatedWorld.end(
                    of: try await engine.submit(project: world.folder.path, parameters: [:]),
                    engine
                )
            }
            #expect(run.state == .succeeded, "\(run.summary)")
            #expect(held.withLock { $0 } == [2])
            let weights = try world.repository.texts(of: SimulatedWorld.release).compactMap { text in
                try text.map {
                    try ReleaseFile.parse($0, path: SimulatedWorld.release).variants.map {
                        "\($0.alias)\($0.version)=\($0.weight)"
                    }
                }
            }
            #expect(
                weights.dropFirst() == [
                    ["A1=100", "B2=0"], ["A1=90", "B2=10"], ["A1=0", "B2=100"], ["A2=100"],
                ]
            )
            #expect(world.served?.lastGood?.number == 1)
            #expect(run.champion?.number == 1 && run.candidate?.number == 2)
            #expect(
                run.step(.evaluate)?.details.contains { $0.contains("auc 1 against the champion's 1") }
                    == true
            )
            #expect(world.proofs.kinds.suffix(2) == ["promoted", "notified"])
            #expect(world.repository.messages.last?.contains("Slipway-Run: run-2") == true)
        }
    }

    @Test("A worse candidate is refused with the numbers; Git, traffic and the registry stay as they were")
    func gateRefuses() async throws {
        try await withWorld { world in
            _ = try await world.withChampion()
            let before = world.repository.messages
            for kind in ["bad", "weak"] {
                let run = try await world.finishedRun(["model": kind])
                #expect(run.state == .refused)
                #expect(run.summary.contains(kind == "bad" ? "accuracy 0" : "auc 0."), "\(run.summary)")
                #expect(run.step(.evaluate)?.verdict == .fail)
                #expect(run.step(.register)?.state == .waiting)
                #expect(run.candidate == nil)
            }
            #expect(world.repository.messages == before)
            #expect(world.registry.versionNumbers == [1])
            #expect(try await world.engine().held().isEmpty)
            #expect(world.notifier.state.withLock { $0.sent }.contains("run-2/refused"))
        }
    }

    @Test("An engine counts the runs under way by state, and those that ended by how and how long")
    func tally() async throws {
        try await withWorld { world in
            let engine = try world.engine()
            let (before, after) = try await world.running(engine) {
                let first = try await engine.submit(project: world.folder.path, parameters: ["model": "good"])
                let before = engine.tally
                _ = try await SimulatedWorld.end(of: first, engine)
                let weak = try await engine.submit(project: world.folder.path, parameters: ["model": "weak"])
                _ = try await SimulatedWorld.end(of: weak, engine)
                return (before, engine.tally)
            }
            #expect(before.open.values.reduce(0, +) == 1 && before.ended.isEmpty)
            #expect(after.open.isEmpty)
            #expect(after.ended == [.succeeded: 1, .refused: 1])
            #expect(after.durationCounts.reduce(0, +) == 2)
        }
    }

    @Test("Nothing seen is never a pass: a blind window holds until its timeout, then the candidate goes back")
    func blindWindow() async throws {
        try await withWorld { world in
            _ = try await world.withChampion()
            world.traffic.state.withLock { $0.blindness = "no gateway was scraped for 90 s" }
            let run = try await world.finishedRun(["model": "good"])
            #expect(run.state == .rolledBack, "\(run.summary)")
            let step = try #require(run.step(.observe, "10"))
            #expect(step.verdict == .inconclusive)
            #expect(step.details.contains("inconclusive: no gateway was scraped for 90 s"), "\(step.details)")
        }
    }

    @Test("A window that is known for a part only is judged when it is known whole")
    func laggingWindow() async throws {
        try await withWorld { world in
            _ = try await world.withChampion()
            world.traffic.state.withLock { $0.covered = .milliseconds(900) }
            let run = try await world.finishedRun(["model": "good"])
            #expect(run.state == .rolledBack)
            let details = run.step(.observe, "10")?.details ?? []
            #expect(details.contains("inconclusive: only 900 ms of 1000 ms could be seen"), "\(details)")
            world.traffic.state.withLock { $0.covered = .seconds(1) }
            #expect(try await world.finishedRun(["model": "good"]).state == .succeeded)
        }
    }

    @Test("Drift against the champion's stored profile refuses, and says that it was checked after train")
    func drift() async throws {
        try await withWorld { world in
            try world.write(
                "pipeline.yaml",
                SimulatedWorld.pipeline(gates: "    drift: { maxStatistic: 0.35 }")
            )
            let first = try await world.withChampion()
            #expect(first.step(.driftGate)?.state == .skipped)
            #expect(try await world.finishedRun(["model": "good"]).state == .succeeded)
            let run = try await world.finishedRun(["model": "good", "shift": "0.6"])
            #expect(run.state == .refused)
            #expect(run.summary.contains("column 'X' KS 0.6"), "\(run.summary)")
            #expect(run.step(.driftGate)?.details.last?.contains("after train") == true)
        }
    }

    @Test("A candidate that errs in service is rolled back by a commit that restores the release to the byte")
    func observeRollsBack() async throws {
        for fault in ["errors", "slow", "silent"] {
            try await withWorld { world in
                _ = try await world.withChampion()
                let before = world.repository.files[SimulatedWorld.release]
                world.traffic.state.withLock { state in
                    switch fault {
                    case "errors": state.errorsOfNewest = 5
                    case "slow": state.microsecondsOfNewest = 200_000
                    default: state.requests = 0
                    }
                }
                let run = try await world.finishedRun(["model": "good"])
                #expect(run.state == .rolledBack, "\(run.summary)")
                #expect(world.repository.files[SimulatedWorld.release] == before)
                #expect(run.summary.contains("version 1 serves again"))
                #expect(run.step(.rollback)?.state == .passed)
                #expect(run.step(.observe, "10")?.verdict == (fault == "silent" ? .inconclusive : .fail))
                #expect(run.step(.shift, "100")?.state == .waiting)
                #expect(world.proofs.kinds.last == "rolled-back")
                #expect(world.repository.messages.last?.hasPrefix("Roll tumor back from version 2") == true)
                #expect(try await world.engine().held().isEmpty)
            }
        }
    }

    @Test(
        "A candidate that answers wrongly, or has no golden inputs, never gets traffic",
        arguments: ["twisted", "blind"]
    )
    func smokeRefuses(kind: String) async throws {
        try await withWorld { world in
            let run = try await world.finishedRun(["model": kind])
            #expect(run.state == .refused)
            #expect(run.step(.smoke)?.verdict == (kind == "twisted" ? .fail : .inconclusive))
            #expect(world.repository.messages.isEmpty)
        }
    }

    @Test(
        "A training that fails, hangs, crashes or writes no model fails the run with its reason",
        arguments: [
            (CommandResult.exited(3), "good", "exited with 3"),
            (.timedOut, "good", "was still running after"),
            (.signalled(9), "good", "signal 9"), (.exited(0), "none", "wrote no model"),
            (.exited(0), "broken", "no ONNX model"),
        ]
    )
    func trainFails(result: CommandResult, kind: String, message: String) async throws {
        try await withWorld { world in
            world.commands.result.withLock { $0 = result }
            let run = try await world.finishedRun(["model": kind])
            #expect(run.state == .failed)
            #expect(run.summary.contains(message), "\(run.summary)")
            #expect(world.repository.messages.isEmpty && world.registry.versionNumbers.isEmpty)
        }
    }

    @Test("A failing step is tried again as often as it says, each time with a fresh MLflow run")
    func retries() async throws {
        try await withWorld { world in
            try world.write(
                "pipeline.yaml",
                SimulatedWorld.pipeline().replacing("retries: 0", with: "retries: 2")
            )
            world.commands.result.withLock { $0 = .exited(1) }
            let run = try await world.finishedRun()
            #expect(run.step(.train)?.attempt == 3)
            let runs = world.commands.seen.withLock { $0.map { $0.environment["MLFLOW_RUN_ID"] } }
            #expect(Set(runs).count == 3)
        }
    }

    @Test(
        "A command gets the environment of the brief and nothing else of the platform's; its lines reach the log"
    )
    func environment() async throws {
        try await withWorld { world in
            let run = try await world.finishedRun(["model": "good", "learning_rate": "0.1"])
            let command = try #require(world.commands.seen.withLock { $0.first })
            let environment = command.environment
            #expect(environment["PATH"] == "/venv/bin:/bin")
            #expect(environment["SECRET"] == nil)
            #expect(environment["MLFLOW_TRACKING_URI"] == "http://127.0.0.1:5000")
            #expect(environment["SLIPWAY_RUN_ID"] == run.id.text && environment["SLIPWAY_ENV"] == "dev")
            #expect(environment["SLIPWAY_PARAM_LEARNING_RATE"] == "0.1")
            #expect(command.directory == world.folder.path)
            let log = try String(
                contentsOf: world.folder.appending(path: "runs/\(run.id)/logs/train.log"),
                encoding: .utf8
            )
            #expect(log == "hello from train\n")
        }
    }

    @Test("An artifact that changes after it was registered is noticed before anything loads it")
    func corruptArtifact() async throws {
        try await withWorld { world in
            world.store.state.withLock { $0.saves = 0 }
            let engine = try world.engine()
            world.servers[0].failure.withLock { $0 = PlatformError(.unavailable, "no answer") }
            let run = try await world.running(engine) {
                try await SimulatedWorld.end(
                    of: try await engine.submit(project: world.folder.path, parameters: [:]),
                    engine
                )
            }
            #expect(run.state == .failed && run.step(.load)?.state == .failed)
            var again = run
            again.state = .running
            again.steps = run.steps.map { StepRecord(name: $0.name, part: $0.part) }
            for name in [StepName.driftGate, .train, .evaluate, .register] {
                if let index = again.index(name, nil) { again.steps[index].state = .passed }
            }
            try await world.store.save(again)
            world.registry.corrupt("model.onnx")
            let second = try world.engine()
            let taken = try await second.recover()
            let end = try await world.running(second) { try await SimulatedWorld.end(of: taken[0], second) }
            #expect(end.state == .failed)
            #expect(end.summary.contains("has digest"), "\(end.summary)")
        }
    }

    @Test(
        "While the notification is out, the version stays in service and the run is pending; then it succeeds, told once"
    )
    func notificationOutage() async throws {
        try await withWorld { world in
            world.notifier.state.withLock { $0.outages = 4 }
            let run = try await world.withChampion()
            #expect(run.state == .succeeded && run.conditions.contains(.notified))
            let states = world.store.state.withLock { $0.history.map(\.state) }
            #expect(states.contains(.pendingNotify))
            #expect(world.notifier.state.withLock { $0.sent } == ["run-1/promoted"])
            #expect(world.repository.messages.count == 1)
        }
    }

    @Test("After the limit of the policy: kept and failed, or rolled back", arguments: ["keep", "rollback"])
    func notificationLimit(policy: String) async throws {
        try await withWorld { world in
            try world.write(
                "pipeline.yaml",
                SimulatedWorld.pipeline("  notify: { limit: 60s, atLimit: \(policy) }")
            )
            world.notifier.state.withLock { $0.outages = 1_000 }
            let run = try await world.finishedRun()
            #expect(run.state == (policy == "keep" ? .failed : .rolledBack), "\(run.summary)")
            #expect(run.summary.contains("notification was not out"))
            #expect((world.served == nil) == (policy == "rollback"))
        }
    }

    @Test("A notification that can never go out is not waited for; the version stays in service")
    func notificationRefused() async throws {
        try await withWorld { world in
            world.notifier.state.withLock { $0.isRefused = true }
            let run = try await world.finishedRun()
            #expect(run.state == .failed && run.summary.contains("channel_is_archived"), "\(run.summary)")
            #expect(world.clock.now.offset < .seconds(60))
            #expect(world.served?.champion.version.number == 1)
        }
    }

    @Test("Where the policy does not require it, a notification on its way does not keep a run")
    func notificationNotRequired() async throws {
        try await withWorld { world in
            try world.write("pipeline.yaml", SimulatedWorld.pipeline("  notify: { required: false }"))
            world.notifier.state.withLock { $0.outages = 1_000 }
            let run = try await world.finishedRun()
            #expect(run.state == .succeeded && !run.conditions.contains(.notified), "\(run.summary)")
            #expect(run.step(.notify)?.state == .skipped)
        }
    }

    @Test("Cancelled before attach nothing has changed; cancelled in traffic it is rolled back")
    func cancel() async throws {
        try await withWorld { world in
            _ = try await world.withChampion()
            let before = world.repository.files
            world.commands.block.withLock { $0 = true }
            let engine = try world.engine()
            let run = try await world.running(engine) {
                let id = try await engine.submit(project: world.folder.path, parameters: [:])
                for await event in try await engine.events(of: id) {
                    if case .output = event { try await engine.cancel(id) }
                }
                return try await engine.run(id)
            }
            #expect(run.state == .cancelled && run.step(.train)?.state == .cancelled)
            #expect(world.repository.files == before)

            world.commands.block.withLock { $0 = false }
            let second = try world.engine()
            let inTraffic = try await world.running(second) {
                let id = try await second.submit(project: world.folder.path, parameters: [:])
                world.traffic.state.withLock { $0.onPoll = { _ in try? await second.cancel(id) } }
                return try await SimulatedWorld.end(of: id, second)
            }
            #expect(inTraffic.state == .rolledBack, "\(inTraffic.summary)")
            #expect(world.repository.files == before)
            await #expect(throws: PlatformError.self) { try await second.cancel(inTraffic.id) }
        }
    }

    @Test("Commits of others to other files are no conflict; the run's commits land on top of them")
    func concurrentCommits() async throws {
        try await withWorld { world in
            _ = try await world.withChampion()
            world.repository.state.withLock {
                $0.intrusion = { attempt in attempt.isMultiple(of: 2) ? ["README": "\(attempt)"] : nil }
            }
            let run = try await world.finishedRun()
            #expect(run.state == .succeeded, "\(run.summary)")
            #expect(world.repository.files["README"] != nil)
            #expect(world.served?.champion.version.number == 2)
        }
    }

    @Test("When somebody changes the release in the middle, theirs stays and the run stops")
    func superseded() async throws {
        try await withWorld { world in
            _ = try await world.withChampion()
            let before = try #require(world.repository.files[SimulatedWorld.release])
            world.traffic.state.withLock { state in
                state.onPoll = { poll in
                    if poll == 3 {
                        try? world.repository.add([SimulatedWorld.release: before], message: "by hand")
                    }
                }
            }
            let run = try await world.finishedRun()
            #expect(run.state == .rolledBack, "\(run.summary)")
            #expect(run.summary.contains("theirs stays"))
            #expect(world.repository.messages.last == "by hand")
        }
    }

    @Test(
        "A champion that changes while a run is on its way is not compared with, so the run does not attach"
    )
    func championChanged() async throws {
        try await withWorld { world in
            _ = try await world.withChampion()
            let other = try Release(
                model: ModelName("tumor"),
                variants: [.init(alias: Alias("A"), version: ModelVersion(7), weight: .whole)],
                lastGood: nil
            )
            world.servers[0].failure.withLock { $0 = nil }
            let engine = try world.engine()
            let run = try await world.running(engine) {
                let id = try await engine.submit(project: world.folder.path, parameters: [:])
                for await event in try await engine.events(of: id) {
                    if case .output = event {
                        try world.repository.add(
                            [SimulatedWorld.release: ReleaseFile.text(other)],
                            message: "by hand"
                        )
                    }
                }
                return try await engine.run(id)
            }
            #expect(run.state == .failed, "\(run.summary)")
            #expect(run.summary.contains("version 7 serves 'tumor' now"))
            #expect(world.served == other)
        }
    }

    @Test("A commit that a replica cannot carry out is rolled back")
    func syncFails() async throws {
        try await withWorld { world in
            _ = try await world.withChampion()
            let before = world.repository.files
            world.sync.state.withLock {
                $0.failures = [2: PlatformError(.unavailable, "gateway 'b' did not answer")]
            }
            let run = try await world.finishedRun()
            #expect(
                run.state == .rolledBack && run.summary.contains("gateway 'b' did not answer"),
                "\(run.summary)"
            )
            #expect(world.repository.files == before)
        }
    }

    @Test("Runs of one model follow one another; a late watcher gets the run as it stands first")
    func oneAtATime() async throws {
        try await withWorld { world in
            let engine = try world.engine()
            let ends = try await world.running(engine) {
                var ids: [RunID] = []
                for _ in 0..<3 {
                    ids.append(try await engine.submit(project: world.folder.path, parameters: [:]))
                }
                var ends: [RunRecord] = []
                for id in ids { ends.append(try await SimulatedWorld.end(of: id, engine)) }
                return ends
            }
            #expect(ends.map(\.state) == [.succeeded, .succeeded, .succeeded])
            #expect(ends.map { $0.champion?.number } == [nil, 1, 2])
            let history = world.store.state.withLock { $0.history }
            var open: Set<RunID> = []
            for record in history {
                if record.state == .running { open.insert(record.id) } else { open.remove(record.id) }
                #expect(open.count <= 1)
            }
            var late: [RunEvent] = []
            for await event in try await engine.events(of: ends[0].id) { late.append(event) }
            #expect(late == [.run(ends[0])])
        }
    }

    @Test("A bad project, a bad parameter or a full queue is refused at once")
    func submitRefuses() async throws {
        try await withWorld { world in
            let engine = try world.engine()
            for (project, parameters) in [
                ("relative", [:]), ("/no/such", [:]), (world.folder.path, ["a b": "x"]),
            ] {
                await #expect(throws: PlatformError.self) {
                    try await engine.submit(project: project, parameters: parameters)
                }
            }
            for _ in 0..<100 { _ = try await engine.submit(project: world.folder.path, parameters: [:]) }
            let full = await #expect(throws: PlatformError.self) {
                try await engine.submit(project: world.folder.path, parameters: [:])
            }
            #expect(full?.code == .exhausted)
            let first = try RunID("run-1")
            try await engine.cancel(first)
            #expect(try await engine.run(first).state == .cancelled)
            try world.write("pipeline.yaml", "spec: 1")
            await #expect(throws: PlatformError.self) {
                try await engine.submit(project: world.folder.path, parameters: [:])
            }
        }
    }

    @Test("A pipeline that ends after train needs neither Git nor a model")
    func until() async throws {
        try await withWorld { world in
            world.repository.state.withLock { $0.isUnreachable = true }
            try world.write(
                "pipeline.yaml",
                """
                apiVersion: slipway.dev/v1
                kind: Pipeline
                metadata: { name: noop }
                spec:
                  until: train
                  steps:
                    one: { command: [a], needs: [] }
                    train: { command: [b] }
                """
            )
            let run = try await world.finishedRun()
            #expect(run.state == .succeeded, "\(run.summary)")
            #expect(run.steps.map(\.title) == ["command one", "drift_gate", "train"])
        }
    }

    @Test("A promotion brings the same digests into the other registry and takes the same road")
    func promoteBetweenEnvironments() async throws {
        try await withWorld { world in
            try await withScratchFolder { folder in
                let dev = try SimulatedWorld(folder: folder)
                let trained = try await dev.withChampion()
                // The other world's files are those of its own 'dev'; here they are another environment's.
                try dev.repository.add(
                    ["envs/test/models/tumor.yaml": dev.repository.files[SimulatedWorld.release]],
                    message: ""
                )
                let test = try EnvironmentName("test")
                world.origins.withLock {
                    $0[test] = PromotionOrigin(registry: dev.registry, repository: dev.repository)
                }
                let engine = try world.engine()
                let run = try await world.running(engine) {
                    try await SimulatedWorld.end(
                        of: try await engine.promote(model: ModelName("tumor"), from: test),
                        engine
                    )
                }
                #expect(run.state == .succeeded, "\(run.summary)")
                #expect(run.digests == trained.digests && !run.digests.isEmpty)
                #expect(
                    run.step(.train) == nil && run.step(.evaluate)?.state == .passed
                        && run.step(.smoke)?.verdict == .pass
                )
                let version = try await world.registry.version(ModelVersion(1), of: ModelName("tumor"))
                #expect(version.tags[VersionTag.promotedFrom] == "test/tumor/1")
                #expect(
                    world.repository.messages.last?.contains("Slipway-Promoted-From: test/tumor/1") == true
                )
                dev.registry.corrupt("model.onnx")
                let second = try world.engine()
                let damaged = try await world.running(second) {
                    try await SimulatedWorld.end(
                        of: try await second.promote(model: ModelName("tumor"), from: test),
                        second
                    )
                }
                #expect(
                    damaged.state == .failed && damaged.summary.contains("has digest"),
                    "\(damaged.summary)"
                )
                await #expect(throws: PlatformError.self) {
                    try await engine.promote(model: ModelName("tumor"), from: EnvironmentName("no"))
                }
                await #expect(throws: PlatformError.self) {
                    try await engine.promote(model: ModelName("other"), from: test)
                }
            }
        }
    }
}

func withWorld(_ body: (SimulatedWorld) async throws -> Void) async throws {
    try await withScratchFolder { folder in try await body(try SimulatedWorld(folder: folder)) }
}
