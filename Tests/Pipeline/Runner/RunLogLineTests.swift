import Logging
import SlipwayCore
import SlipwayPipeline
import Testing

@testable import SlipwayPipelineRunner

@Suite("What the log says of a run")
struct RunLogLineTests {
    private func record() throws -> RunRecord {
        RunRecord(
            id: try RunID("r1"), model: try ModelName("tumor"), project: "/p", projectCommit: nil, parameters: [:],
            created: Timestamp(milliseconds: 0), steps: [StepRecord(name: .register), StepRecord(name: .smoke)]
        )
    }

    @Test("A step that ends is a line with run, model, version, commit and step; one that runs is none")
    func step() throws {
        let before = try record()
        var running = before
        running.steps[0].state = .running
        #expect(RunLogLine.lines(from: before, to: running).isEmpty)
        var after = running
        after.steps[0].state = .passed
        after.candidate = try ModelVersion(4)
        let commit = String(repeating: "c", count: 40)
        after.releaseCommit = try CommitID(commit)
        let lines = RunLogLine.lines(from: running, to: after)
        #expect(lines == [
            RunLogLine(
                level: .notice, message: "step 'register' passed",
                fields: [.runID: "r1", .modelName: "tumor", .modelVersion: "4", .releaseCommit: commit, .stepName: "register"]
            )
        ])
        #expect(lines[0].metadata["run.id"] == "r1" && lines[0].metadata["model.version"] == "4")
        #expect(RunLogLine.lines(from: after, to: after).isEmpty)
    }

    @Test("What is refused or rolled back is a warning, once")
    func end() throws {
        let before = try record()
        var after = before
        after.steps[1].state = .refused
        after.state = .refused
        after.summary = "smoke: too slow"
        let lines = RunLogLine.lines(from: before, to: after)
        #expect(lines.map(\.level) == [.warning, .warning])
        #expect(lines.map(\.message) == ["step 'smoke' refused", "run refused: smoke: too slow"])
    }
}
