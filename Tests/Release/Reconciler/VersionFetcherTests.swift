import Foundation
import SlipwayCore
@testable import SlipwayReconciler
import SlipwayTesting
import SlipwayTracking
import Synchronization
import Testing

@Suite("Fetched versions")
struct VersionFetcherTests {
    private let model: ModelName
    private let version: ModelVersion

    init() throws {
        model = try ModelName("tumor")
        version = try ModelVersion(3)
    }

    @Test("A graph comes with the weights beside it, under the names that it knows them by, and with nothing else")
    func parts() async throws {
        try await withScratchFolder { folder in
            let registry = Shelf(["model/net.onnx": "graph", "model/net.onnx.data": "weights", "model/deep/w.bin": "more", "MLmodel": "text", "other.data": "no"])
            let files = try await VersionFetcher(registry: registry, folder: folder).files(of: version, model: model)
            let texts = try files.mapValues { try String(contentsOfFile: $0, encoding: .utf8) }
            #expect(texts == ["model.onnx": "graph", "net.onnx.data": "weights", "deep/w.bin": "more"])
        }
    }

    @Test("What is there whole is taken without the registry; what is damaged is fetched again")
    func again() async throws {
        try await withScratchFolder { folder in
            let registry = Shelf(["model.onnx": "graph", "model.onnx.data": "weights"])
            let fetcher = VersionFetcher(registry: registry, folder: folder)
            let first = try await fetcher.files(of: version, model: model)
            let (graph, weights) = (try #require(first["model.onnx"]), try #require(first["model.onnx.data"]))
            #expect(registry.downloads == 2)
            #expect(try await fetcher.files(of: version, model: model) == first)
            #expect(registry.downloads == 2)
            try Data("weighty".utf8).write(to: URL(filePath: weights))
            #expect(try await fetcher.files(of: version, model: model) == first)
            #expect(registry.downloads == 4)
            #expect(try String(contentsOfFile: weights, encoding: .utf8) == "weights")
            try FileManager.default.removeItem(atPath: graph)
            #expect(try await fetcher.files(of: version, model: model) == first)
            #expect(registry.downloads == 6)
        }
    }

    @Test("A file with another digest than the registry bound is refused, and nothing of the version stays")
    func corrupt() async throws {
        try await withScratchFolder { folder in
            let registry = Shelf(["model.onnx": "graph", "model.onnx.data": "weights"], bound: ["model.onnx.data": "other weights"])
            let error = await #expect(throws: PlatformError.self) {
                try await VersionFetcher(registry: registry, folder: folder).files(of: version, model: model)
            }
            #expect(error?.code == .corrupt)
            #expect(error?.message.contains("model.onnx.data") == true)
            let left = try FileManager.default.contentsOfDirectory(atPath: folder.appending(path: "tumor").path)
            #expect(left.isEmpty)
        }
    }

    @Test("A version of another client, without digests, is served from its only graph")
    func foreign() async throws {
        try await withScratchFolder { folder in
            let registry = Shelf(["net.onnx": "graph", "net.onnx_data": "weights"], isBound: false)
            let files = try await VersionFetcher(registry: registry, folder: folder).files(of: version, model: model)
            #expect(Set(files.keys) == ["model.onnx", "net.onnx_data"])
            let none = Shelf(["MLmodel": "text"], isBound: false)
            let error = await #expect(throws: PlatformError.self) {
                try await VersionFetcher(registry: none, folder: folder.appending(path: "none")).files(of: version, model: model)
            }
            #expect(error?.message.contains("no ONNX graph") == true)
        }
    }

    @Test("No path leads out of the version's folder", arguments: ["../model.onnx.data", "a/../../x.data", "a//x.data"])
    func paths(path: String) async throws {
        try await withScratchFolder { folder in
            let registry = Shelf(["model.onnx": "graph", path: "weights"])
            await #expect(throws: PlatformError.self) {
                try await VersionFetcher(registry: registry, folder: folder).files(of: version, model: model)
            }
            #expect(registry.downloads == 0)
        }
    }

    @Test("What nothing names goes, but for the newest few; what is named stays, however old")
    func prune() async throws {
        try await withScratchFolder { folder in
            let fetcher = VersionFetcher(registry: Shelf(["model.onnx": "graph"]), folder: folder)
            for number in 1...12 { _ = try await fetcher.files(of: try ModelVersion(number), model: model) }
            let left = folder.appending(path: "tumor/.incoming-1")
            try FileManager.default.createDirectory(at: left, withIntermediateDirectories: true)
            try fetcher.prune(keeping: [model: [try ModelVersion(1), try ModelVersion(12)]])
            let names = try FileManager.default.contentsOfDirectory(atPath: folder.appending(path: "tumor").path)
            #expect(VersionFetcher.Limits.spareVersions == 5)
            #expect(names.compactMap { Int($0) }.sorted() == [1, 7, 8, 9, 10, 11, 12])
            #expect(names.count == 7, "what was cut off goes too: \(names)")
            try VersionFetcher(registry: Shelf([:]), folder: folder.appending(path: "none")).prune(keeping: [:])
        }
    }
}

/// A registry that has one version's artifacts, for any version that is asked for.
private final class Shelf: ModelRegistry {
    private static let unused = PlatformError(.unexpected, "the fetcher does not ask this")
    private let contents: [String: String]
    private let tags: [String: String]
    private let count = Mutex(0)

    var downloads: Int { count.withLock { $0 } }

    /// - Parameter bound: What the digests in the tags are of, where that is not what is there.
    init(_ contents: [String: String], bound: [String: String] = [:], isBound: Bool = true) {
        self.contents = contents
        let digests = contents.merging(bound) { $1 }.mapValues { JSONValue.string(Digest(of: Array($0.utf8)).text) }
        let graph = contents.keys.first { $0.hasSuffix(".onnx") } ?? ""
        tags = isBound ? [VersionTag.graph: graph, VersionTag.digests: JSONValue.object(digests).canonicalText] : [:]
    }

    func version(_ version: ModelVersion, of model: ModelName) async throws -> RegisteredVersion {
        RegisteredVersion(model: model, version: version, source: "models:/m-1", runID: nil, tags: tags, created: Timestamp(milliseconds: 0))
    }

    func artifacts(of version: ModelVersion, model: ModelName) async throws -> [ArtifactEntry] {
        contents.map { ArtifactEntry(path: $0.key, bytes: Int64($0.value.utf8.count)) }
    }

    func downloadArtifact(_ path: String, of version: ModelVersion, model: ModelName, toFile file: String) async throws -> Digest {
        count.withLock { $0 += 1 }
        let bytes = Array(try #require(contents[path]).utf8)
        try Data(bytes).write(to: URL(filePath: file))
        return Digest(of: bytes)
    }

    func aliases(of model: ModelName) async throws -> [Alias: ModelVersion] { throw Self.unused }
    func setAlias(_ alias: Alias, to version: ModelVersion, of model: ModelName) async throws { throw Self.unused }
    func removeAlias(_ alias: Alias, of model: ModelName) async throws { throw Self.unused }
    func versions(of model: ModelName) async throws -> [RegisteredVersion] { throw Self.unused }
    func createRun(experiment: String, name: String, tags: [String: String]) async throws -> String { throw Self.unused }
    func run(id: String) async throws -> TrackedRun { throw Self.unused }
    func logMetrics(_ metrics: [String: Double], runID: String) async throws { throw Self.unused }
    func setRunTags(_ tags: [String: String], runID: String) async throws { throw Self.unused }
    func endRun(id: String, status: String) async throws { throw Self.unused }
    func uploadArtifact(runID: String, path: String, fromFile file: String) async throws { throw Self.unused }
    func downloadArtifact(_ path: String, ofRun id: String, toFile file: String) async throws -> Digest { throw Self.unused }
    func artifacts(ofLoggedModel id: String) async throws -> [ArtifactEntry] { throw Self.unused }
    func downloadArtifact(_ path: String, ofLoggedModel id: String, toFile file: String) async throws -> Digest { throw Self.unused }
    func createVersion(of model: ModelName, source: String, runID: String, tags: [String: String]) async throws -> RegisteredVersion { throw Self.unused }
    func setVersionTags(_ tags: [String: String], version: ModelVersion, of model: ModelName) async throws { throw Self.unused }
    func importVersion(of model: ModelName, files: [String: String], tags: [String: String], description: String) async throws -> RegisteredVersion { throw Self.unused }
}
