import SlipwayInference

/// What of a model's answers is counted, decided once from its signature.
///
/// The first output of whole numbers, Booleans or texts is taken for the label. Without one, the first
/// output of floating-point numbers is: with three columns or more the column of the highest number is the label, with
/// two the second is the score, otherwise each number is a score.
struct OutputObservation: Sendable {
    /// `nil`: nothing in this model's answers is a prediction that can be counted.
    let output: String?

    init(signature: ModelSignature) {
        let label = signature.outputs.first { Self.isLabel($0.type) }
        output = (label ?? signature.outputs.first { $0.type == .fp32 || $0.type == .fp64 })?.name
    }

    /// Counts the predictions of an answer, at most ``GatewayLimits/observedElementsMax`` of them.
    func count(_ outputs: [Tensor], in shard: MeterShard) {
        guard let output, let tensor = outputs.first(where: { $0.name == output }) else { return }
        switch tensor.storage {
        case .strings(let items):
            for item in items.prefix(GatewayLimits.observedElementsMax) {
                let text = item.prefix(GatewayLimits.observedLabelBytesMax)
                shard.observe(label: String(decoding: text, as: UTF8.self))
            }
        case .fixed(let bytes):
            let base = UnsafeRawPointer(bytes.pointer)
            switch tensor.type {
            case .int64: Self.labels(Int64.self, tensor, base, shard)
            case .int32: Self.labels(Int32.self, tensor, base, shard)
            case .int16: Self.labels(Int16.self, tensor, base, shard)
            case .int8: Self.labels(Int8.self, tensor, base, shard)
            case .uint64: Self.labels(UInt64.self, tensor, base, shard)
            case .uint32: Self.labels(UInt32.self, tensor, base, shard)
            case .uint16: Self.labels(UInt16.self, tensor, base, shard)
            case .uint8, .bool: Self.labels(UInt8.self, tensor, base, shard)
            case .fp32: Self.scores(Float.self, tensor, base, shard)
            case .fp64: Self.scores(Double.self, tensor, base, shard)
            case .fp16, .bf16, .bytes: break
            }
        }
    }

    /// Whether every number of the floating-point outputs is finite.
    static func isFinite(_ outputs: [Tensor]) -> Bool {
        outputs.allSatisfy { tensor in
            guard case .fixed(let bytes) = tensor.storage else { return true }
            switch tensor.type {
            case .fp32: return isFinite(UInt32.self, bytes.bytes, exponent: 0x7F80_0000)
            case .fp64: return isFinite(UInt64.self, bytes.bytes, exponent: 0x7FF0_0000_0000_0000)
            case .fp16: return isFinite(UInt16.self, bytes.bytes, exponent: 0x7C00)
            case .bf16: return isFinite(UInt16.self, bytes.bytes, exponent: 0x7F80)
            default: return true
            }
        }
    }

    /// A number is finite when its exponent's bits are not all ones: one comparison, free of branches.
    @inline(__always)
    private static func isFinite<Bits: FixedWidthInteger>(
        _ type: Bits.Type,
        _ bytes: UnsafeRawBufferPointer,
        exponent: Bits
    ) -> Bool {
        guard let base = bytes.baseAddress else { return true }
        var special: UInt8 = 0
        for index in 0..<bytes.count / MemoryLayout<Bits>.size {
            let bits = base.loadUnaligned(fromByteOffset: index * MemoryLayout<Bits>.size, as: Bits.self)
            special |= bits & exponent == exponent ? 1 : 0
        }
        return special == 0
    }

    @inline(__always)
    private static func labels<Element: FixedWidthInteger>(
        _ type: Element.Type,
        _ tensor: Tensor,
        _ base: UnsafeRawPointer,
        _ shard: MeterShard
    ) {
        for index in 0..<min(tensor.elementCount, GatewayLimits.observedElementsMax) {
            let offset = index * MemoryLayout<Element>.size
            let number = Int64(clamping: base.loadUnaligned(fromByteOffset: offset, as: Element.self))
            if let bucket = PredictionBucket(label: number) {
                shard.observe(bucket)
            } else {
                shard.observe(label: "\(number)")
            }
        }
    }

    @inline(__always)
    private static func scores<Element: BinaryFloatingPoint>(
        _ type: Element.Type,
        _ tensor: Tensor,
        _ base: UnsafeRawPointer,
        _ shard: MeterShard
    ) {
        func number(_ index: Int) -> Double {
            Double(base.loadUnaligned(fromByteOffset: index * MemoryLayout<Element>.size, as: Element.self))
        }
        let columns = tensor.shape.count >= 2 ? tensor.shape[tensor.shape.count - 1] : 1
        guard columns > 0, columns <= tensor.elementCount else { return }
        let rows = min(tensor.elementCount / columns, max(1, GatewayLimits.observedElementsMax / columns))
        for row in 0..<rows {
            let start = row * columns
            guard columns > 2 else {
                shard.observe(PredictionBucket(score: number(start + columns - 1)))
                continue
            }
            let highest = (start..<start + columns).reduce(start) { number($1) > number($0) ? $1 : $0 }
            if let bucket = PredictionBucket(label: Int64(highest - start)) {
                shard.observe(bucket)
            } else {
                shard.observe(label: "\(highest - start)")
            }
        }
    }

    private static func isLabel(_ type: DataType) -> Bool {
        switch type {
        case .bool, .int8, .int16, .int32, .int64, .uint8, .uint16, .uint32, .uint64, .bytes: true
        case .fp16, .bf16, .fp32, .fp64: false
        }
    }
}
