import Foundation
import SlipwayCore
import SlipwayPipeline
import SlipwayRelease
import SlipwayStorage
import SlipwayTesting
import Testing

@testable import shakedown

/// The built program as a process: real files, real sockets, real signals.
@Suite("The platform as a process", .serialized)
struct PlatformProcessTests {
    private let graph = packageRoot.appending(path: "Tests/Inference/Models/affine.onnx").path

    @Test("After kill -9 in the middle of a run, the next start finishes it and says so; what was served is served again")
    func killInTheMiddle() async throws {
        try await withPlatform { platform, folder in
            let first = try platform.run("Benchmarks/soak", ["graph=\(graph)", "factor=2"], isShown: false)
            #expect(first.state == .succeeded, "\(first.summary)")
            let started = try platform.command(["run", "Benchmarks/soak", "--detach", "--set", "graph=\(graph)", "--set", "factor=2"])
            let id = started.output.trimmingCharacters(in: .whitespacesAndNewlines)
            try waitUntil("the run takes traffic") {
                try self.record(platform, id).steps.contains { $0.name == .shift && $0.state == .passed }
            }
            platform.up.kill()
            _ = try platform.up.wait(seconds: 10)

            let again = try PlatformUnderTest.start(home: folder, log: folder.appending(path: "again.log"))
            let load = LoadGenerator(url: again.endpoints.gateway ?? "", rows: ["[1,2,3]"])
            load.start()
            try waitUntil("the run has ended") { try self.record(again, id).state.isFinal }
            let tally = load.stop()
            let record = try self.record(again, id)
            #expect([RunState.succeeded, .rolledBack].contains(record.state))
            #expect(record.summary.contains("restart"), "the summary does not say that it was taken up again: \(record.summary)")
            #expect(tally.failures.isEmpty, "\(tally.failures)")
            let serving = try again.release(of: "soak").release.champion.version.number
            #expect(serving == (record.state == .succeeded ? 2 : 1))
            #expect(try again.command(["proof", "verify"]).status == 0)
            #expect(try again.up.stop() == 0)
        }
    }

    @Test("An acknowledged write to the tracking server survives kill -9")
    func acknowledgedWrite() async throws {
        try await withPlatform { platform, folder in
            let socket = try HTTPSocket(url: platform.endpoints.tracking ?? "")
            let answer = try socket.post("/api/2.0/mlflow/experiments/create", headers: [:], body: Array(#"{"name":"kept"}"#.utf8))
            #expect(answer.status == 200)
            platform.up.kill()
            _ = try platform.up.wait(seconds: 10)
            let again = try PlatformUnderTest.start(home: folder, log: folder.appending(path: "again.log"))
            let second = try HTTPSocket(url: again.endpoints.tracking ?? "")
            let refused = try second.post("/api/2.0/mlflow/experiments/create", headers: [:], body: Array(#"{"name":"kept"}"#.utf8))
            #expect(refused.status == 400)
            #expect(String(decoding: refused.body, as: UTF8.self).contains("RESOURCE_ALREADY_EXISTS"))
            #expect(try again.up.stop() == 0)
        }
    }

    @Test("A second start on the same home is refused and names the first")
    func secondStart() async throws {
        try await withPlatform { platform, _ in
            let ports = ["tracking", "model-server", "metrics", "gateway", "console"].flatMap { ["--\($0)-port", "0"] }
            let answer = try platform.command(["up"] + ports, seconds: 20)
            #expect(answer.status == 5)
            #expect(answer.output.contains("process \(platform.up.id)"))
            #expect(try platform.command(["status"]).status == 0)
            #expect(try platform.up.stop() == 0)
        }
    }

    @Test("A rollback is a commit; requests never notice it, nor the stop after it")
    func rollbackUnderLoad() async throws {
        try await withPlatform { platform, _ in
            for _ in 0..<2 {
                let load = LoadGenerator(url: platform.endpoints.gateway ?? "", rows: ["[1,2,3]"])
                load.start()
                let record = try platform.run("Benchmarks/soak", ["graph=\(graph)", "factor=2"], isShown: false)
                _ = load.stop()
                #expect(record.state == .succeeded, "\(record.summary)")
            }
            let load = LoadGenerator(url: platform.endpoints.gateway ?? "", rows: ["[1,2,3]"])
            load.start()
            #expect(try platform.command(["release", "rollback", "soak", "--reason", "test"]).status == 0)
            try waitUntil("version 1 serves again") { load.soFar.answers["1", default: 0] > 20 }
            let tally = load.stop()
            #expect(tally.failures.isEmpty, "\(tally.failures)")
            #expect(try platform.release(of: "soak").release.champion.version.number == 1)
            #expect(try platform.command(["release", "rollback", "soak"]).status == 5)
            #expect(try platform.up.stop() == 0)
        }
    }

    private func record(_ platform: PlatformUnderTest, _ id: String) throws -> RunRecord {
        let shown = try platform.command(["runs", "show", id, "--output", "json"])
        return try JSONValue(parsing: shown.output.trimmingCharacters(in: .whitespacesAndNewlines)).decoded(as: RunRecord.self)
    }

    private func waitUntil(_ what: String, _ isSo: () throws -> Bool) throws {
        let deadline = Date().addingTimeInterval(60)
        while try !isSo() {
            try require(Date() < deadline, "waited in vain until \(what)")
            Thread.sleep(forTimeInterval: 0.05)
        }
    }

    private func withPlatform(_ body: @escaping @Sendable (PlatformUnderTest, URL) throws -> Void) async throws {
        try await withScratchFolder { folder in
            try await withChildren {
                let platform = try PlatformUnderTest.start(home: folder, log: folder.appending(path: "up.log"))
                try body(platform, folder)
            }
        }
    }
}
