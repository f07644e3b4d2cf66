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
            try await withModelServer(repository: repository) { models, ports in
                for version in [1, 2] { try await models.load(try ModelVersion(version), of: try ModelName("affine"), files: [:]) }
                try await models.loadAtStart(["identity", "log"])
                try await expectPythonSuite(
                    "Tests/Conformance/inference/test_http.py",
                    environment: ["SLIPWAY_MODEL_SERVER": "127.0.0.1:\(ports.api)"]
                )
            }
        }
    }

    @Test("The stock tritonclient: datatypes, encodings, configurations and model control", arguments: ["types", "encodings", "models", "classification"])
    func suites(name: String) async throws {
        try await withScratchFolder { folder in
            let repository = folder.appending(path: "models")
            try FileManager.default.createDirectory(at: repository, withIntermediateDirectories: true)
            try await withModelServer(repository: repository) { _, ports in
                try await expectPythonSuite(
                    "Tests/Conformance/inference/test_\(name).py",
                    environment: [
                        "SLIPWAY_MODEL_SERVER": "127.0.0.1:\(ports.api)",
                        "SLIPWAY_MODEL_METRICS": "127.0.0.1:\(ports.metrics)",
                        "SLIPWAY_MODEL_REPOSITORY": repository.path,
                    ]
                )
            }
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
            try await withModelServer(repository: folder) { models, ports in
                try await models.loadAtStart(["*"])
                try await expectPythonSuite(
                    "Tests/Conformance/inference/test_batching.py",
                    environment: ["SLIPWAY_MODEL_SERVER": "127.0.0.1:\(ports.api)"]
                )
            }
        }
    }
}

/// A model server with its listeners on free ports, for as long as `body` runs.
func withModelServer(
    repository: URL,
    memoryBytesMax: Int? = nil,
    _ body: (EmbeddedModelServer, (api: Int, metrics: Int)) async throws -> Void
) async throws {
    let runtime = ONNXRuntime(libraryPath: ONNXRuntime.locateLibrary(folders: [packageRoot]))
    let models = EmbeddedModelServer(repository: ModelRepository(folder: repository), runtime: runtime, memoryBytesMax: memoryBytesMax)
    var logger = Logger(label: "test")
    logger.logLevel = .critical
    let api = InferenceRoutes(server: models).server(host: "127.0.0.1", port: 0, logger: logger)
    let metrics = InferenceMetrics(server: models).server(host: "127.0.0.1", port: 0, logger: logger)
    try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask { try await api.run() }
        group.addTask { try await metrics.run() }
        let ports = (api: try await api.boundPort(), metrics: try await metrics.boundPort())
        try await body(models, ports)
        group.cancelAll()
    }
    await models.stop()
}
