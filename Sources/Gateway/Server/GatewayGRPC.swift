import Logging
import NIOCore
public import NIOPosix
import SlipwayCore
public import SlipwayGRPC
import SlipwayInference
import SlipwayInferenceMessages
import SlipwayRouting

extension GatewayService {
    /// The gateway's gRPC listener: the same routes, meters and model server as over HTTP.
    ///
    /// - Parameter eventLoops: Those of the gateway.
    public nonisolated func grpcServer(
        host: String,
        port: Int,
        eventLoops: MultiThreadedEventLoopGroup = .singleton
    ) -> GRPCServer {
        GRPCServer(name: "gateway (gRPC)", host: host, port: port, methods: grpcMethods, eventLoops: eventLoops, logger: logger)
    }

    public nonisolated var grpcMethods: GRPCMethods { GatewayGRPC(gateway: self).methods }
}

/// `inference.GRPCInferenceService` as a gateway can answer it: `infer`, metadata and health of what is
/// released. Models are controlled and configured at the model server, through Git.
///
/// `model_name` is the route; without `model_version` the release's weights choose the variant, with it the
/// version must be a released one. The metadata `x-client-id` makes the choice sticky, and `x-variant`
/// makes it, where the release lets it. Answers say who gave them: `x-slipway-variant` and the like in the metadata,
/// or, in a stream, in the parameters of each answer.
struct GatewayGRPC: Sendable {
    let gateway: GatewayService

    var methods: GRPCMethods {
        var methods = GRPCMethods()
        addInfer(to: &methods)
        addHealth(to: &methods)
        addMetadata(to: &methods)
        for name in ["ModelConfig", "ModelStatistics", "RepositoryIndex", "RepositoryModelLoad", "RepositoryModelUnload"] {
            methods.unary(GRPCInferenceWire.path(name)) { _, _ in
                .now(GRPCReply(.unimplemented, "the gateway has no '\(name)': ask the model server"))
            }
        }
        methods.addMissingInferenceExtensions()
        return methods
    }

    // MARK: Health and metadata

    private func addHealth(to methods: inout GRPCMethods) {
        let gateway = gateway
        methods.unary(GRPCInferenceWire.path("ServerLive")) { (_: Inference_ServerLiveRequest) throws(PlatformError) in
            var response = Inference_ServerLiveResponse()
            response.live = true
            return response
        }
        methods.task(GRPCInferenceWire.path("ServerReady")) { (_: Inference_ServerReadyRequest) in
            var response = Inference_ServerReadyResponse()
            response.ready = await gateway.readinessReport().isReady
            return response
        }
        methods.task(GRPCInferenceWire.path("ModelReady")) { (request: Inference_ModelReadyRequest) in
            var response = Inference_ModelReadyResponse()
            let version = try ModelVersion(wire: request.version)
            let target = try? GatewayGRPC.released(request.name, version, in: gateway.published.current)
            if target != nil { response.ready = await gateway.readinessReport().isReady }
            return response
        }
        methods.addHealthService { gateway.isHealthy }
    }

    private func addMetadata(to methods: inout GRPCMethods) {
        let gateway = gateway
        methods.unary(GRPCInferenceWire.path("ServerMetadata")) { (_: Inference_ServerMetadataRequest) throws(PlatformError) in
            var response = Inference_ServerMetadataResponse()
            response.name = "slipway-gateway"
            response.version = "2"
            response.extensions = ["binary_tensor_data", "parameters"]
            return response
        }
        methods.unary(GRPCInferenceWire.path("ModelMetadata")) { (request: Inference_ModelMetadataRequest) throws(PlatformError) in
            let version = try ModelVersion(wire: request.version)
            let (model, target) = try Self.released(request.name, version, in: gateway.published.current)
            var response = Inference_ModelMetadataResponse()
            response.name = target.model
            response.versions = version == nil ? model.targets.map { "\($0.version)" } : ["\(target.version)"]
            response.platform = "onnxruntime_onnx"
            response.inputs = target.signature.inputs.map(Inference_ModelMetadataResponse.TensorMetadata.init)
            response.outputs = target.signature.outputs.map(Inference_ModelMetadataResponse.TensorMetadata.init)
            return response
        }
    }

    /// A released version of a model; without a version, the one with the most traffic.
    private static func released(
        _ name: String,
        _ version: ModelVersion?,
        in snapshot: RouteSnapshot
    ) throws(PlatformError) -> (ServingModel, ServingTarget) {
        guard let model = snapshot.models[name] else {
            throw PlatformError(.notFound, "model '\(name.prefix(200))' is not released")
        }
        guard let version else { return (model, model.champion) }
        guard let target = model.targets.first(where: { $0.version == version }) else {
            throw PlatformError(.notFound, "version \(version) of model '\(name.prefix(200))' is not released")
        }
        return (model, target)
    }

    // MARK: Infer

    private func addInfer(to methods: inout GRPCMethods) {
        let calls = GatewayCalls(backend: gateway.backend, published: gateway.published, unrouted: gateway.unrouted, admission: gateway.admission)
        methods.unary(GRPCInferenceWire.path("ModelInfer"), messageBytesMax: InferenceLimits.messageBytesMax) { message, call in
            calls.infer(message, call, isStreamed: false)
        }
        methods.exchange(GRPCInferenceWire.path("ModelStreamInfer"), messageBytesMax: InferenceLimits.messageBytesMax) { message, call in
            calls.infer(message, call, isStreamed: true)
        }
    }
}
