import Foundation
import SlipwayCore
import SlipwayGit
import SlipwayPipeline
import SlipwayRelease
import SlipwayStorage
import SlipwayTesting
import Testing

@testable import shakedown

/// The alias ledger of a platform that runs: the reconciler writes it, people read it, Git protects what it
/// says. Of the one suite of processes, as the end of each of its tests ends every child.
extension PlatformProcessTests {
    @Test("The reconciler's moves carry commit and proof; a protected alias moves for nobody else, also right after kill -9")
    func aliasLedger() async throws {
        let graph = packageRoot.appending(path: "Tests/Inference/Models/affine.onnx").path
        try await withScratchFolder { folder in
            let repository = try await GitReleaseRepository.openOrCreate(path: folder.appending(path: "release.git"))
            let platformFile = """
                apiVersion: slipway.dev/v1
                kind: Platform
                metadata: { name: dev }
                spec: { registry: { protectedAliases: [champion, A] } }

                """
            let path = PlatformFile.path(in: try EnvironmentName("dev"))
            _ = try await repository.commit([path: platformFile], on: try await repository.head(), message: "Protect champion and A")
            try await withChildren {
                let platform = try PlatformUnderTest.start(home: folder, log: folder.appending(path: "up.log"))
                let run = try platform.run("Benchmarks/soak", ["graph=\(graph)", "factor=2"], isShown: false)
                #expect(run.state == .succeeded, "\(run.summary)")

                let history = try Self.json(platform, ["registry", "history", "soak", "--alias", "champion", "--output", "json"])
                let moves = history["moves"]?.arrayValue ?? []
                let first = try #require(moves.last)
                #expect(first["from_version"] == .null && first["to_version"] == 1 && first["actor_kind"] == "reconciler")
                #expect(first["reason"] == "follows envs/dev/models/soak.yaml")
                let commit = try #require(first["commit"]?.stringValue)
                #expect(try platform.command(["release", "history", "soak"]).output.contains(commit.prefix(8)))
                #expect(first["proof"]?.stringValue?.hasPrefix("sha256:") == true)
                #expect(try platform.command(["proof", "verify"]).status == 0)

                let time = try #require(first["timestamp"]?.intValue)
                let then = try Self.json(platform, ["registry", "history", "soak", "--as-of", "\(time)", "--alias", "champion", "--output", "json"])
                #expect(then["aliases"]?.arrayValue?.map { $0["to_version"] } == [1])
                let table = try platform.command(["registry", "history", "soak"])
                #expect(table.status == 0 && table.output.contains("champion") && table.output.contains("reconciler"))
                #expect(try platform.command(["registry", "history", "nobody"]).status == 3)
                #expect(try platform.command(["registry", "history", "soak", "--tracking", platform.endpoints.console ?? ""]).status == 5)

                try Self.expectProtected(platform)
                platform.up.kill()
                _ = try platform.up.wait(seconds: 10)
                let again = try PlatformUnderTest.start(home: folder, log: folder.appending(path: "again.log"))
                try Self.expectProtected(again)
                let kept = try Self.json(again, ["registry", "history", "soak", "--alias", "champion", "--output", "json"])
                #expect(kept["moves"]?.arrayValue == moves)
                let secret = try FileManager.default.attributesOfItem(atPath: folder.appending(path: "dev/keys/reconciler.secret").path)
                #expect(secret[.posixPermissions] as? Int == 0o600)
                #expect(try again.up.stop() == 0)
            }
        }
    }

    private static func expectProtected(_ platform: PlatformUnderTest) throws {
        let socket = try HTTPSocket(url: platform.endpoints.tracking ?? "")
        func set(_ alias: String) throws -> (status: Int, body: String) {
            let body = "{\"name\":\"soak\",\"alias\":\"\(alias)\",\"version\":\"1\"}"
            let answer = try socket.post("/api/2.0/mlflow/registered-models/alias", headers: [:], body: Array(body.utf8))
            return (answer.status, String(decoding: answer.body, as: UTF8.self))
        }
        for alias in ["champion", "A"] {
            let (status, body) = try set(alias)
            #expect(status == 403 && body.contains("PERMISSION_DENIED") && body.contains("envs/dev/models/soak.yaml"), "\(body)")
        }
        let (status, body) = try set("mine")
        #expect(status == 200, "\(body)")
    }

    private static func json(_ platform: PlatformUnderTest, _ arguments: [String]) throws -> JSONValue {
        let answer = try platform.command(arguments)
        #expect(answer.status == 0, "\(answer.output)")
        return try JSONValue(parsing: answer.output.trimmingCharacters(in: .whitespacesAndNewlines))
    }
}
