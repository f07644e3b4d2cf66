public import NIOCore
public import SlipwayCore
public import SlipwayInference

/// Between gRPC's messages and ``InferenceMessage``.
public enum GRPCInferenceWire {
    public static let service = "inference.GRPCInferenceService"

    public static func path(_ method: String) -> String { "/\(service)/\(method)" }

    public static func parse(_ message: ByteBuffer) throws(PlatformError) -> InferenceMessage.Parsed {
        let parsed: Result<InferenceMessage.Parsed, PlatformError> = message.withUnsafeReadableBytes { bytes in
            do throws(PlatformError) { return .success(try InferenceMessage.parseRequest(bytes)) } catch { return .failure(error) }
        }
        return try parsed.get()
    }

    public static func id(of message: ByteBuffer) -> String? {
        message.withUnsafeReadableBytes { InferenceMessage.id(of: $0) }
    }

    public static func write(_ response: InferenceResponse) -> GRPCMessage {
        GRPCMessage(bytesMax: InferenceMessage.bytes(of: response)) { InferenceMessage.write(response, into: $0) }
    }

    /// One answer of a stream. Every request has exactly one, so each is its request's last.
    public static func writeStreamed(
        _ response: InferenceResponse,
        parameters extra: [(name: String, value: InferenceMessage.Parameter)] = []
    ) -> GRPCMessage {
        let parameters = [("triton_final_response", InferenceMessage.Parameter.bool(true))] + extra
        return GRPCMessage(bytesMax: InferenceMessage.streamedBytes(of: response, parameters: parameters)) {
            InferenceMessage.writeStreamed(response, parameters: parameters, into: $0)
        }
    }

    /// A request of a stream that has no answer: told in a message, and the stream goes on, unless the client
    /// asked for a status with the header `triton_grpc_error`, which ends it.
    public static func refusal(_ reply: GRPCReply, id: String?, _ call: GRPCContext) -> GRPCReply {
        if call.metadata("triton_grpc_error") == "true" { return reply }
        return GRPCReply(GRPCMessage(InferenceMessage.streamedError(reply.text, id: id)), metadata: reply.metadata)
    }
}
