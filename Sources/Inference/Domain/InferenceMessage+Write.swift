import SlipwayCore

extension InferenceMessage {
    /// Exactly what ``write(_:parameters:into:)`` writes.
    public static func bytes(of response: InferenceResponse, parameters: [(name: String, value: Parameter)] = []) -> Int {
        var count = ProtobufOutput.size(text: response.model) + ProtobufOutput.size(text: "\(response.version.number)")
        if let id = response.id { count += ProtobufOutput.size(text: id) }
        for (name, value) in parameters { count += ProtobufOutput.size(part: entryBytes(name, value)) }
        for output in response.outputs {
            count += ProtobufOutput.size(part: headBytes(of: output))
            count += ProtobufOutput.size(part: BinaryTensor.byteCount(output))
        }
        return count
    }

    /// Writes a response, its tensors in `raw_output_contents` as Triton does.
    ///
    /// - Parameter space: At least ``bytes(of:parameters:)``.
    /// - Returns: The bytes written.
    public static func write(
        _ response: InferenceResponse,
        parameters: [(name: String, value: Parameter)] = [],
        into space: UnsafeMutableRawBufferPointer
    ) -> Int {
        var out = ProtobufOutput(space)
        write(response, parameters, &out)
        return out.count
    }

    /// Exactly what ``writeStreamed(_:parameters:into:)`` writes.
    public static func streamedBytes(of response: InferenceResponse, parameters: [(name: String, value: Parameter)] = []) -> Int {
        ProtobufOutput.size(part: bytes(of: response, parameters: parameters))
    }

    /// Writes a `ModelStreamInferResponse` that holds the response.
    public static func writeStreamed(
        _ response: InferenceResponse,
        parameters: [(name: String, value: Parameter)] = [],
        into space: UnsafeMutableRawBufferPointer
    ) -> Int {
        var out = ProtobufOutput(space)
        out.length(2, bytes(of: response, parameters: parameters))
        write(response, parameters, &out)
        return out.count
    }

    /// A `ModelStreamInferResponse` that says why there is no answer, with the id that says to what.
    public static func streamedError(_ message: String, id: String?) -> [UInt8] {
        let idBytes = id.map { ProtobufOutput.size(text: $0) } ?? 0
        let count = ProtobufOutput.size(text: message) + ProtobufOutput.size(part: idBytes)
        return [UInt8](unsafeUninitializedCapacity: count) { space, written in
            var out = ProtobufOutput(UnsafeMutableRawBufferPointer(space))
            out.text(1, message)
            out.length(2, idBytes)
            if let id { out.text(3, id) }
            written = out.count
        }
    }

    private static func write(
        _ response: InferenceResponse,
        _ parameters: [(name: String, value: Parameter)],
        _ out: inout ProtobufOutput
    ) {
        out.text(1, response.model)
        out.text(2, "\(response.version.number)")
        if let id = response.id { out.text(3, id) }
        for (name, value) in parameters { write(name, value, &out) }
        for output in response.outputs { writeHead(of: output, &out) }
        for output in response.outputs {
            out.length(6, BinaryTensor.byteCount(output))
            switch output.storage {
            case .fixed(let bytes): out.put(bytes.bytes)
            case .strings(let items):
                for item in items {
                    withUnsafeBytes(of: UInt32(item.count).littleEndian) { out.put($0) }
                    item.withUnsafeBytes { out.put($0) }
                }
            }
        }
    }

    private static func headBytes(of tensor: Tensor) -> Int {
        var count = ProtobufOutput.size(text: tensor.name) + ProtobufOutput.size(text: tensor.type.rawValue)
        if !tensor.shape.isEmpty { count += ProtobufOutput.size(part: shapeBytes(tensor.shape)) }
        return count
    }

    private static func shapeBytes(_ shape: [Int]) -> Int {
        shape.reduce(0) { $0 + ProtobufOutput.size(varint: UInt64(bitPattern: Int64($1))) }
    }

    private static func writeHead(of tensor: Tensor, _ out: inout ProtobufOutput) {
        out.length(5, headBytes(of: tensor))
        out.text(1, tensor.name)
        out.text(2, tensor.type.rawValue)
        guard !tensor.shape.isEmpty else { return }
        out.length(3, shapeBytes(tensor.shape))
        for dimension in tensor.shape { out.varint(UInt64(bitPattern: Int64(dimension))) }
    }

    private static func valueBytes(_ value: Parameter) -> Int {
        switch value {
        case .bool: 2
        case .text(let text): ProtobufOutput.size(part: text.utf8.count)
        }
    }

    private static func entryBytes(_ name: String, _ value: Parameter) -> Int {
        ProtobufOutput.size(text: name) + ProtobufOutput.size(part: valueBytes(value))
    }

    private static func write(_ name: String, _ value: Parameter, _ out: inout ProtobufOutput) {
        out.length(4, entryBytes(name, value))
        out.text(1, name)
        out.length(2, valueBytes(value))
        switch value {
        case .bool(let flag):
            out.put(1 << 3)
            out.put(flag ? 1 : 0)
        case .text(let text):
            // Written though it may be empty: it is the member of a choice.
            var text = text
            text.withUTF8 { bytes in
                out.length(3, bytes.count)
                out.put(UnsafeRawBufferPointer(bytes))
            }
        }
    }
}
