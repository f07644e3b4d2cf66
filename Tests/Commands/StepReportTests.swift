import ArgumentParser
import SlipwayCore
import SlipwayPipeline
import Testing

@testable import SlipwayCommands

@Suite("What an orchestrator reads of a step")
struct StepReportTests {
    private static let pipeline = """
        apiVersion: slipway.dev/v1
        kind: Pipeline
        metadata: { name: tumor }
        spec:
          steps:
            train: { command: [train], timeout: 5m, retries: 1 }
          rollout:
            weights: [10, 100]
            observe: { window: 1s, minRequests: 50, timeout: 20s }
        """

    @Test("The list has every step of the road in order, drift after the train that writes its data")
    func list() throws {
        let list = StepList(try PipelineSpec(yaml: Self.pipeline))
        #expect(
            list.steps.map(\.task) == [
                "train", "drift_gate", "evaluate", "register", "ready", "load", "smoke", "attach", "shift-10", "observe-10",
                "shift-100", "observe-100", "shift-promote", "notify",
            ]
        )
        #expect(list.steps[0].limit == .seconds(2 * 300 + 600))
        #expect(list.json["steps"]?.arrayValue?.first?["limitSeconds"]?.intValue == 1200)
    }

    @Test("A refused step is not fine, one that passed is; a drift gate may wait")
    func fine() throws {
        var run = try record()
        #expect(StepReport(run, .driftGate, nil).isFine)
        #expect(!StepReport(run, .train, nil).isFine)
        run.steps[0].state = .passed
        #expect(StepReport(run, .train, nil).isFine)
        run.steps[0].state = .refused
        run.steps[0].details = ["fail: auc"]
        let report = StepReport(run, .train, nil)
        #expect(!report.isFine)
        #expect(report.json["details"]?.arrayValue == [.string("fail: auc")])
        #expect(report.json["state"] == .string("refused"))
    }

    @Test("A rollback is fine when the run has ended by it, not when Git still names the candidate")
    func rollback() throws {
        var run = try record()
        run.state = .refused
        #expect(StepReport(run, .rollback, nil).isFine)
        run.steps.append(StepRecord(name: .rollback))
        run.steps[2].state = .failed
        #expect(!StepReport(run, .rollback, nil).isFine)
    }

    @Test("An id of Airflow's that is none of ours becomes one, always the same")
    func ids() throws {
        let manual = "manual__2026-11-23T15:23:02.923197+00:00"
        #expect(try StepCommand.runID("a20260101-120000-ab12cd").text == "a20260101-120000-ab12cd")
        #expect(try StepCommand.runID(manual) == StepCommand.runID(manual))
        #expect(try StepCommand.runID(manual) != StepCommand.runID(manual + "1"))
    }

    @Test("Options win over variables, and those over the file")
    func addresses() throws {
        let options = try EngineOptions.parse(["--tracking", "http://a"])
        let given = options.engines(["SLIPWAY_TRACKING": "http://b", "SLIPWAY_GATEWAYS": "http://c, http://d"])
        #expect(given.tracking == "http://a")
        #expect(given.gateways == ["http://c", "http://d"])
        #expect(throws: PlatformError.self) { try given.requireReplicas(EnvironmentName("dev")) }
    }

    private func record() throws -> RunRecord {
        RunRecord(
            id: try RunID("r1"),
            model: try ModelName("tumor"),
            project: "/project",
            projectCommit: nil,
            parameters: [:],
            created: Timestamp(milliseconds: 0),
            steps: [StepRecord(name: .train), StepRecord(name: .driftGate)]
        )
    }
}
