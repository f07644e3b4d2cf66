import Foundation
import GRPCCore
import GRPCNIOTransportHTTP2Posix
import GRPCProtobuf
import SlipwayInference
import SlipwayInferenceMessages
import SlipwayONNXRuntime

/// `grpc-rival PORT MODEL`: `ModelInfer` of one ONNX graph, as one writes it with grpc-swift-2.
@main
struct Rival {
    static func main() async throws {
        guard CommandLine.arguments.count == 3, let port = Int(CommandLine.arguments[1]) else { return print("usage: grpc-rival PORT MODEL") }
        let library = ONNXRuntime.locateLibrary(folders: [URL(filePath: FileManager.default.currentDirectoryPath)])
        let session = try ONNXRuntime(libraryPath: library).open(file: CommandLine.arguments[2])
        let server = GRPCServer(
            transport: .http2NIOPosix(address: .ipv4(host: "127.0.0.1", port: port), transportSecurity: .plaintext),
            services: [Service(session: session)]
        )
        try await server.serve()
    }
}

/// Registers its method as the generated code of a service does.
struct Service: RegistrableRPCService {
    let session: any ModelSession

    func registerMethods<Transport: ServerTransport>(with router: inout RPCRouter<Transport>) {
        router.registerHandler(
            forMethod: MethodDescriptor(fullyQualifiedService: "inference.GRPCInferenceService", method: "ModelInfer"),
            deserializer: ProtobufDeserializer<Inference_ModelInferRequest>(),
            serializer: ProtobufSerializer<Inference_ModelInferResponse>()
        ) { request, _ in
            let request = try await ServerRequest(stream: request)
            return StreamingServerResponse(single: ServerResponse(message: try infer(request.message)))
        }
    }

    private func infer(_ request: Inference_ModelInferRequest) throws -> Inference_ModelInferResponse {
        let inputs = try zip(request.inputs, request.rawInputContents).map { input, raw in
            guard let type = DataType(rawValue: input.datatype) else { throw RPCError(code: .invalidArgument, message: "datatype") }
            let bytes = TensorBytes(count: raw.count)
            raw.withUnsafeBytes { UnsafeMutableRawBufferPointer(start: bytes.pointer, count: raw.count).copyMemory(from: $0) }
            return Tensor(name: input.name, type: type, shape: input.shape.map { Int($0) }, storage: .fixed(bytes))
        }
        let outputs = try session.run(inputs: inputs, outputs: session.signature.outputs.map(\.name))
        var response = Inference_ModelInferResponse()
        response.modelName = request.modelName
        response.modelVersion = "1"
        response.id = request.id
        for output in outputs {
            guard case .fixed(let bytes) = output.storage else { continue }
            var tensor = Inference_ModelInferResponse.InferOutputTensor()
            (tensor.name, tensor.datatype, tensor.shape) = (output.name, output.type.rawValue, output.shape.map { Int64($0) })
            response.outputs.append(tensor)
            response.rawOutputContents.append(Data(bytes.bytes))
        }
        return response
    }
}
