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
            try await onThread {
                defer { Child.endAll() }
                let models = folder.appending(path: "models")
                let maker = try Child(
                    conformancePython,
                    [packageRoot.appending(path: "Tests/Inference/Pyfunc/make_pyfunc_models.py").path, models.path],
                    log: folder.appending(path: "maker.log")
                )
                try maker.start()
                try require(try maker.wait(seconds: 120) == 0, "the models were not made: \(maker.text)")
                for isKilled in [false, true] {
                    let serve = try start(models: models, home: folder.appending(path: isKilled ? "killed" : "stopped"))
                    let workers = try workers(of: models)
                    #expect(workers.count == 2)
                    if isKilled { serve.kill() } else { #expect(try serve.stop() == 0) }
                    let deadline = Date().addingTimeInterval(60)
                    while true {
                        let left = try self.workers(of: models)
                        if left.isEmpty { break }
                        try require(Date() < deadline, "workers are left: \(left)")
                        Thread.sleep(forTimeInterval: 0.01)
                    }
                }
            }
        }
    }

    /// `slipway serve` with two workers of the model `doubling`, which has answered.
    private func start(models: URL, home: URL) throws -> Child {
        try Data(#"backend: "pyfunc" instance_group { count: 2 }"#.utf8).write(to: models.appending(path: "doubling/config.pbtxt"))
        let serve = try Child(
            PlatformUnderTest.program("slipway"),
            [
                "serve", "--model-repository", models.path, "--load-model", "doubling", "--python", conformancePython,
                "--home", home.path, "--http-port", "0", "--metrics-port", "0",
            ],
            log: home.deletingLastPathComponent().appending(path: "\(home.lastPathComponent).log")
        )
        try serve.start()
        let deadline = Date().addingTimeInterval(120)
        while true {
            if let text = try? String(contentsOf: home.appending(path: "ports.json"), encoding: .utf8),
                let port = try? JSONValue(parsing: text)["modelServer"]?.intValue
            {
                let body = #"{"inputs":[{"name":"input-0","shape":[1,2],"datatype":"FP32","data":[3,4]}]}"#
                let answer = try HTTPSocket(url: "http://127.0.0.1:\(port)").post("/v2/models/doubling/infer", headers: [:], body: Array(body.utf8))
                let text = String(decoding: answer.body, as: UTF8.self)
                #expect(answer.status == 200 && text.contains(#""data":[6.0,8.0]"#), "\(text)")
                return serve
            }
            try require(serve.process.isRunning && Date() < deadline, "'slipway serve' did not start: \(serve.text.suffix(1000))")
            Thread.sleep(forTimeInterval: 0.05)
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
