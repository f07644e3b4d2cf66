import SlipwayCore
import SlipwayInference

/// A message between server and worker: 12 bytes that say how long it is, then a body of the Open Inference
/// Protocol, JSON before binary data.
///
/// The first four bytes are the JSON's length and the other eight the whole body's, little-endian.
enum WorkerFrame {
    static let headBytes = 12

    struct Head: Equatable {
        let jsonBytes: Int
        let bodyBytes: Int
    }

    /// - Throws: ``WorkerFailure/nonsense(_:)`` when the lengths contradict each other or the limit.
    static func head(_ bytes: UnsafeRawBufferPointer) throws(WorkerFailure) -> Head {
        guard bytes.count == headBytes else { throw .nonsense("its head has \(bytes.count) bytes") }
        let json = UInt32(littleEndian: bytes.loadUnaligned(as: UInt32.self))
        let body = UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: 4, as: UInt64.self))
        guard body <= UInt64(PyfuncLimits.frameBytesMax) else { throw .nonsense("it has \(body) bytes") }
        guard UInt64(json) <= body else { throw .nonsense("its JSON is longer than itself") }
        return Head(jsonBytes: Int(json), bodyBytes: Int(body))
    }

    /// The frame of a request: the bytes to send, of which there may be more memory behind.
    ///
    /// - Throws: `exhausted` when the request is larger than a frame may be.
    static func written(_ request: InferenceRequest) throws(PlatformError) -> (memory: TensorBytes, count: Int) {
        let bytesMax = InferenceBody.bytesMax(of: request, isBinary: true)
        guard bytesMax <= PyfuncLimits.frameBytesMax else {
            throw PlatformError(
                .exhausted,
                "the run's tensors have more than the \(PyfuncLimits.frameBytesMax) bytes that a worker takes",
                remedy: "send fewer rows, or lower max_batch_size"
            )
        }
        let memory = TensorBytes(count: headBytes + bytesMax)
        let space = UnsafeMutableRawBufferPointer(start: memory.pointer + headBytes, count: bytesMax)
        let body = InferenceBody.write(request, isBinary: true, into: space)
        memory.pointer.storeBytes(of: UInt32(body.jsonBytes ?? body.bytes).littleEndian, as: UInt32.self)
        memory.pointer.storeBytes(of: UInt64(body.bytes).littleEndian, toByteOffset: 4, as: UInt64.self)
        return (memory, headBytes + body.bytes)
    }

    /// What a worker sent: the signature, an error, or outputs.
    struct Body {
        let memory: TensorBytes
        let jsonBytes: Int

        var json: JSONValue {
            get throws(PlatformError) {
                try JSONValue(parsing: [UInt8](memory.bytes.prefix(jsonBytes)))
            }
        }

        /// The outputs of a run.
        ///
        /// - Throws: What the model or MLflow says when the body is an error.
        func outputs() throws(PlatformError) -> [Tensor] {
            if memory.bytes.prefix(jsonBytes).starts(with: Array("{\"error\"".utf8)) { throw try failure() }
            return try InferenceBody.parseResponse(memory.bytes, jsonBytes: jsonBytes).outputs
        }

        func signature() throws(PlatformError) -> ModelSignature {
            let json = try json
            guard let signature = json["signature"] else { throw try failure() }
            return ModelSignature(inputs: try Self.specs(signature["inputs"]), outputs: try Self.specs(signature["outputs"]))
        }

        private static func specs(_ json: JSONValue?) throws(PlatformError) -> [TensorSpec] {
            var specs: [TensorSpec] = []
            for item in json?.arrayValue ?? [] {
                guard let name = item["name"]?.stringValue, let type = (item["datatype"]?.stringValue).flatMap(DataType.init),
                    let shape = item["shape"]?.arrayValue
                else { throw PlatformError(.unexpected, "a worker told a signature that cannot be read") }
                specs.append(TensorSpec(name: name, type: type, shape: shape.map { Int(clamping: $0.intValue ?? -1) }))
            }
            return specs
        }

        private func failure() throws(PlatformError) -> PlatformError {
            let json = try json
            let code = (json["code"]?.stringValue).flatMap(PlatformError.Code.init) ?? .unexpected
            return PlatformError(code, json["error"]?.stringValue ?? "the worker failed", remedy: json["remedy"]?.stringValue)
        }
    }
}
