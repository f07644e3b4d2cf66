import Foundation
import SlipwayCore
import SlipwayPipeline

/// What the platform itself costs: a run of steps that do nothing, a start, memory at rest.
struct EngineCost {
    let home: URL

    private static let runs = 15
    private static let models = 10

    func measure() throws {
        try FileManager.default.createDirectory(at: home, withIntermediateDirectories: true)
        let platform = try PlatformUnderTest.start(home: home, log: home.appending(path: "up.log"))
        say("start of an empty platform: ready in \(Int(platform.readySeconds * 1000)) ms")
        try sevenSteps(platform)
        try release(platform)
        try require(try platform.up.stop() == 0, "'slipway up' did not stop cleanly")

        let again = try PlatformUnderTest.start(home: home, log: home.appending(path: "up-again.log"))
        let status = try again.command(["status"])
        try require(status.status == 0, "not everything serves after the restart:\n\(status.output)")
        Thread.sleep(forTimeInterval: 3)
        say("start with \(Self.models) released models: ready, all serving, in \(Int(again.readySeconds * 1000)) ms (promised: under 1000)")
        say("resident memory at rest with \(Self.models) models, \(Int(again.residentMiB)) MiB (promised: under 120)\n")
        try require(try again.up.stop() == 0, "'slipway up' did not stop cleanly")
    }

    private func sevenSteps(_ platform: PlatformUnderTest) throws {
        var milliseconds: [Double] = []
        for _ in 0..<Self.runs {
            let record = try platform.run("Benchmarks/noop", [], isShown: false)
            try require(record.state == .succeeded, "the run that does nothing is \(record.state.rawValue): \(record.summary)")
            guard let finished = record.finished else { throw Difference("a finished run has no end") }
            milliseconds.append(Double(finished.since(record.created).milliseconds))
        }
        say("a run of 7 steps that do nothing, accepted to end, durable: median \(Int(median(milliseconds))) ms, slowest \(Int(milliseconds.max() ?? 0)) ms of \(Self.runs) (promised: under 100)")
    }

    /// Ten models, each through the whole road.
    private func release(_ platform: PlatformUnderTest) throws {
        let source = PlatformUnderTest.packageRoot.appending(path: "Benchmarks/soak")
        let graph = PlatformUnderTest.packageRoot.appending(path: "Tests/Inference/Models/affine.onnx").path
        for number in 1...Self.models {
            let project = home.appending(path: "project-\(number)")
            try FileManager.default.copyItem(at: source, to: project)
            let file = project.appending(path: "pipeline.yaml")
            let text = try String(contentsOf: file, encoding: .utf8).replacing("{ name: soak }", with: "{ name: model-\(number) }")
            try text.write(to: file, atomically: true, encoding: .utf8)
            let record = try platform.run(project.path, ["graph=\(graph)", "factor=2"], isShown: false)
            try require(record.state == .succeeded, "release of model \(number) is \(record.state.rawValue): \(record.summary)")
        }
    }
}
