import NIOCore
import SlipwayCore
public import SlipwayGRPC
public import SlipwayInference

/// `ModelInfer` and `ModelStreamInfer`: the model server's hot path over gRPC.
public struct GRPCInfer: Sendable {
    private let dataPlane: any InferenceDataPlane

    public init(dataPlane: any InferenceDataPlane) {
        self.dataPlane = dataPlane
    }

    public func add(to methods: inout GRPCMethods) {
        methods.unary("/\(GRPCInferenceWire.service)/ModelInfer", messageBytesMax: InferenceLimits.messageBytesMax) { message, call in
            infer(message, call)
        }
        methods.exchange("/\(GRPCInferenceWire.service)/ModelStreamInfer", messageBytesMax: InferenceLimits.messageBytesMax) { message, call in
            inferStreamed(message, call)
        }
    }

    private func infer(_ message: ByteBuffer, _ call: GRPCContext) -> GRPCAnswer {
        var request: InferenceRequest
        do throws(PlatformError) {
            request = try GRPCInferenceWire.parse(message).request
        } catch {
            return .now(error.grpcReply)
        }
        request.cancellation = call.cancellation
        let pending = GRPCPendingReply(eventLoop: call.eventLoop)
        dataPlane.infer(request) { result in
            switch result {
            case .success(let response): pending.complete(GRPCReply(GRPCInferenceWire.write(response)))
            case .failure(let error): pending.complete(error.grpcReply)
            }
        }
        return pending.answer
    }

    private func inferStreamed(_ message: ByteBuffer, _ call: GRPCContext) -> GRPCAnswer {
        let refuse = { @Sendable (error: PlatformError, id: String?) in
            GRPCInferenceWire.refusal(error.grpcReply, id: id, call)
        }
        var request: InferenceRequest
        do throws(PlatformError) {
            request = try GRPCInferenceWire.parse(message).request
        } catch {
            return .now(refuse(error, GRPCInferenceWire.id(of: message)))
        }
        let id = request.id
        request.cancellation = call.cancellation
        let pending = GRPCPendingReply(eventLoop: call.eventLoop)
        dataPlane.infer(request) { result in
            switch result {
            case .success(let response): pending.complete(GRPCReply(GRPCInferenceWire.writeStreamed(response)))
            case .failure(let error): pending.complete(refuse(error, id))
            }
        }
        return pending.answer
    }
}
