import ArgumentParser
import Foundation

struct CyclesCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cycles",
        abstract: "Loads and unloads a model again and again: no failure, no growing memory.",
        discussion: "After each load the model answers one request, so that every cycle opens, uses and closes a session."
    )

    @Option(help: "How many cycles.")
    var cycles: Int = 10_000

    @Option(help: "From which cycle on memory is compared.")
    var settled: Int = 1_000

    @Option(help: "How much more memory the end may have, in percent.")
    var growthMax: Double = 5

    func validate() throws {
        guard settled > 0, settled < cycles else { throw ValidationError("'--settled' is a cycle before the last one") }
    }

    func run() throws {
        try Trial.run("cycles", keepsFailure: false, failed: "NOT as promised") { try cycle($0) }
    }

    private func cycle(_ home: URL) throws {
        let repository = home.appending(path: "models")
        let version = repository.appending(path: "affine/1")
        try FileManager.default.createDirectory(at: version, withIntermediateDirectories: true)
        let graph = PlatformUnderTest.packageRoot.appending(path: "Tests/Inference/Models/affine.onnx")
        try FileManager.default.copyItem(at: graph, to: version.appending(path: "model.onnx"))
        let server = try Servers.startServe(home: home.appending(path: "serve"), repository: repository)
        let socket = try HTTPSocket(url: server.url)
        let body = Array(#"{"inputs":[{"name":"x","shape":[1,3],"datatype":"FP32","data":[1,2,3]}]}"#.utf8)
        let began = Date()
        var settledMiB = 0.0
        for number in 1...cycles {
            for (path, body) in [
                ("/v2/repository/models/affine/unload", Array("{}".utf8)), ("/v2/repository/models/affine/load", Array("{}".utf8)),
                ("/v2/models/affine/infer", body),
            ] {
                let answer = try socket.send("POST", path, body: body)
                try require(answer.status == 200, "cycle \(number): \(path) answered \(answer.status): \(String(decoding: answer.body, as: UTF8.self))")
            }
            if number == settled { settledMiB = residentMemoryMiB(server.child.id) }
            if number.isMultiple(of: 1000) { say("cycle \(number): resident \(String(format: "%.1f", residentMemoryMiB(server.child.id))) MiB") }
        }
        let endMiB = residentMemoryMiB(server.child.id)
        let growth = (endMiB / settledMiB - 1) * 100
        say("\(cycles) cycles in \(Int(Date().timeIntervalSince(began))) s; resident memory \(String(format: "%.1f", settledMiB)) MiB after cycle \(settled), \(String(format: "%.1f", endMiB)) MiB at the end: \(String(format: "%+.1f", growth)) %")
        try require(growth <= growthMax, "memory grew by \(String(format: "%.1f", growth)) %, allowed \(growthMax) %")
        try require(try server.child.stop() == 0, "'slipway serve' did not stop cleanly")
    }
}
