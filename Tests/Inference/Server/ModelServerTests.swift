import Foundation
import SlipwayCore
import SlipwayHTTP
import SlipwayInference
import SlipwayInferenceMessages
import SlipwayONNXRuntime
import SlipwayTesting
import Testing

@testable import SlipwayInferenceServer

@Suite("Model server", .timeLimit(.minutes(2)))
struct ModelServerTests {
    private func withServer(
        memoryBytesMax: Int? = nil,
        _ body: (EmbeddedModelServer, ModelAdministration, URL) async throws -> Void
    ) async throws {
        try await withScratchFolder { folder in
            let server = EmbeddedModelServer(
                repository: ModelRepository(folder: folder),
                runtime: ONNXRuntime(libraryPath: ONNXRuntime.locateLibrary(folders: [packageRoot])),
                memoryBytesMax: memoryBytesMax
            )
            try await body(server, ModelAdministration(server: server), folder)
            await server.stop()
        }
    }

    private func put(_ graph: String, as model: String, version: Int = 1, config: String? = nil, in folder: URL) throws {
        let place = folder.appending(path: "\(model)/\(version)")
        try FileManager.default.createDirectory(at: place, withIntermediateDirectories: true)
        let source = packageRoot.appending(path: "Tests/Inference/Models/\(graph).onnx")
        try Data(contentsOf: source).write(to: place.appending(path: "model.onnx"))
        try config.map { try Data($0.utf8).write(to: folder.appending(path: "\(model)/config.pbtxt")) }
    }

    @Test("Live, ready and draining are three signals: an empty server is not ready, a draining one neither, both live")
    func readiness() async throws {
        try await withServer { server, administration, folder in
            try put("affine", as: "m", in: folder)
            #expect(administration.isLive && !administration.isReady)
            try await administration.load(model: "m")
            #expect(administration.isReady && administration.isReady(model: "m", version: nil))
            #expect(!administration.isReady(model: "m", version: try ModelVersion(2)))
            #expect(!ModelAdministration(server: server) { false }.isReady)
            server.startDraining()
            #expect(administration.isLive && !administration.isReady && !administration.isReady(model: "m", version: nil))
        }
    }

    @Test("A load over the memory cap is refused, says what could be unloaded, and what serves goes on")
    func memory() async throws {
        let room = ResidentMemory.bytes + (512 << 20)
        try await withServer(memoryBytesMax: room) { server, administration, folder in
            try put("affine", as: "small", in: folder)
            try put("affine", as: "large", in: folder)
            try await administration.load(model: "small")
            let weights = FileManager.default
            let place = folder.appending(path: "large/1/weights.bin").path
            #expect(weights.createFile(atPath: place, contents: nil))
            // Sparse: it has the size, not the blocks.
            try FileHandle(forWritingTo: URL(filePath: place)).truncate(atOffset: 64 << 30)
            let error = await #expect(throws: PlatformError.self) { try await administration.load(model: "large") }
            #expect(error?.code == .exhausted)
            #expect(error?.message.contains("load failed for model 'large'") == true)
            #expect(error?.remedy?.contains("'small' version 1 (") == true)
            #expect(administration.isReady(model: "small", version: nil))
            let state = try await administration.index(onlyReady: false).first { $0.name == "large" }?.state
            #expect(state == "UNAVAILABLE")
        }
    }

    @Test("A load by name leaves alone what the platform loaded by number")
    func origins() async throws {
        try await withServer { server, administration, folder in
            for version in 1...3 { try put("affine", as: "m", version: version, in: folder) }
            let model = try ModelName("m")
            try await server.load(try ModelVersion(1), of: model, files: [:])
            try await administration.load(model: "m")
            let ready = try await administration.index(onlyReady: true).map(\.version)
            #expect(ready == ["1", "3"])
            try await administration.load(model: "m", config: #"{"version_policy":{"specific":{"versions":[2]}}}"#)
            let later = try await administration.index(onlyReady: true).map(\.version)
            #expect(later == ["1", "2"])
        }
    }

    @Test("Either every version of a policy is ready, or none that the load added")
    func allOrNothing() async throws {
        try await withServer { _, administration, folder in
            try put("affine", as: "m", version: 1, config: "version_policy { all { } }", in: folder)
            try put("affine", as: "m", version: 2, in: folder)
            try Data("broken".utf8).write(to: folder.appending(path: "m/2/model.onnx"))
            for _ in 0..<2 {
                let error = await #expect(throws: PlatformError.self) { try await administration.load(model: "m") }
                #expect(error?.message.contains("version 2 is at UNAVAILABLE state") == true)
                #expect(!administration.isReady(model: "m", version: nil))
            }
        }
    }

    @Test("Loads and unloads of one version at once end in one session or none")
    func races() async throws {
        try await withServer { _, administration, folder in
            try put("affine", as: "m", in: folder)
            for _ in 0..<20 {
                try await withThrowingTaskGroup(of: Void.self) { group in
                    for index in 0..<8 {
                        group.addTask {
                            if index % 3 == 2 {
                                try await administration.unload(model: "m")
                            } else {
                                try await administration.load(model: "m", config: #"{"max_batch_size":\#(index + 1)}"#)
                            }
                        }
                    }
                    try await group.waitForAll()
                }
            }
            try await administration.load(model: "m")
            #expect(administration.isReady(model: "m", version: nil))
            let config = try administration.config(model: "m", version: nil)
            #expect(config.maxBatchSize == 0)
        }
    }

    @Test("A backend that is registered is found by name and by its file; another is refused by name")
    func backends() async throws {
        try await withScratchFolder { folder in
            let echo = ModelBackend(name: "echo", platform: "echo_text", otherNames: ["parrot"], modelFilename: "echo.txt", runtime: EchoRuntime())
            let server = EmbeddedModelServer(repository: ModelRepository(folder: folder), runtime: ONNXRuntime(libraryPath: nil), backends: [echo])
            let administration = ModelAdministration(server: server)
            for (model, config) in [("plain", ""), ("named", "backend: 'echo'"), ("other", "platform: 'parrot'"), ("none", "backend: 'python'")] {
                let place = folder.appending(path: "\(model)/1")
                try FileManager.default.createDirectory(at: place, withIntermediateDirectories: true)
                try Data().write(to: place.appending(path: "echo.txt"))
                if !config.isEmpty { try Data(config.utf8).write(to: folder.appending(path: "\(model)/config.pbtxt")) }
            }
            for model in ["plain", "named", "other"] {
                try await administration.load(model: model)
                let description = try administration.description(model: model, version: nil)
                #expect(description.platform == "echo_text")
            }
            let error = await #expect(throws: PlatformError.self) { try await administration.load(model: "none") }
            #expect(error?.message.contains("backend 'python' is not supported: this server has 'onnxruntime', 'echo'") == true)
            await server.stop()
        }
    }

    @Test("The metrics page passes promtool", .enabled(if: promtool != nil, "no promtool; Debian's prometheus has it"))
    func metricsLint() async throws {
        try await withServer { server, administration, folder in
            try put("affine", as: "m", in: folder)
            try await administration.load(model: "m")
            let page = InferenceMetrics(server: server).page.text
            #expect(page.contains("nv_inference_request_success{model=\"m\",version=\"1\"} 0"))
            let said = try await onThread { try lint(page) }
            // Triton's names are its own: promtool would have counters end in _total.
            let complaints = said.split(separator: "\n").filter { !$0.hasPrefix("nv_") }
            #expect(complaints.isEmpty, "\(said)")
        }
    }

    @Test("A latency falls into the smallest bucket that holds it", arguments: [(0, 0), (16_000, 0), (16_001, 1), (32_000, 1), (1_000_000, 6), (60_000_000_000, 20)])
    func buckets(nanoseconds: Int, place: Int) {
        let buckets = LatencyBuckets()
        buckets.saw(nanoseconds: nanoseconds)
        #expect(buckets.counts.firstIndex(of: 1) == place)
        #expect(LatencyBuckets.boundsSeconds.count == 20)
        if place < 20 { #expect(Double(nanoseconds) / 1e9 <= LatencyBuckets.boundsSeconds[place]) }
    }

    @Test("Batch sizes are counted each up to 64, then by powers of two", arguments: [(1, 1), (64, 64), (65, 64), (127, 64), (128, 128), (5000, 4096)])
    func batchSizes(rows: Int, counted: Int) {
        let counters = BatchCounters()
        counters.ran(rows: rows, input: 1, compute: 2, output: 3)
        let batches = counters.snapshot()
        #expect(batches.map(\.rows) == [counted])
        #expect(batches.first?.computeInfer == VersionStatistics.Duration(count: 1, nanoseconds: 2))
    }
}

private let promtool = ["/usr/bin/promtool", "/usr/local/bin/promtool"].first { FileManager.default.isExecutableFile(atPath: $0) }

private func lint(_ page: String) throws -> String {
    let process = Process()
    process.executableURL = URL(filePath: promtool ?? "")
    process.arguments = ["check", "metrics"]
    let (input, output) = (Pipe(), Pipe())
    process.standardInput = input
    process.standardError = output
    process.standardOutput = output
    try process.run()
    try input.fileHandleForWriting.write(contentsOf: Data(page.utf8))
    try input.fileHandleForWriting.close()
    let said = try output.fileHandleForReading.readToEnd() ?? Data()
    process.waitUntilExit()
    return String(decoding: said, as: UTF8.self)
}

private struct EchoRuntime: ModelRuntime {
    struct Session: ModelSession {
        let signature = ModelSignature(
            inputs: [TensorSpec(name: "x", type: .int32, shape: [-1])],
            outputs: [TensorSpec(name: "x", type: .int32, shape: [-1])]
        )

        func run(inputs: [Tensor], outputs: [String]) throws -> [Tensor] { inputs }
    }

    func open(file: String, options: SessionOptions) throws -> any ModelSession { Session() }
}
