import Foundation
import SlipwayCore
import SlipwayInference
import SlipwayInferenceServer
import SlipwayModelBucket
import SlipwayONNXRuntime
import SlipwayS3
import SlipwayTesting
import Testing

/// Models in a bucket of the real S3 server that `ops/s3.sh` starts.
@Suite(
    "Models in a bucket of a real server",
    .enabled(if: ProcessInfo.processInfo.environment["SLIPWAY_S3_ENDPOINT"] != nil), .timeLimit(.minutes(2))
)
struct BucketModelServerTests {
    @Test("A model is brought as it is in the bucket; what changed is fetched, what is gone goes, what others put there stays")
    func bring() async throws {
        try await withBucket { client, folder in
            let source = BucketModelSource(client: client, prefix: "models")
            let model = folder.appending(path: "tumor")
            func put(_ path: String, _ text: String) async throws { try await client.put(Array(text.utf8), at: "models/tumor/\(path)") }
            func read(_ path: String) -> String? { try? String(contentsOf: model.appending(path: path), encoding: .utf8) }
            try await put("config.pbtxt", "max_batch_size: 4")
            try await put("1/model.onnx", "one")
            try await put("1/model.onnx.data", "weights")
            try await client.put([1], at: "models/other/1/model.onnx")
            try await client.put([1], at: "elsewhere/tumor/1/model.onnx")
            #expect(try await source.models() == ["other", "tumor"])
            try await source.bring("tumor", to: model.path)
            #expect(read("config.pbtxt") == "max_batch_size: 4" && read("1/model.onnx") == "one" && read("1/model.onnx.data") == "weights")
            // What is here is not fetched again: a file that is changed here, to show it, stays.
            try Data("here".utf8).write(to: model.appending(path: "1/model.onnx"))
            try FileManager.default.createDirectory(at: model.appending(path: "7"), withIntermediateDirectories: true)
            try Data("seven".utf8).write(to: model.appending(path: "7/model.onnx"))
            try await source.bring("tumor", to: model.path)
            #expect(read("1/model.onnx") == "here")
            try await put("1/model.onnx", "newer")
            try await put("2/model.onnx", "two")
            try await client.delete("models/tumor/1/model.onnx.data")
            try await source.bring("tumor", to: model.path)
            #expect(read("1/model.onnx") == "newer" && read("2/model.onnx") == "two" && read("1/model.onnx.data") == nil)
            for path in ["config.pbtxt", "1/model.onnx", "2/model.onnx"] { try await client.delete("models/tumor/\(path)") }
            try await source.bring("tumor", to: model.path)
            #expect(read("1/model.onnx") == nil && read("2/model.onnx") == nil && read("7/model.onnx") == "seven")
            #expect(!FileManager.default.fileExists(atPath: model.appending(path: "2").path))
            try await source.bring("never", to: folder.appending(path: "never").path)
            #expect(!FileManager.default.fileExists(atPath: folder.appending(path: "never").path))
        }
    }

    @Test("The model server serves what is in the bucket, newer versions after a load, and lists what it has not loaded")
    func serve() async throws {
        let runtime = try #require(ONNXRuntime.locateLibrary(folders: [packageRoot]), "no ONNX Runtime; make sets it up")
        try await withBucket { client, folder in
            let graphs = packageRoot.appending(path: "Tests/Inference/Models")
            _ = try await client.put(file: graphs.appending(path: "affine.onnx").path, at: "affine/1/model.onnx")
            _ = try await client.put(file: graphs.appending(path: "identity.onnx").path, at: "identity/1/model.onnx")
            let source = BucketModelSource(client: client, prefix: "")
            let server = EmbeddedModelServer(
                repository: ModelRepository(folder: folder.appending(path: "models"), source: source),
                runtime: ONNXRuntime(libraryPath: runtime)
            )
            let administration = ModelAdministration(server: server, isReady: nil)
            try await server.loadAtStart(["affine"])
            let first = try await administration.index(onlyReady: false)
            #expect(first.map(\.name) == ["affine", "identity"] && first.map(\.state) == ["READY", ""])
            _ = try await client.put(file: graphs.appending(path: "affine3.onnx").path, at: "affine/2/model.onnx")
            try await server.loadAtStart(["*"])
            let all = try await administration.index(onlyReady: true)
            #expect(all.map { "\($0.name)/\($0.version)" } == ["affine/2", "identity/1"])
            let missing = await #expect(throws: PlatformError.self) { try await server.loadAtStart(["never"]) }
            #expect(missing?.message.contains("failed to poll from model repository") == true)
            await server.stop()
        }
    }

    private func withBucket(_ body: (S3Client, URL) async throws -> Void) async throws {
        let environment = ProcessInfo.processInfo.environment
        let bucket = try S3Bucket("slipway-\(UUID().uuidString.lowercased().prefix(12))", endpoint: environment["SLIPWAY_S3_ENDPOINT"] ?? "")
        let client = S3Client(bucket, credentials: try S3Credentials.find(environment: environment))
        try await withScratchFolder { folder in
            do {
                try await client.createBucket()
                try await body(client, folder)
            } catch {
                try await client.close()
                throw error
            }
            try await client.close()
        }
    }
}
