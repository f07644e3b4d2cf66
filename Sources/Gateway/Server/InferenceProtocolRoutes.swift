import HTTPTypes
import Hummingbird
import SlipwayCore
import SlipwayHTTP
import SlipwayInference

/// What clients of the Open Inference Protocol ask besides `infer`, so that they can use the gateway as
/// they use a model server. Versions are those that are released, whatever else the server has.
struct InferenceProtocolRoutes: Sendable {
    let gateway: GatewayService

    func add(to router: Router<PlatformRequestContext>) {
        let v2 = router.group("v2")
        v2.get { _, _ in
            Response(json: ["name": "slipway-gateway", "version": "2", "extensions": ["binary_tensor_data"]])
        }
        v2.get("health/live") { _, _ in Response(status: .ok) }
        v2.get("health/ready") { _, _ in
            Response(status: await gateway.readinessReport().isReady ? .ok : .serviceUnavailable)
        }
        v2.get("models/:model") { _, context in await metadata(context) }
        v2.get("models/:model/versions/:version") { _, context in await metadata(context) }
        v2.get("models/:model/ready") { _, context in await ready(context) }
        v2.get("models/:model/versions/:version/ready") { _, context in await ready(context) }
    }

    private func metadata(_ context: PlatformRequestContext) async -> Response {
        do throws(PlatformError) {
            let (model, target) = try await find(context)
            return Response(json: [
                "name": .string(target.model),
                "versions": .array(model.targets.map { .string("\($0.version)") }),
                "platform": "onnxruntime_onnx",
                "inputs": .array(target.signature.inputs.map(Self.spec)),
                "outputs": .array(target.signature.outputs.map(Self.spec)),
            ])
        } catch {
            return Response(json: ["error": .string(error.message)], status: error.inferenceStatus)
        }
    }

    private func ready(_ context: PlatformRequestContext) async -> Response {
        do throws(PlatformError) {
            _ = try await find(context)
        } catch {
            return Response(json: ["error": .string(error.message)], status: .badRequest)
        }
        let report = await gateway.readinessReport()
        guard let reason = report.reason else { return Response(status: .ok) }
        return Response(json: ["error": .string(reason)], status: .badRequest)
    }

    private func find(_ context: PlatformRequestContext) async throws(PlatformError) -> (ServingModel, ServingTarget) {
        let name = context.parameters.get("model") ?? ""
        guard let model = await gateway.snapshot.models[name] else {
            throw PlatformError(.notFound, "model '\(name.prefix(200))' is not released")
        }
        guard let text = context.parameters.get("version") else { return (model, model.champion) }
        let version = try ModelVersion(text)
        guard let target = model.targets.first(where: { $0.version == version }) else {
            throw PlatformError(.notFound, "version \(version) of model '\(name.prefix(200))' is not released")
        }
        return (model, target)
    }

    private static func spec(_ tensor: TensorSpec) -> JSONValue {
        [
            "name": .string(tensor.name),
            "datatype": .string(tensor.type.rawValue),
            "shape": .array(tensor.shape.map { .int(Int64($0)) }),
        ]
    }
}
