import NIOCore
import SlipwayCore
import SlipwayInference

/// A body that is one input's bytes: Triton's raw binary request, `Inference-Header-Content-Length: 0`.
enum RawInference {
    /// The shape comes from the model: its one variable dimension takes what the bytes give; a batch is 1.
    static func parse(
        _ body: ByteBuffer,
        model: String,
        version: ModelVersion?,
        dataPlane: any InferenceDataPlane
    ) throws(PlatformError) -> ParsedInference {
        let signature = try dataPlane.signature(model: model, version: version)
        guard signature.inputs.count == 1, let spec = signature.inputs.first else {
            throw PlatformError(
                .invalidArgument,
                "Raw request must only have 1 input (found 1) to be deduced but got \(signature.inputs.count) inputs in '\(model)' model configuration"
            )
        }
        let isBatching = dataPlane.rowsMax(model: model, version: version) > 0
        let shape = try shape(of: spec, isBatching: isBatching, bytes: body.readableBytes)
        let storage: TensorStorage
        if spec.type == .bytes {
            storage = .strings([Array(body.readableBytesView)])
        } else {
            let count = shape.reduce(1) { $0.multipliedReportingOverflow(by: $1).partialValue }
            let read = body.withUnsafeReadableBytes { bytes in
                Result { () throws(PlatformError) in try BinaryTensor.read(bytes, type: spec.type, count: count, name: spec.name, model: model) }
            }
            storage = try read.get()
        }
        let input = Tensor(name: spec.name, type: spec.type, shape: shape, storage: storage)
        return ParsedInference(
            request: InferenceRequest(model: model, version: version, inputs: [input]),
            binary: .all
        )
    }

    private static func shape(of spec: TensorSpec, isBatching: Bool, bytes: Int) throws(PlatformError) -> [Int] {
        var shape = spec.shape
        if isBatching { shape[0] = 1 }
        let variable = shape.indices.filter { shape[$0] < 0 }
        guard variable.count < 2 else {
            throw PlatformError(
                .invalidArgument,
                "The shape of the raw input '\(spec.name)' can not be deduced because there are more than one variable-sized dimension"
            )
        }
        let count = shape.filter { $0 >= 0 }.reduce(1) { $0.multipliedReportingOverflow(by: $1).partialValue }
        guard let width = spec.type.width else {
            guard variable.isEmpty, count == 1 else {
                throw PlatformError(.invalidArgument, "For BYTE datatype raw input '\(spec.name)', the model must have input shape [1]")
            }
            return shape
        }
        if let place = variable.first { shape[place] = count > 0 ? bytes / count / width : 0 }
        return shape
    }
}
