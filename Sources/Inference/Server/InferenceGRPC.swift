public import Logging
import NIOCore
import SlipwayCore
public import SlipwayGRPC
import SlipwayInference
import SlipwayInferenceMessages

/// `inference.GRPCInferenceService` and `grpc.health.v1.Health`: the protocol over gRPC.
public struct InferenceGRPC: Sendable {
    private let administration: ModelAdministration

    public init(_ administration: ModelAdministration) {
        self.administration = administration
    }

    /// The listener that serves all of it.
    public func server(host: String, port: Int, logger: Logger) -> GRPCServer {
        GRPCServer(name: "model server (gRPC)", host: host, port: port, methods: methods, logger: logger)
    }

    public var methods: GRPCMethods {
        var methods = GRPCMethods()
        GRPCInfer(dataPlane: administration.server).add(to: &methods)
        addHealth(to: &methods)
        addMetadata(to: &methods)
        addRepository(to: &methods)
        methods.addMissingInferenceExtensions()
        let administration = administration
        methods.addHealthService { administration.isReady }
        return methods
    }

    private func addHealth(to methods: inout GRPCMethods) {
        let administration = administration
        methods.unary(GRPCInferenceWire.path("ServerLive")) { (_: Inference_ServerLiveRequest) throws(PlatformError) in
            var response = Inference_ServerLiveResponse()
            response.live = administration.isLive
            return response
        }
        methods.unary(GRPCInferenceWire.path("ServerReady")) { (_: Inference_ServerReadyRequest) throws(PlatformError) in
            var response = Inference_ServerReadyResponse()
            response.ready = administration.isReady
            return response
        }
        methods.unary(GRPCInferenceWire.path("ModelReady")) { (request: Inference_ModelReadyRequest) throws(PlatformError) in
            var response = Inference_ModelReadyResponse()
            response.ready = administration.isReady(model: request.name, version: try ModelVersion(wire: request.version))
            return response
        }
    }

    private func addMetadata(to methods: inout GRPCMethods) {
        let administration = administration
        methods.unary(GRPCInferenceWire.path("ServerMetadata")) { (_: Inference_ServerMetadataRequest) throws(PlatformError) in
            var response = Inference_ServerMetadataResponse()
            response.name = ServerDescription.name
            response.version = ServerDescription.version
            response.extensions = ServerDescription.extensions
            return response
        }
        methods.unary(GRPCInferenceWire.path("ModelMetadata")) { (request: Inference_ModelMetadataRequest) throws(PlatformError) in
            let model = try administration.description(model: request.name, version: try ModelVersion(wire: request.version))
            var response = Inference_ModelMetadataResponse()
            response.name = model.name
            response.versions = model.versions.map { "\($0)" }
            response.platform = model.platform
            response.inputs = model.inputs.map(Inference_ModelMetadataResponse.TensorMetadata.init)
            response.outputs = model.outputs.map(Inference_ModelMetadataResponse.TensorMetadata.init)
            return response
        }
        methods.unary(GRPCInferenceWire.path("ModelConfig")) { (request: Inference_ModelConfigRequest) throws(PlatformError) in
            var response = Inference_ModelConfigResponse()
            response.config = try administration.config(model: request.name, version: try ModelVersion(wire: request.version))
            return response
        }
        methods.unary(GRPCInferenceWire.path("ModelStatistics")) { (request: Inference_ModelStatisticsRequest) throws(PlatformError) in
            let all: [VersionStatistics]
            do throws(PlatformError) {
                all = try administration.statistics(model: request.name, version: try ModelVersion(wire: request.version))
            } catch where error.code == .notFound {
                // The one call in which Triton says so.
                throw PlatformError(.invalidArgument, "requested model '\(request.name)' is not available: \(error.message)")
            }
            var response = Inference_ModelStatisticsResponse()
            response.modelStats = all.map(Inference_ModelStatistics.init)
            return response
        }
    }

    private func addRepository(to methods: inout GRPCMethods) {
        let administration = administration
        methods.task(GRPCInferenceWire.path("RepositoryIndex")) { (request: Inference_RepositoryIndexRequest) in
            var response = Inference_RepositoryIndexResponse()
            response.models = try await administration.index(onlyReady: request.ready).map { entry in
                var model = Inference_RepositoryIndexResponse.ModelIndex()
                (model.name, model.version, model.state, model.reason) = (entry.name, entry.version, entry.state, entry.reason)
                return model
            }
            return response
        }
        methods.task(
            GRPCInferenceWire.path("RepositoryModelLoad"),
            messageBytesMax: ServingLimits.loadBytesMax
        ) { (request: Inference_RepositoryModelLoadRequest) in
            let (config, files) = try LoadParameters.read(request.parameters, model: request.modelName)
            try await administration.load(model: request.modelName, config: config, files: files)
            return Inference_RepositoryModelLoadResponse()
        }
        methods.task(GRPCInferenceWire.path("RepositoryModelUnload")) { (request: Inference_RepositoryModelUnloadRequest) in
            let withDependents = request.parameters["unload_dependents"]?.boolParam ?? false
            try await administration.unload(model: request.modelName, withDependents: withDependents)
            return Inference_RepositoryModelUnloadResponse()
        }
    }
}
