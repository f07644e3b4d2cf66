import SlipwayCore

/// Reads the elements of `data`, nested or flat, straight into the tensor's memory.
struct TensorReader {
    var scanner: JSONScanner
    let name: String
    let type: DataType
    let count: Int

    mutating func read() throws(PlatformError) -> TensorStorage {
        switch type {
        case .fp32: .fixed(try numbers(Float.self) { s throws(PlatformError) in Float(try s.double()) })
        case .fp64: .fixed(try numbers(Double.self) { s throws(PlatformError) in try s.double() })
        case .int64: .fixed(try integers(Int64.self))
        case .int32: .fixed(try integers(Int32.self))
        case .int16: .fixed(try integers(Int16.self))
        case .int8: .fixed(try integers(Int8.self))
        case .uint64: .fixed(try numbers(UInt64.self) { s throws(PlatformError) in try s.unsigned(to: .max) })
        case .uint32: .fixed(try integers(UInt32.self))
        case .uint16: .fixed(try integers(UInt16.self))
        case .uint8: .fixed(try integers(UInt8.self))
        case .bool: .fixed(try numbers(UInt8.self) { s throws(PlatformError) in try Self.boolean(&s) })
        case .bytes: .strings(try strings())
        case .fp16, .bf16:
            throw PlatformError(
                .invalidArgument,
                "receiving \(type.rawValue) data via JSON is not supported. Please use the binary data format for input '\(name)'"
            )
        }
    }

    @inline(__always)
    private mutating func integers<Element: FixedWidthInteger & Sendable>(
        _ element: Element.Type
    ) throws(PlatformError) -> TensorBytes {
        try numbers(element) { scanner throws(PlatformError) in
            Element(truncatingIfNeeded: try scanner.integer(from: Int64(Element.min), to: Int64(Element.max)))
        }
    }

    private static func boolean(_ scanner: inout JSONScanner) throws(PlatformError) -> UInt8 {
        switch scanner.current {
        case UInt8(ascii: "t"), UInt8(ascii: "f"): try scanner.bool() ? 1 : 0
        default: UInt8(try scanner.integer(from: 0, to: 1))
        }
    }

    @inline(__always)
    private mutating func numbers<Element>(
        _ element: Element.Type,
        _ one: (inout JSONScanner) throws(PlatformError) -> Element
    ) throws(PlatformError) -> TensorBytes {
        // The text of n elements has at least 2n bytes: a small body cannot ask for much memory.
        guard count <= scanner.bytes.count / 2 + 1 else { throw wrongCount("fewer") }
        let storage = TensorBytes(count: count * MemoryLayout<Element>.stride)
        let elements = storage.pointer.bindMemory(to: Element.self, capacity: count)
        var index = 0
        var scanner = self.scanner
        try walk(&scanner) { scanner throws(PlatformError) in
            guard index < count else { throw wrongCount("more") }
            elements[index] = try one(&scanner)
            index += 1
        }
        guard index == count else { throw wrongCount("\(index)") }
        return storage
    }

    private mutating func strings() throws(PlatformError) -> [[UInt8]] {
        guard count <= scanner.bytes.count / 2 + 1 else { throw wrongCount("fewer") }
        var items: [[UInt8]] = []
        items.reserveCapacity(count)
        var scanner = self.scanner
        try walk(&scanner) { scanner throws(PlatformError) in
            guard items.count < count else { throw wrongCount("more") }
            items.append(try scanner.stringBytes(bytesMax: InferenceLimits.stringBytesMax))
        }
        guard items.count == count else { throw wrongCount("\(items.count)") }
        return items
    }

    private func wrongCount(_ found: String) -> PlatformError {
        PlatformError(.invalidArgument, "tensor '\(name)' needs \(count) elements by its shape; 'data' has \(found)")
    }

    /// Calls `leaf` at each element, through any nesting of arrays.
    @inline(__always)
    private func walk(
        _ scanner: inout JSONScanner,
        _ leaf: (inout JSONScanner) throws(PlatformError) -> Void
    ) throws(PlatformError) {
        var depth = 0
        while true {
            // A value is due here.
            scanner.skipSpace()
            if scanner.take(UInt8(ascii: "[")) {
                depth += 1
                guard depth <= InferenceLimits.depthMax else {
                    throw scanner.tooDeep
                }
                scanner.skipSpace()
                guard scanner.current == UInt8(ascii: "]") else { continue }
            } else {
                guard depth > 0 else { throw scanner.mistake("'data' must be an array") }
                try leaf(&scanner)
            }
            // A value is behind us.
            while true {
                scanner.skipSpace()
                if scanner.take(UInt8(ascii: "]")) {
                    depth -= 1
                    if depth == 0 { return }
                } else if scanner.take(UInt8(ascii: ",")) {
                    break
                } else {
                    throw scanner.mistake("expected ',' or ']' in 'data' of '\(name)'")
                }
            }
        }
    }
}
