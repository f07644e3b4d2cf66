public import SlipwayCore

/// The binary form of a tensor: little-endian elements; BYTES elements behind a 4-byte length each.
///
/// Follows Triton's binary tensor data extension.
public enum BinaryTensor {
    /// - Throws: `invalid_argument` that names the tensor when the bytes are not `count` elements of `type`.
    public static func read(
        _ part: UnsafeRawBufferPointer,
        type: DataType,
        count: Int,
        name: String,
        model: String
    ) throws(PlatformError) -> TensorStorage {
        guard let width = type.width else { return .strings(try readStrings(part, count: count, name: name, model: model)) }
        guard part.count == count * width else {
            throw PlatformError(
                .invalidArgument,
                "input byte size mismatch for input '\(name)'. Expected \(count * width), got \(part.count)"
            )
        }
        let storage = TensorBytes(count: part.count)
        if let source = part.baseAddress { storage.pointer.copyMemory(from: source, byteCount: part.count) }
        if type == .bool {
            for offset in 0..<part.count where storage.bytes[offset] > 1 {
                throw PlatformError(.invalidArgument, "tensor '\(name)' has a BOOL that is neither 0 nor 1")
            }
        }
        return .fixed(storage)
    }

    private static func readStrings(
        _ part: UnsafeRawBufferPointer,
        count: Int,
        name: String,
        model: String
    ) throws(PlatformError) -> [[UInt8]] {
        var items: [[UInt8]] = []
        var offset = 0
        while offset < part.count {
            guard items.count < count else {
                throw PlatformError(
                    .invalidArgument,
                    "unexpected number of string elements \(count + 1) for inference input '\(name)' for model '\(model)', expecting \(count)"
                )
            }
            guard offset + 4 <= part.count else { throw brokenString(name, model) }
            let length = Int(UInt32(littleEndian: part.loadUnaligned(fromByteOffset: offset, as: UInt32.self)))
            offset += 4
            guard length <= part.count - offset else { throw brokenString(name, model) }
            items.append([UInt8](part[offset..<offset + length]))
            offset += length
        }
        guard items.count == count else {
            throw PlatformError(
                .invalidArgument,
                "expected \(count) string elements for inference input '\(name)' for model '\(model)', got \(items.count)"
            )
        }
        return items
    }

    private static func brokenString(_ name: String, _ model: String) -> PlatformError {
        PlatformError(
            .invalidArgument,
            "incomplete string data for inference input '\(name)' for model '\(model)': each element is its 4-byte length and that many bytes"
        )
    }

    static func byteCount(_ tensor: Tensor) -> Int {
        switch tensor.storage {
        case .fixed(let bytes): bytes.count
        case .strings(let items): items.reduce(0) { $0 + 4 + $1.count }
        }
    }

    static func write(_ tensor: Tensor, into out: inout TextOutput) {
        switch tensor.storage {
        case .fixed(let bytes): out.put(bytes.bytes)
        case .strings(let items):
            for item in items {
                withUnsafeBytes(of: UInt32(item.count).littleEndian) { out.put($0) }
                item.withUnsafeBytes { out.put($0) }
            }
        }
    }
}
