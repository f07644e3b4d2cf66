import Foundation
import Hummingbird
import Logging
import SlipwayCore
import SlipwayHTTP
import SlipwayInference
import SlipwayInferenceServer
import SlipwayONNXRuntime
import SlipwayTesting
import Testing

@Suite("Model server conformance")
struct InferenceConformanceTests {
    @Test("The stock tritonclient notices no difference")
    func tritonClient() async throws {
        try await withServer { port in
            try await expectPythonSuite(
                "Tests/Conformance/inference/test_http.py",
                environment: ["SLIPWAY_MODEL_SERVER": "127.0.0.1:\(port)"]
            )
        }
    }

    @Test("Requests of many clients run together, with the same answers; lines and deadlines have an end", .timeLimit(.minutes(5)))
    func batching() async throws {
        let waiting = "max_queue_size: 2 default_timeout_microseconds: 20000000 allow_timeout_override: true"
        let patient = "max_batch_size: 8 dynamic_batching { max_queue_delay_microseconds: 500000 }"
        let gathering = "max_batch_size: 16 dynamic_batching { max_queue_delay_microseconds: 1000 }"
        let models = [
            ("heavy", "heavy", gathering),
            ("other", "heavy", gathering),
            ("single", "heavy", "max_batch_size: 16"),
            ("tiny", "affine", patient),
            ("lonely", "affine", patient),
            ("narrow", "heavy", "max_batch_size: 4 dynamic_batching { default_queue_policy { \(waiting) } }"),
        ]
        try await withScratchFolder { folder in
            for (name, graph, config) in models {
                let place = folder.appending(path: "\(name)/1")
                try FileManager.default.createDirectory(at: place, withIntermediateDirectories: true)
                try FileManager.default.copyItem(
                    at: packageRoot.appending(path: "Tests/Inference/Models/\(graph).onnx"),
                    to: place.appending(path: "model.onnx")
                )
                try Data(config.utf8).write(to: folder.appending(path: "\(name)/config.pbtxt"))
            }
            let server = EmbeddedModelServer(repository: ModelRepository(folder: folder), runtime: runtime)
            try await server.loadAtStart(["*"])
            try await serve(server) { port in
                try await expectPythonSuite(
                    "Tests/Conformance/inference/test_batching.py",
                    environment: ["SLIPWAY_MODEL_SERVER": "127.0.0.1:\(port)"]
                )
            }
        }
    }

    private var runtime: ONNXRuntime { ONNXRuntime(libraryPath: ONNXRuntime.locateLibrary(folders: [packageRoot])) }

    private func withServer(_ body: (Int) async throws -> Void) async throws {
        try await withScratchFolder { folder in
            let repository = folder.appending(path: "models")
            for (model, version, source) in [
                ("affine", 1, "affine"), ("affine", 2, "affine3"), ("identity", 1, "identity"), ("log", 1, "log"), ("broken", 1, ""),
            ] {
                let place = repository.appending(path: "\(model)/\(version)")
                try FileManager.default.createDirectory(at: place, withIntermediateDirectories: true)
                let content = source.isEmpty
                    ? Data("not a model".utf8)
                    : try Data(contentsOf: packageRoot.appending(path: "Tests/Inference/Models/\(source).onnx"))
                try content.write(to: place.appending(path: "model.onnx"))
            }
            let models = EmbeddedModelServer(repository: ModelRepository(folder: repository), runtime: runtime)
            for version in [1, 2] { try await models.load(try ModelVersion(version), of: try ModelName("affine"), files: [:]) }
            try await models.loadAtStart(["identity", "log"])
            try await serve(models, body)
        }
    }

    /// Runs the HTTP side of `models` while `body` runs.
    private func serve(_ models: EmbeddedModelServer, _ body: (Int) async throws -> Void) async throws {
        let router = Router(context: PlatformRequestContext.self)
        InferenceRoutes(server: models).add(to: router)
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        let server = HTTPServer(
            name: "model server",
            host: "127.0.0.1",
            port: 0,
            router: router,
            fastRoutes: InferenceFastRoutes(dataPlane: models),
            logger: logger
        )
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await server.run() }
            try await body(try await server.boundPort())
            group.cancelAll()
        }
        await models.stop()
    }
}
