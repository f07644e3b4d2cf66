import ArgumentParser
import Foundation

struct BenchCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench",
        abstract: "Predictions a second beside the usual servers, and the engine's own cost.",
        discussion: """
            All servers of a group run at the same time on the same model; rounds are interleaved and medians quoted.
            Ratios are what counts: the load generator shares the machine's cores. Benchmarks/goals.json holds what
            is promised.

              shakedown bench           everything, beside Triton, FastAPI, MLServer, BentoML, nginx: a quarter of an hour
              shakedown bench --check   ours beside the limit servers only; fails when a quarter of a known ratio is lost
            """
    )

    @Option(help: "Rounds of each measurement.")
    var rounds: Int = 3

    @Option(help: "Seconds of each measurement.")
    var seconds: Int = 3

    @Flag(help: "The short form, which fails on a regression.")
    var check = false

    @Flag(help: "Over gRPC only, beside Triton's and grpc-swift-2's.")
    var grpc = false

    func run() throws {
        try Trial.run("bench", keepsFailure: false, failed: check ? "slower than it was" : "could not measure") { home in
            let goals = try Goals.read()
            if !check, !grpc { try EngineCost(home: home.appending(path: "engine")).measure() }
            let bench = ServingBench(home: home.appending(path: "serving"), rounds: rounds, seconds: check ? 1 : seconds, isShort: check, isGRPCOnly: grpc)
            let figures = try bench.measure()
            guard check else { return figures.show(goals) }
            let regressions = figures.regressions(goals)
            try require(regressions.isEmpty, regressions.joined(separator: "\n  "))
            say("no ratio to a limit server has fallen by a quarter")
        }
    }
}

func median(_ values: [Double]) -> Double {
    let sorted = values.sorted()
    return sorted.isEmpty ? 0 : sorted[sorted.count / 2]
}
