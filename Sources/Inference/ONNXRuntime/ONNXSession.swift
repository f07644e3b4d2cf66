import CONNXRuntime
import SlipwayCore
import SlipwayInference

/// One graph, opened. ONNX Runtime's sessions may be run by several threads at once.
final class ONNXSession: ModelSession, @unchecked Sendable {
    let signature: ModelSignature
    private let session: OpaquePointer
    private let library: ONNXRuntime.Library
    /// C names that live as long as the session: name → pointer.
    private let names: [String: UnsafePointer<CChar>]

    /// Takes `session` over.
    init(session: OpaquePointer, library: ONNXRuntime.Library) throws(PlatformError) {
        var names: [String: UnsafePointer<CChar>] = [:]
        do {
            let inputs = try Self.specs(session, isOutput: false, names: &names)
            let outputs = try Self.specs(session, isOutput: true, names: &names)
            self.signature = ModelSignature(inputs: inputs, outputs: outputs)
        } catch {
            slipway_ort_session_close(session)
            throw error
        }
        self.session = session
        self.library = library
        self.names = names
    }

    deinit {
        slipway_ort_session_close(session)
    }

    func run(inputs: [Tensor], outputs: [String]) throws -> [Tensor] {
        let texts = inputs.map { JoinedStrings(of: $0.storage) }
        var values = [OpaquePointer?](repeating: nil, count: outputs.count)
        let outputNames = try outputs.map { name -> UnsafePointer<CChar>? in try cName(name) }
        // All shapes in one array: the C side points into it.
        let shapes = inputs.flatMap { $0.shape.map { Int64($0) } }
        try shapes.withUnsafeBufferPointer { shapes in
            var offset = 0
            let tensors = try zip(inputs, texts).map { input, text in
                defer { offset += input.shape.count }
                let shape = shapes.baseAddress.map { $0 + offset }
                return try cTensor(input, texts: text, shape: shape)
            }
            try check(
                slipway_ort_run(session, tensors, tensors.count, outputNames, outputNames.count, &values)
            ) { reason in PlatformError(.invalidArgument, "the model could not be run: \(reason)") }
        }
        return try withExtendedLifetime((inputs, texts)) {
            try collect(values, names: outputs)
        }
    }

    private func cName(_ name: String) throws(PlatformError) -> UnsafePointer<CChar> {
        guard let pointer = names[name] else {
            throw PlatformError(.invalidArgument, "the model has no input or output '\(name)'")
        }
        return pointer
    }

    private func cTensor(
        _ tensor: Tensor,
        texts: JoinedStrings?,
        shape: UnsafePointer<Int64>?
    ) throws(PlatformError) -> slipway_ort_tensor {
        var value = slipway_ort_tensor()
        value.name = try cName(tensor.name)
        value.element_type = ONNXElementType.number(of: tensor.type)
        value.shape = shape
        value.rank = tensor.shape.count
        switch tensor.storage {
        case .fixed(let bytes):
            value.data = bytes.pointer
            value.bytes = bytes.count
        case .strings(let items):
            value.strings = texts.map { UnsafePointer($0.bytes) }
            value.string_bytes = texts.map { UnsafePointer($0.counts) }
            value.string_count = items.count
        }
        return value
    }

    /// Wraps each value; those that follow a failure are closed by ``ONNXValue``'s deinit all the same.
    private func collect(_ values: [OpaquePointer?], names: [String]) throws -> [Tensor] {
        let owned = values.map { $0.map { ONNXValue(value: $0, library: library) } }
        return try zip(owned, names).map { value, name in
            guard let value else { throw PlatformError(.unexpected, "the model gave no output '\(name)'") }
            return try value.tensor(name: name)
        }
    }

    private static func specs(
        _ session: OpaquePointer,
        isOutput: Bool,
        names: inout [String: UnsafePointer<CChar>]
    ) throws(PlatformError) -> [TensorSpec] {
        let side: Int32 = isOutput ? 1 : 0
        var specs: [TensorSpec] = []
        for index in 0..<slipway_ort_count(session, side) {
            guard let pointer = slipway_ort_name(session, side, index) else { continue }
            let name = String(cString: pointer)
            names[name] = pointer
            guard let type = ONNXElementType.type(of: slipway_ort_type(session, side, index)) else {
                throw PlatformError(
                    .invalidArgument,
                    "\(isOutput ? "output" : "input") '\(name)' of the graph is not a tensor that can be served",
                    remedy: "export plain tensors; for scikit-learn, turn the option zipmap off"
                )
            }
            var rank = 0
            let shape = slipway_ort_shape(session, side, index, &rank)
            let dimensions = (0..<rank).map { max(Int(shape?[$0] ?? -1), -1) }
            specs.append(TensorSpec(name: name, type: type, shape: dimensions))
        }
        return specs
    }
}

/// A value that a run made, released with its last reader.
private final class ONNXValue {
    private let value: OpaquePointer
    private let library: ONNXRuntime.Library

    init(value: OpaquePointer, library: ONNXRuntime.Library) {
        self.value = value
        self.library = library
    }

    deinit {
        slipway_ort_value_close(library.handle, value)
    }

    func tensor(name: String) throws(PlatformError) -> Tensor {
        var number: Int32 = 0
        var rank = 0
        var elements = 0
        var dimensions = [Int64](repeating: 0, count: InferenceLimits.dimensionsMax)
        try check(
            slipway_ort_value_info(library.handle, value, &number, &dimensions, dimensions.count, &rank, &elements),
            failure(name)
        )
        guard let type = ONNXElementType.type(of: number) else {
            throw PlatformError(.invalidArgument, "output '\(name)' has a type that cannot be served")
        }
        let shape = dimensions[0..<rank].map { Int($0) }
        guard let width = type.width else {
            return Tensor(name: name, type: type, shape: shape, storage: .strings(try strings(elements, name: name)))
        }
        var data: UnsafeMutableRawPointer?
        try check(slipway_ort_value_data(library.handle, value, &data), failure(name))
        guard let data, elements > 0 else {
            return Tensor(name: name, type: type, shape: shape, storage: .fixed(TensorBytes(count: 0)))
        }
        let bytes = TensorBytes(borrowing: data, count: elements * width, owner: self)
        return Tensor(name: name, type: type, shape: shape, storage: .fixed(bytes))
    }

    private func strings(_ count: Int, name: String) throws(PlatformError) -> [[UInt8]] {
        guard count > 0 else { return [] }
        var length = 0
        try check(slipway_ort_value_strings_bytes(library.handle, value, &length), failure(name))
        var bytes = [UInt8](repeating: 0, count: max(length, 1))
        var offsets = [Int](repeating: 0, count: count)
        try check(
            slipway_ort_value_strings(library.handle, value, &bytes, length, &offsets, count),
            failure(name)
        )
        return (0..<count).map { index in
            let end = index + 1 < count ? offsets[index + 1] : length
            return [UInt8](bytes[offsets[index]..<end])
        }
    }

    private func failure(_ name: String) -> (String) -> PlatformError {
        { PlatformError(.unexpected, "output '\(name)' of the model could not be read: \($0)") }
    }
}

/// The elements of a BYTES tensor one after another, whatever their bytes.
private final class JoinedStrings {
    let bytes: UnsafeMutablePointer<CChar>
    let counts: UnsafeMutablePointer<Int>

    init?(of storage: TensorStorage) {
        guard case .strings(let items) = storage else { return nil }
        bytes = .allocate(capacity: max(items.reduce(0) { $0 + $1.count }, 1))
        counts = .allocate(capacity: max(items.count, 1))
        var offset = 0
        for (index, item) in items.enumerated() {
            item.withUnsafeBytes { UnsafeMutableRawPointer(bytes + offset).copyMemory(from: $0.baseAddress ?? UnsafeRawPointer(bytes), byteCount: $0.count) }
            counts[index] = item.count
            offset += item.count
        }
    }

    deinit {
        bytes.deallocate()
        counts.deallocate()
    }
}
