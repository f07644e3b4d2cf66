import Foundation
import SlipwayCore
import SlipwayTesting
import Testing

@testable import shakedown

@Suite("Pyfunc process")
struct PyfuncProcessTests {
    @Test("However the server ends, asked to or killed, its Python workers end with it", .timeLimit(.minutes(5)))
    func endings() async throws {
        try await withScratchFolder { folder in
            try await withChildren {
                let models = folder.appending(path: "models")
                try FileManager.default.createDirectory(at: models, withIntermediateDirectories: true)
                try FileManager.default.copyItem(
                    at: packageRoot.appending(path: "Tests/Inference/PyfuncModels/doubling"),
                    to: models.appending(path: "doubling")
                )
                for isKilled in [false, true] {
                    let home = folder.appending(path: isKilled ? "killed" : "stopped")
                    let serve = try start(models: models, home: home)
                    let workers = try workers(of: models)
                    #expect(workers.count == 1)
                    if isKilled {
                        try keepBusy(home)
                        serve.kill()
                    } else {
                        #expect(try serve.stop() == 0)
                    }
                    try waitUntil("no worker is left") { try self.workers(of: models).isEmpty }
                }
            }
        }
    }

    /// `slipway serve` with the model `doubling`, which has answered.
    private func start(models: URL, home: URL) throws -> Child {
        try Data(#"backend: "pyfunc" "#.utf8).write(to: models.appending(path: "doubling/config.pbtxt"))
        let serve = try Child(
            PlatformUnderTest.program("slipway"),
            [
                "serve", "--model-repository", models.path, "--load-model", "doubling", "--python", conformancePython,
                "--home", home.path, "--http-port", "0", "--metrics-port", "0",
            ],
            log: home.deletingLastPathComponent().appending(path: "\(home.lastPathComponent).log")
        )
        try serve.start()
        try waitUntil("'slipway serve' has started") {
            try require(serve.process.isRunning, "'slipway serve' did not start: \(serve.text.suffix(1000))")
            return FileManager.default.fileExists(atPath: home.appending(path: "ports.json").path)
        }
        let answer = try HTTPSocket(url: try address("modelServer", home)).post(Self.path, headers: [:], body: Self.body(3))
        let text = String(decoding: answer.body, as: UTF8.self)
        #expect(answer.status == 200 && text.contains(#""data":[6.0,8.0]"#), "\(text)")
        return serve
    }

    /// Has the worker begin a run of minutes.
    private func keepBusy(_ home: URL) throws {
        let request = try Child(
            "/usr/bin/env",
            ["curl", "-s", try address("modelServer", home) + Self.path, "-d", String(decoding: Self.body(888), as: UTF8.self)],
            log: nil
        )
        try request.start()
        let metrics = try HTTPSocket(url: try address("metrics", home))
        try waitUntil("the model is busy") {
            let page = String(decoding: try metrics.send("GET", "/metrics").body, as: UTF8.self)
            return page.contains(#"nv_inference_pending_request_count{model="doubling",version="1"} 1"#)
        }
    }

    private static let path = "/v2/models/doubling/infer"

    private static func body(_ value: Int) -> [UInt8] {
        Array(#"{"inputs":[{"name":"input-0","shape":[1,2],"datatype":"FP32","data":[\#(value),4]}]}"#.utf8)
    }

    private func address(_ name: String, _ home: URL) throws -> String {
        let ports = try JSONValue(parsing: String(contentsOf: home.appending(path: "ports.json"), encoding: .utf8))
        guard let port = ports[name]?.intValue else { throw Difference("'slipway serve' has told no port of \(name)") }
        return "http://127.0.0.1:\(port)"
    }

    private func waitUntil(_ what: String, _ isSo: () throws -> Bool) throws {
        let deadline = Date().addingTimeInterval(120)
        while try !isSo() {
            try require(Date() < deadline, "waited in vain until \(what)")
            Thread.sleep(forTimeInterval: 0.01)
        }
    }

    /// Living processes that have a model of the folder as their argument.
    private func workers(of models: URL) throws -> [Int32] {
        let wanted = Array(models.appending(path: "doubling/1").path.utf8)
        return try FileManager.default.contentsOfDirectory(atPath: "/proc").compactMap(Int32.init).filter { identifier in
            guard let line = FileManager.default.contents(atPath: "/proc/\(identifier)/cmdline") else { return false }
            return [UInt8](line).split(separator: 0).contains { $0.elementsEqual(wanted) }
        }
    }
}
