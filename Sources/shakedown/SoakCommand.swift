import ArgumentParser
import Foundation
import SlipwayCore
import SlipwayPipeline
import SlipwayStorage

struct SoakCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "soak",
        abstract: "Promotions in a row under load: no failed request, no growing memory.",
        discussion: "Each promotion is a whole run: registered, checked, attached, shifted, observed, promoted, notified."
    )

    @Option(help: "How many promotions.")
    var promotions: Int = 200

    @Option(help: "From which promotion on memory is compared.")
    var settled: Int = 10

    @Option(help: "How much more memory the end may have, in percent.")
    var growthMax: Double = 10

    func run() throws {
        try Trial.run("soak", keepsFailure: true, failed: "NOT as promised") { try soak($0) }
    }

    private func soak(_ home: URL) throws {
        let platform = try PlatformUnderTest.start(home: home, log: home.appending(path: "up.log"))
        try promote(platform, 0)
        let load = LoadGenerator(url: platform.endpoints.gateway ?? "", rows: (0..<100).map { "[\($0),\($0 + 1),0.5]" })
        load.start()
        let began = Date()
        var settledMiB = 0.0
        for number in 1...promotions {
            try promote(platform, number)
            if number == settled { settledMiB = platform.residentMiB }
            guard number % 10 == 0 else { continue }
            let tally = load.soFar
            say("promotion \(number): \(tally.requests) requests, \(tally.failures.values.joined().count) failed, resident \(Int(platform.residentMiB)) MiB")
            try require(tally.failures.isEmpty, "requests failed: \(tally.failures.mapValues { $0.prefix(3) })")
        }
        let tally = load.stop()
        let endMiB = platform.residentMiB
        try require(tally.failures.isEmpty, "requests failed: \(tally.failures.mapValues { $0.prefix(3) })")
        let growth = (endMiB / settledMiB - 1) * 100
        say("\(promotions) promotions in \(Int(Date().timeIntervalSince(began))) s, \(tally.requests) requests, none failed, slowest \(String(format: "%.1f", tally.slowestMilliseconds)) ms")
        say("resident memory \(String(format: "%.1f", settledMiB)) MiB after promotion \(settled), \(String(format: "%.1f", endMiB)) MiB at the end: \(String(format: "%+.1f", growth)) %")
        try require(growth <= growthMax, "memory grew by \(String(format: "%.1f", growth)) %, allowed \(growthMax) %")
        let proofs = try platform.command(["proof", "verify"])
        try require(proofs.status == 0, "the proofs do not hold: \(proofs.output)")
        say(proofs.output.trimmingCharacters(in: .whitespacesAndNewlines))
        try require(try platform.up.stop() == 0, "'slipway up' did not stop cleanly")
    }

    private func promote(_ platform: PlatformUnderTest, _ number: Int) throws {
        let models = PlatformUnderTest.packageRoot.appending(path: "Tests/Inference/Models")
        let (name, factor) = number.isMultiple(of: 2) ? ("affine", 2) : ("affine3", 3)
        let record = try platform.run(
            "Benchmarks/soak",
            ["graph=\(models.appending(path: "\(name).onnx").path)", "factor=\(factor)"],
            isShown: false
        )
        try require(record.state == .succeeded, "promotion \(number) is \(record.state.rawValue): \(record.summary)")
        try require(record.candidate?.number == number + 1, "promotion \(number) made version \(record.candidate.map { "\($0)" } ?? "none")")
    }
}
