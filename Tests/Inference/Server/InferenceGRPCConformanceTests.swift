import Foundation
import Logging
import SlipwayCore
import SlipwayGRPC
import SlipwayInference
import SlipwayInferenceServer
import SlipwayONNXRuntime
import SlipwayTesting
import Testing

@Suite("Model server conformance over gRPC")
struct InferenceGRPCConformanceTests {
    @Test("The stock tritonclient and grpcio notice no difference over gRPC")
    func tritonClient() async throws {
        try await withScratchFolder { folder in
            let repository = folder.appending(path: "models")
            try tinyModels(in: repository)
            let runtime = ONNXRuntime(libraryPath: ONNXRuntime.locateLibrary(folders: [packageRoot]))
            let models = EmbeddedModelServer(repository: ModelRepository(folder: repository), runtime: runtime)
            for version in [1, 2] { try await models.load(try ModelVersion(version), of: try ModelName("affine"), files: [:]) }
            try await models.loadAtStart(["identity", "log"])
            var logger = Logger(label: "test")
            logger.logLevel = .critical
            let server = InferenceGRPC(ModelAdministration(server: models)).server(host: "127.0.0.1", port: 0, logger: logger)
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { try await server.run() }
                let port = try await server.boundPort()
                try await expectPythonSuite(
                    "Tests/Conformance/inference/test_grpc.py",
                    environment: ["SLIPWAY_MODEL_SERVER_GRPC": "127.0.0.1:\(port)"]
                )
                group.cancelAll()
            }
            await models.stop()
        }
    }

    /// `affine` in two versions, `identity`, `log`, and `broken`, which is no graph.
    private func tinyModels(in repository: URL) throws {
        let models: [(model: String, version: Int, source: String)] = [
            ("affine", 1, "affine"), ("affine", 2, "affine3"), ("identity", 1, "identity"), ("log", 1, "log"), ("broken", 1, ""),
        ]
        for (model, version, source) in models {
            let place = repository.appending(path: "\(model)/\(version)")
            try FileManager.default.createDirectory(at: place, withIntermediateDirectories: true)
            let content =
                source.isEmpty
                ? Data("not a model".utf8) : try Data(contentsOf: packageRoot.appending(path: "Tests/Inference/Models/\(source).onnx"))
            try content.write(to: place.appending(path: "model.onnx"))
        }
    }
}
