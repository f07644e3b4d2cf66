import ArgumentParser
import Foundation

/// The gRPC load generator on its own, for a server that is there already.
struct GRPCLoadCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "grpc-load",
        abstract: "Load a v2 model server over gRPC with rows of 30 numbers.",
        shouldDisplay: false
    )

    @Option(help: "The port on 127.0.0.1.") var port: Int
    @Option(help: "The model; it takes FP32 'input' of 30 columns.") var model: String = "tumor"
    @Option(help: "Rows a call.") var rows: Int = 1
    @Option(help: "Connections.") var connections: Int = 64
    @Option(help: "Calls at a time on each.") var streams: Int = 1
    @Option(help: "Seconds.") var seconds: Int = 3
    @Option(help: "Rounds.") var rounds: Int = 1

    func run() throws {
        let load = GRPCLoad.infer(model: model, rows: rows, streams: streams)
        for _ in 0..<rounds {
            let outcome = try load.run(port: port, connections: connections, seconds: seconds)
            try require(!outcome.times.isEmpty, "nothing was answered")
            let sorted = outcome.times.sorted()
            let rate = Int(Double(sorted.count) / outcome.seconds)
            say("\(rate) calls/s, p50 \(sorted[sorted.count / 2] / 1000) us, p99 \(sorted[sorted.count * 99 / 100] / 1000) us, \(outcome.failures) failed")
        }
    }
}
