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
            let runtime = ONNXRuntime(libraryPath: ONNXRuntime.locateLibrary(folders: [packageRoot]))
            let models = EmbeddedModelServer(repository: ModelRepository(folder: repository), runtime: runtime)
            for version in [1, 2] { try await models.load(try ModelVersion(version), of: try ModelName("affine"), files: [:]) }
            try await models.loadAtStart(["identity", "log"])
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
}
