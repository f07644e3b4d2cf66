import ArgumentParser
import Foundation

struct BenchCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench",
        abstract: "Predictions a second beside the usual arrangements, and the engine's own cost.",
        discussion: """
            All servers run at the same time on the same model; rounds are interleaved and medians quoted.
            Ratios are what counts: the load generator shares the machine's cores.
            """
    )

    @Option(help: "Rounds of each measurement.")
    var rounds: Int = 3

    @Option(help: "Seconds of each measurement.")
    var seconds: Int = 3

    func run() throws {
        let signals = Child.endAllOnSignals()
        defer { signals.forEach { $0.cancel() } }
        let home = FileManager.default.temporaryDirectory.appending(path: "slipway-bench-\(ProcessInfo.processInfo.processIdentifier)")
        try FileManager.default.createDirectory(at: home, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: home) }
        do {
            try EngineCost(home: home.appending(path: "engine")).measure()
            try ServingSpeed(home: home.appending(path: "serving"), rounds: rounds, seconds: seconds).measure()
        } catch {
            Child.endAll()
            say("shakedown: could not measure: \(error)")
            throw ExitCode(1)
        }
        Child.endAll()
    }
}

func median(_ values: [Double]) -> Double {
    let sorted = values.sorted()
    return sorted.isEmpty ? 0 : sorted[sorted.count / 2]
}
