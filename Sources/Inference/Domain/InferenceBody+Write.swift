public import SlipwayCore

/// How many bytes a written body has.
public struct WrittenBody: Sendable, Equatable {
    public let bytes: Int
    /// What `Inference-Header-Content-Length` must say; `nil` when there is no binary part.
    public let jsonBytes: Int?
}

extension InferenceBody {
    /// Why a response cannot be written as it was asked for: outputs that have no JSON form.
    public static func refusal(of response: InferenceResponse, binary: BinaryOutputs) -> PlatformError? {
        for output in response.outputs where !binary.wants(output.name) {
            let reason: String
            switch output.type {
            case .fp16, .bf16: reason = "sending \(output.type.rawValue) data via JSON is not supported"
            case .bytes:
                guard case .strings(let items) = output.storage, !items.allSatisfy(TextOutput.isUTF8) else { continue }
                reason = "sending BYTES data that is not UTF-8 via JSON is not supported"
            default: continue
            }
            return PlatformError(.invalidArgument, "\(reason). Please use the binary data format for output '\(output.name)'")
        }
        return nil
    }

    /// An upper bound of what ``write(_:binary:into:)`` writes.
    public static func bytesMax(of response: InferenceResponse, binary: BinaryOutputs) -> Int {
        var count = 128 + TextOutput.quotedBytesMax(response.model.utf8.count)
        count += response.id.map { TextOutput.quotedBytesMax($0.utf8.count) } ?? 0
        for output in response.outputs { count += bytesMax(of: output, isBinary: binary.wants(output.name)) }
        return count
    }

    /// Writes a response: JSON, then the binary outputs in order.
    ///
    /// - Parameter space: At least ``bytesMax(of:binary:)`` bytes.
    public static func write(
        _ response: InferenceResponse,
        binary: BinaryOutputs,
        into space: UnsafeMutableRawBufferPointer
    ) -> WrittenBody {
        var out = TextOutput(space)
        out.put("{\"model_name\":")
        out.putQuoted(response.model)
        out.put(",\"model_version\":\"")
        out.put(Int64(response.version.number))
        out.put("\"")
        if let id = response.id {
            out.put(",\"id\":")
            out.putQuoted(id)
        }
        out.put(",\"outputs\":")
        return finish(&out, tensors: response.outputs) { binary.wants($0.name) }
    }

    /// An upper bound of what ``write(_:isBinary:into:)`` writes.
    public static func bytesMax(of request: InferenceRequest, isBinary: Bool) -> Int {
        var count = 128 + (request.id.map { TextOutput.quotedBytesMax($0.utf8.count) } ?? 0)
        for name in request.outputs { count += TextOutput.quotedBytesMax(name.utf8.count) + 16 }
        for input in request.inputs { count += bytesMax(of: input, isBinary: isBinary) }
        return count
    }

    /// Writes a request, as a client of a model server sends it.
    public static func write(
        _ request: InferenceRequest,
        isBinary: Bool,
        into space: UnsafeMutableRawBufferPointer
    ) -> WrittenBody {
        var out = TextOutput(space)
        out.put("{")
        if let id = request.id {
            out.put("\"id\":")
            out.putQuoted(id)
            out.put(",")
        }
        if isBinary { out.put("\"parameters\":{\"binary_data_output\":true},") }
        if !request.outputs.isEmpty {
            out.put("\"outputs\":[")
            for (index, name) in request.outputs.enumerated() {
                if index > 0 { out.put(",") }
                out.put("{\"name\":")
                out.putQuoted(name)
                out.put("}")
            }
            out.put("],")
        }
        out.put("\"inputs\":")
        return finish(&out, tensors: request.inputs) { _ in isBinary }
    }

    private static func finish(
        _ out: inout TextOutput,
        tensors: [Tensor],
        isBinary: (Tensor) -> Bool
    ) -> WrittenBody {
        out.put("[")
        var hasBinary = false
        for (index, tensor) in tensors.enumerated() {
            if index > 0 { out.put(",") }
            let binary = isBinary(tensor) || tensor.type == .fp16 || tensor.type == .bf16
            hasBinary = hasBinary || binary
            writeHead(of: tensor, into: &out)
            if binary {
                out.put(",\"parameters\":{\"binary_data_size\":")
                out.put(Int64(BinaryTensor.byteCount(tensor)))
                out.put("}}")
            } else {
                out.put(",\"data\":[")
                TensorWriter.writeElements(of: tensor, into: &out)
                out.put("]}")
            }
        }
        out.put("]}")
        let jsonBytes = out.count
        guard hasBinary else { return WrittenBody(bytes: out.count, jsonBytes: nil) }
        for tensor in tensors where isBinary(tensor) || tensor.type == .fp16 || tensor.type == .bf16 {
            BinaryTensor.write(tensor, into: &out)
        }
        return WrittenBody(bytes: out.count, jsonBytes: jsonBytes)
    }

    private static func writeHead(of tensor: Tensor, into out: inout TextOutput) {
        out.put("{\"name\":")
        out.putQuoted(tensor.name)
        out.put(",\"datatype\":\"")
        out.putPlain(tensor.type.rawValue)
        out.put("\",\"shape\":[")
        for (index, dimension) in tensor.shape.enumerated() {
            if index > 0 { out.put(",") }
            out.put(Int64(dimension))
        }
        out.put("]")
    }

    private static func bytesMax(of tensor: Tensor, isBinary: Bool) -> Int {
        let head = 128 + TextOutput.quotedBytesMax(tensor.name.utf8.count) + tensor.shape.count * 21
        return head + (isBinary ? BinaryTensor.byteCount(tensor) : TensorWriter.bytesMax(of: tensor))
    }
}
