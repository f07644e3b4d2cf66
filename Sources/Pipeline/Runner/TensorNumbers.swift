import SlipwayCore
import SlipwayInference

extension Tensor {
    /// Every element as a double; integers above 2^53 lose digits.
    ///
    /// - Throws: `invalid_argument` for texts and half precision.
    func doubles() throws(PlatformError) -> [Double] {
        guard case .fixed(let bytes) = storage else {
            throw PlatformError(.invalidArgument, "tensor '\(name)' holds texts, not numbers")
        }
        switch type {
        case .fp32: return Self.read(bytes, elementCount, Float.self) { Double($0) }
        case .fp64: return Self.read(bytes, elementCount, Double.self) { $0 }
        case .int8: return Self.read(bytes, elementCount, Int8.self) { Double($0) }
        case .int16: return Self.read(bytes, elementCount, Int16.self) { Double($0) }
        case .int32: return Self.read(bytes, elementCount, Int32.self) { Double($0) }
        case .int64: return Self.read(bytes, elementCount, Int64.self) { Double($0) }
        case .bool, .uint8: return Self.read(bytes, elementCount, UInt8.self) { Double($0) }
        case .uint16: return Self.read(bytes, elementCount, UInt16.self) { Double($0) }
        case .uint32: return Self.read(bytes, elementCount, UInt32.self) { Double($0) }
        case .uint64: return Self.read(bytes, elementCount, UInt64.self) { Double($0) }
        case .fp16, .bf16, .bytes:
            throw PlatformError(
                .invalidArgument,
                "tensor '\(name)' of type \(type.rawValue) cannot be compared as numbers"
            )
        }
    }

    /// A tensor of numbers.
    ///
    /// - Throws: `invalid_argument` when the type is no number's or an element does not fit it.
    init(name: String, type: DataType, shape: [Int], doubles: [Double]) throws(PlatformError) {
        let bytes: TensorBytes
        switch type {
        case .fp32: bytes = Self.write(doubles) { Float($0) }
        case .fp64: bytes = Self.write(doubles) { $0 }
        case .int8: bytes = try Self.writeIntegers(doubles, Int8.self, name)
        case .int16: bytes = try Self.writeIntegers(doubles, Int16.self, name)
        case .int32: bytes = try Self.writeIntegers(doubles, Int32.self, name)
        case .int64: bytes = try Self.writeIntegers(doubles, Int64.self, name)
        case .bool, .uint8: bytes = try Self.writeIntegers(doubles, UInt8.self, name)
        case .uint16: bytes = try Self.writeIntegers(doubles, UInt16.self, name)
        case .uint32: bytes = try Self.writeIntegers(doubles, UInt32.self, name)
        case .uint64: bytes = try Self.writeIntegers(doubles, UInt64.self, name)
        case .fp16, .bf16, .bytes:
            throw PlatformError(
                .invalidArgument,
                "tensor '\(name)' of type \(type.rawValue) cannot be made from numbers"
            )
        }
        self.init(name: name, type: type, shape: shape, storage: .fixed(bytes))
    }

    private static func read<Element>(
        _ bytes: TensorBytes,
        _ count: Int,
        _ element: Element.Type,
        _ convert: (Element) -> Double
    ) -> [Double] {
        precondition(bytes.count >= count * MemoryLayout<Element>.stride)
        return (0..<count).map { index in
            convert(
                bytes.pointer.loadUnaligned(fromByteOffset: index * MemoryLayout<Element>.stride, as: element)
            )
        }
    }

    private static func write<Element>(_ doubles: [Double], _ convert: (Double) -> Element) -> TensorBytes {
        let bytes = TensorBytes(count: doubles.count * MemoryLayout<Element>.stride)
        for (index, value) in doubles.enumerated() {
            bytes.pointer.storeBytes(
                of: convert(value),
                toByteOffset: index * MemoryLayout<Element>.stride,
                as: Element.self
            )
        }
        return bytes
    }

    private static func writeIntegers<Element: FixedWidthInteger>(
        _ doubles: [Double],
        _ element: Element.Type,
        _ name: String
    ) throws(PlatformError) -> TensorBytes {
        let bytes = TensorBytes(count: doubles.count * MemoryLayout<Element>.stride)
        for (index, value) in doubles.enumerated() {
            guard let whole = Element(exactly: value) else {
                throw PlatformError(
                    .invalidArgument,
                    "\(value) is not a whole number that fits tensor '\(name)'"
                )
            }
            bytes.pointer.storeBytes(
                of: whole,
                toByteOffset: index * MemoryLayout<Element>.stride,
                as: Element.self
            )
        }
        return bytes
    }
}
