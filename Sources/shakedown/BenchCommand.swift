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
        try Trial.run("bench", keepsFailure: false, failed: "could not measure") { home in
            try EngineCost(home: home.appending(path: "engine")).measure()
            try ServingSpeed(home: home.appending(path: "serving"), rounds: rounds, seconds: seconds).measure()
        }
    }
}

func median(_ values: [Double]) -> Double {
    let sorted = values.sorted()
    return sorted.isEmpty ? 0 : sorted[sorted.count / 2]
}
