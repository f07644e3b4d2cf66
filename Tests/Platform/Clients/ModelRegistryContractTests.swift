import Foundation
import NIOHTTP1
import SlipwayCore
import SlipwayTesting
import SlipwayTracking
import Testing

@testable import SlipwayClients

/// What every tracking server must do for ``MLflowRegistry``.
///
/// The embedded one always; a real MLflow server when `SLIPWAY_MLFLOW_URL` says where it is, as
/// `make test-engines` does, which starts one.
@Suite("Model registry contract", .timeLimit(.minutes(5)))
struct ModelRegistryContractTests {
    enum Server: CaseIterable, CustomStringConvertible {
        case embedded
        case real

        static let realURL = ProcessInfo.processInfo.environment["SLIPWAY_MLFLOW_URL"]
        static let available = realURL == nil ? [embedded] : allCases

        var description: String { self == .embedded ? "embedded" : "mlflow server" }
    }

    @Test("Where real engines are asked for, there is one, and it says its version")
    func engine() async throws {
        guard ProcessInfo.processInfo.environment["SLIPWAY_ENGINES"] == "1" else { return }
        let url = try #require(Server.realURL, "SLIPWAY_ENGINES is set and SLIPWAY_MLFLOW_URL is not: run 'make test-engines'")
        try await withConnections { connections in
            let version = try await MLflowSource(url: url, connections: connections).describe().version
            #expect(version != nil)
        }
    }

    @Test("A run is made in its experiment, logged to, read and ended; writes may be repeated", arguments: Server.available)
    func run(server: Server) async throws {
        try await withRegistry(server) { registry, _, unique in
            let experiment = "exp-\(unique)"
            let id = try await registry.createRun(experiment: experiment, name: "r", tags: ["slipway.run": unique])
            let again = try await registry.createRun(experiment: experiment, name: "r", tags: ["slipway.run": unique])
            #expect(again != id)
            for _ in 0..<2 {
                try await registry.logMetrics(["auc": 0.98, "nan": .nan], runID: id)
                try await registry.setRunTags(["a b": "ü\n\"", "empty": ""], runID: id)
            }
            let running = try await registry.run(id: id)
            #expect(running.id == id && running.status == "RUNNING")
            #expect(running.metrics["auc"] == 0.98)
            #expect(running.metrics["nan"]?.isNaN == true)
            #expect(running.tags["slipway.run"] == unique && running.tags["a b"] == "ü\n\"" && running.tags["empty"] == "")
            #expect(running.loggedModelIDs == [])
            #expect(try await registry.run(id: again).experimentID == running.experimentID)
            try await registry.endRun(id: id, status: "FINISHED")
            try await registry.endRun(id: id, status: "FINISHED")
            #expect(try await registry.run(id: id).status == "FINISHED")
        }
    }

    @Test("More metrics and tags than one batch takes all arrive", arguments: Server.available)
    func batches(server: Server) async throws {
        try await withRegistry(server) { registry, _, unique in
            let id = try await registry.createRun(experiment: "exp-\(unique)", name: "r", tags: [:])
            let metrics = Dictionary(uniqueKeysWithValues: (0..<1_100).map { ("m\($0)", Double($0)) })
            let tags = Dictionary(uniqueKeysWithValues: (0..<150).map { ("t\($0)", "\($0)") })
            try await registry.logMetrics(metrics, runID: id)
            try await registry.setRunTags(tags, runID: id)
            let run = try await registry.run(id: id)
            #expect(run.metrics == metrics)
            #expect(tags.allSatisfy { run.tags[$0.key] == $0.value })
        }
    }

    @Test("What does not exist is not_found, or empty where the port says so", arguments: Server.available)
    func absent(server: Server) async throws {
        try await withRegistry(server) { registry, folder, unique in
            let model = try ModelName("none-\(unique)")
            let one = try ModelVersion(1)
            #expect(try await registry.versions(of: model) == [])
            #expect(try await registry.aliases(of: model) == [:])
            let target = folder.appending(path: "x").path
            let calls: [(String, () async throws -> Void)] = [
                ("run", { _ = try await registry.run(id: "nope") }),
                ("version", { _ = try await registry.version(one, of: model) }),
                ("artifacts of a version", { _ = try await registry.artifacts(of: one, model: model) }),
                ("artifacts of a logged model", { _ = try await registry.artifacts(ofLoggedModel: "m-nope") }),
                ("artifact of a run", { _ = try await registry.downloadArtifact("a", ofRun: "nope", toFile: target) }),
                ("alias", { try await registry.setAlias(try Alias("A"), to: one, of: model) }),
                ("metrics", { try await registry.logMetrics(["a": 1], runID: "nope") }),
            ]
            for (name, call) in calls {
                let error = await #expect(throws: PlatformError.self, "\(name)") { try await call() }
                #expect(error?.code == .notFound, "\(name): \(String(describing: error))")
            }
            #expect(!FileManager.default.fileExists(atPath: target))
        }
    }

    @Test("A run's artifact comes back byte for byte with its digest; one that is not there leaves no file", arguments: Server.available)
    func runArtifacts(server: Server) async throws {
        try await withRegistry(server) { registry, folder, unique in
            let id = try await registry.createRun(experiment: "exp-\(unique)", name: "r", tags: [:])
            let bytes = Self.bytes(3 << 20)
            let source = folder.appending(path: "source").path
            try Data(bytes).write(to: URL(filePath: source))
            for path in ["slipway/golden.json", "with space/ü+=&.bin"] {
                try await registry.uploadArtifact(runID: id, path: path, fromFile: source)
                let target = folder.appending(path: "target").path
                #expect(try await registry.downloadArtifact(path, ofRun: id, toFile: target) == Digest(of: bytes))
                #expect(try Data(contentsOf: URL(filePath: target)) == Data(bytes))
            }
            let missing = folder.appending(path: "missing").path
            let error = await #expect(throws: PlatformError.self) { try await registry.downloadArtifact("nope", ofRun: id, toFile: missing) }
            #expect(error?.code == .notFound)
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path).filter { $0.hasPrefix("missing") } == [])
        }
    }

    @Test("A version is imported with its files and description, listed and read; again changes nothing", arguments: Server.available)
    func imports(server: Server) async throws {
        try await withRegistry(server) { registry, folder, unique in
            let model = try ModelName("m-\(unique)")
            let graph = folder.appending(path: "model.onnx").path
            let empty = folder.appending(path: "empty").path
            let bytes = Self.bytes(100_000)
            try Data(bytes).write(to: URL(filePath: graph))
            try Data().write(to: URL(filePath: empty))
            let files = ["MLmodel": graph, "deep/er/model.onnx": graph, "deep/empty.txt": empty]
            let tags = ["slipway.run": unique, "slipway.digests": String(repeating: "x", count: 4_000)]
            let first = try await registry.importVersion(of: model, files: files, tags: tags, description: "from dev")
            let again = try await registry.importVersion(of: model, files: files, tags: tags, description: "from dev")
            #expect(first == again)
            #expect(first.version == (try ModelVersion(1)))
            #expect(first.source.hasPrefix("models:/m-"))
            #expect(first.tags == tags)
            #expect(try await registry.versions(of: model) == [first])
            #expect(try await registry.version(first.version, of: model) == first)
            let entries = try await registry.artifacts(of: first.version, model: model)
            #expect(entries.map(\.path) == ["MLmodel", "deep/empty.txt", "deep/er/model.onnx"])
            #expect(entries.map(\.bytes) == [100_000, 0, 100_000])
            let target = folder.appending(path: "target").path
            #expect(try await registry.downloadArtifact("deep/er/model.onnx", of: first.version, model: model, toFile: target) == Digest(of: bytes))
            #expect(try await registry.downloadArtifact("deep/empty.txt", of: first.version, model: model, toFile: target) == Digest(of: []))
            let id = String(first.source.dropFirst("models:/".count))
            #expect(try await registry.artifacts(ofLoggedModel: id) == entries)
            #expect(try await registry.downloadArtifact("MLmodel", ofLoggedModel: id, toFile: target) == Digest(of: bytes))
        }
    }

    @Test("A version of a logged model is made once for the same source, run and tags; then numbers go on", arguments: Server.available)
    func createVersion(server: Server) async throws {
        try await withRegistry(server) { registry, folder, unique in
            let model = try ModelName("m-\(unique)")
            let file = folder.appending(path: "f").path
            try Data([1]).write(to: URL(filePath: file))
            let logged = try await registry.importVersion(of: try ModelName("other-\(unique)"), files: ["MLmodel": file], tags: ["a": "b"], description: "")
            let run = try await registry.createRun(experiment: "exp-\(unique)", name: "r", tags: [:])
            let one = try await registry.createVersion(of: model, source: logged.source, runID: run, tags: ["n": "1"])
            #expect(one.version.number == 1 && one.source == logged.source && one.runID == run && one.tags == ["n": "1"])
            #expect(try await registry.createVersion(of: model, source: logged.source, runID: run, tags: ["n": "1"]) == one)
            let two = try await registry.createVersion(of: model, source: logged.source, runID: run, tags: ["n": "2"])
            #expect(two.version.number == 2)
            #expect(try await registry.versions(of: model).map(\.version.number) == [1, 2])
            try await registry.setVersionTags(["n": "3", "more": "ü'\""], version: two.version, of: model)
            #expect(try await registry.version(two.version, of: model).tags == ["n": "3", "more": "ü'\""])
            #expect(try await registry.aliases(of: model) == [:], "registering moves no alias")
            let id = String(logged.source.dropFirst("models:/".count))
            let output: JSONValue = ["run_id": .string(run), "models": [["model_id": .string(id), "step": 0]]]
            _ = try await registry.wire.send(.POST, "runs/outputs", output, doing: "note an output")
            #expect(try await registry.run(id: run).loggedModelIDs == [id])
        }
    }

    @Test("Aliases are set, moved and removed; each may be repeated", arguments: Server.available)
    func aliases(server: Server) async throws {
        try await withRegistry(server) { registry, folder, unique in
            let model = try ModelName("m-\(unique)")
            let file = folder.appending(path: "f").path
            try Data([1]).write(to: URL(filePath: file))
            let one = try await registry.importVersion(of: model, files: ["MLmodel": file], tags: ["n": "1"], description: "").version
            let two = try await registry.importVersion(of: model, files: ["MLmodel": file], tags: ["n": "2"], description: "").version
            let (champion, b) = (try Alias("champion"), try Alias("B"))
            for _ in 0..<2 { try await registry.setAlias(champion, to: one, of: model) }
            try await registry.setAlias(b, to: two, of: model)
            #expect(try await registry.aliases(of: model) == [champion: one, b: two])
            try await registry.setAlias(champion, to: two, of: model)
            for _ in 0..<2 { try await registry.removeAlias(b, of: model) }
            #expect(try await registry.aliases(of: model) == [champion: two])
            let error = await #expect(throws: PlatformError.self) { try await registry.setAlias(b, to: try ModelVersion(9), of: model) }
            #expect(error?.code == .notFound)
        }
    }

    @Test("Two at the same time that make the same experiment both succeed", arguments: Server.available)
    func race(server: Server) async throws {
        try await withRegistry(server) { registry, _, unique in
            let experiments = try await withThrowingTaskGroup(of: String.self) { group in
                for _ in 0..<4 {
                    group.addTask {
                        let id = try await registry.createRun(experiment: "race-\(unique)", name: "r", tags: [:])
                        return try await registry.run(id: id).experimentID
                    }
                }
                return try await group.reduce(into: Set<String>()) { $0.insert($1) }
            }
            #expect(experiments.count == 1)
        }
    }

    private func withRegistry(
        _ server: Server,
        _ body: (MLflowRegistry, URL, String) async throws -> Void
    ) async throws {
        let unique = String(UUID().uuidString.lowercased().prefix(8))
        try await withConnections { connections in
            guard server == .real, let url = Server.realURL else {
                return try await withEmbeddedTracking { url, folder in
                    try await body(MLflowRegistry(url: url, connections: connections), folder, unique)
                }
            }
            try await withScratchFolder { folder in
                try await body(MLflowRegistry(url: url, connections: connections), folder, unique)
            }
        }
    }

    private static func bytes(_ count: Int) -> [UInt8] {
        var generator = SeededGenerator(seed: 7)
        return (0..<count).map { _ in UInt8.random(in: .min ... .max, using: &generator) }
    }
}
