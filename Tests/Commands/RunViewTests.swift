import ArgumentParser
import SlipwayCore
import SlipwayPipeline
import SlipwayTesting
import Testing

@testable import SlipwayCommands

@Suite("What people read of a run")
struct RunViewTests {
    @Test("Each step is one line when it ends, with its details; the end says why")
    func refused() throws {
        var view = RunView(ink: Ink(isOn: false))
        var run = try record()
        var lines = view.lines(for: .run(run))
        run.state = .running
        run.steps[0].state = .running
        lines += view.lines(for: .run(run))
        lines += view.lines(for: .output(step: .train, line: "epoch 1"))
        lines += view.lines(for: .progress(step: .train, text: "half way"))
        #expect(view.underWay == "train: half way")
        run.steps[0].state = .passed
        run.steps[0].started = Timestamp(milliseconds: 0)
        run.steps[0].finished = Timestamp(milliseconds: 5234)
        lines += view.lines(for: .run(run))
        run.steps[1].state = .refused
        run.steps[1].started = Timestamp(milliseconds: 5234)
        run.steps[1].finished = Timestamp(milliseconds: 5300)
        run.steps[1].details = ["fail: auc 0.91 against the champion's 0.99"]
        run.state = .refused
        run.summary = "evaluate: auc 0.91 against the champion's 0.99"
        lines += view.lines(for: .run(run))
        try expectSnapshot(lines.joined(separator: "\n") + "\n", named: "refused.txt")
    }

    @Test("An event that changes nothing prints nothing")
    func quiet() throws {
        var view = RunView(ink: Ink(isOn: false))
        let run = try record()
        _ = view.lines(for: .run(run))
        #expect(view.lines(for: .run(run)).isEmpty)
    }

    private func record() throws -> RunRecord {
        RunRecord(
            id: try RunID("r1"),
            model: try ModelName("tumor"),
            project: "/p",
            projectCommit: nil,
            parameters: [:],
            created: Timestamp(milliseconds: 0),
            steps: [StepRecord(name: .train), StepRecord(name: .evaluate)]
        )
    }
}

@Suite("Command line")
struct CommandLineTests {
    @Test("Every error code has an exit code of its own, and none is 0")
    func exitCodes() {
        let codes = PlatformError.Code.allCases.map(\.exitCode.rawValue)
        #expect(Set(codes).count == codes.count)
        #expect(!codes.contains(0))
        #expect(PlatformError.Code.unexpected.exitCode.rawValue == 1)
        #expect(PlatformError.Code.corrupt.exitCode.rawValue == 8)
    }

    @Test("A report says what, why and what to try, each on a line")
    func report() {
        let cause = PlatformError(.unavailable, "connection refused")
        let error = PlatformError(.unavailable, "tracking server of dev did not answer", remedy: "slipway up --env dev", cause: cause)
        #expect(
            error.report == """
                error[unavailable]: tracking server of dev did not answer
                  because: connection refused
                  try: slipway up --env dev
                """
        )
    }

    @Test("Only loopback may be listened on", arguments: ["0.0.0.0", "10.0.0.1", "example.org", "::"])
    func loopback(host: String) throws {
        #expect(throws: PlatformError.self) { try requireLoopback(host) }
        try requireLoopback("127.0.0.1")
    }

    @Test("dev and prod have ports of their own; another environment must be given all")
    func ports() throws {
        let dev = try PortOptions.parse([]).resolved(for: try EnvironmentName("dev"))
        let prod = try PortOptions.parse([]).resolved(for: try EnvironmentName("prod"))
        #expect([dev.tracking, dev.modelServer, dev.metrics, dev.gateway, dev.console] == [5000, 8000, 8002, 8080, 7070])
        #expect([prod.tracking, prod.modelServer, prod.metrics, prod.gateway, prod.console] == [15000, 18000, 18002, 18080, 17070])
        #expect(throws: PlatformError.self) { try PortOptions.parse([]).resolved(for: try EnvironmentName("stage")) }
    }

    @Test("The help teaches the two commands that matter")
    func help() {
        let text = SlipwayCommand.helpMessage()
        #expect(text.contains("slipway up --env dev"))
        #expect(text.contains("slipway run examples/tumor"))
    }
}
