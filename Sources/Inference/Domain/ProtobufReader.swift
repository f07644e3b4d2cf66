import SlipwayCore

/// Reads protobuf's wire format in place, field by field.
///
/// For the two messages of the hot path; everything else is read by the generated code. Checks what
/// [the encoding](https://protobuf.dev/programming-guides/encoding) asks of a parser: lengths stay inside,
/// texts are UTF-8, unknown fields are skipped.
struct ProtobufReader {
    enum Wire: UInt8 {
        case varint = 0
        case fixed64 = 1
        case bytes = 2
        case groupStart = 3
        case groupEnd = 4
        case fixed32 = 5
    }

    struct Field {
        let number: Int
        let wire: Wire
    }

    let bytes: UnsafeRawBufferPointer
    private(set) var offset = 0

    init(_ bytes: UnsafeRawBufferPointer) {
        self.bytes = bytes
    }

    var isAtEnd: Bool { offset == bytes.count }

    func mistake(_ what: String) -> PlatformError {
        PlatformError(.invalidArgument, "the message cannot be read: \(what)")
    }

    /// The next field's head; `nil` at the end.
    @inline(__always)
    mutating func next() throws(PlatformError) -> Field? {
        guard offset < bytes.count else { return nil }
        let tag = try varint()
        guard let wire = Wire(rawValue: UInt8(tag & 7)), tag >> 3 > 0, tag >> 3 < 1 << 29 else {
            throw mistake("a field begins with \(tag)")
        }
        return Field(number: Int(tag >> 3), wire: wire)
    }

    @inline(__always)
    mutating func varint() throws(PlatformError) -> UInt64 {
        if offset < bytes.count, bytes[offset] < 0x80 {
            defer { offset += 1 }
            return UInt64(bytes[offset])
        }
        return try longVarint()
    }

    private mutating func longVarint() throws(PlatformError) -> UInt64 {
        var value: UInt64 = 0
        var shift: UInt64 = 0
        while offset < bytes.count {
            let byte = bytes[offset]
            offset += 1
            value |= UInt64(byte & 0x7F) << shift
            if byte < 0x80 { return value }
            shift += 7
            guard shift < 70 else { throw mistake("a number has more than ten bytes") }
        }
        throw mistake("it ends within a number")
    }

    mutating func fixed32() throws(PlatformError) -> UInt32 {
        let part = try take(4)
        return UInt32(littleEndian: part.loadUnaligned(as: UInt32.self))
    }

    mutating func fixed64() throws(PlatformError) -> UInt64 {
        let part = try take(8)
        return UInt64(littleEndian: part.loadUnaligned(as: UInt64.self))
    }

    /// The bytes of a text, a byte string, a packed field or a message.
    @inline(__always)
    mutating func part() throws(PlatformError) -> UnsafeRawBufferPointer {
        let count = try varint()
        guard count <= bytes.count - offset else { throw mistake("a field of \(count) bytes goes beyond its end") }
        return try take(Int(count))
    }

    private mutating func take(_ count: Int) throws(PlatformError) -> UnsafeRawBufferPointer {
        guard count <= bytes.count - offset else { throw mistake("it ends within a field") }
        defer { offset += count }
        return UnsafeRawBufferPointer(rebasing: bytes[offset..<offset + count])
    }

    mutating func text(bytesMax: Int) throws(PlatformError) -> String {
        let part = try part()
        guard part.count <= bytesMax else {
            throw PlatformError(.exhausted, "a name of \(part.count) bytes; at most \(bytesMax) are read")
        }
        guard let text = String(validating: part, as: UTF8.self) else { throw mistake("a text is not UTF-8") }
        return text
    }

    mutating func skip(_ field: Field) throws(PlatformError) {
        switch field.wire {
        case .varint: _ = try varint()
        case .fixed64: _ = try take(8)
        case .bytes: _ = try part()
        case .fixed32: _ = try take(4)
        case .groupStart: try skipGroup(field.number)
        case .groupEnd: throw mistake("a group ends that did not begin")
        }
    }

    private mutating func skipGroup(_ number: Int) throws(PlatformError) {
        var open = [number]
        while let last = open.last {
            guard let field = try next() else { throw mistake("it ends within a group") }
            switch field.wire {
            case .groupStart:
                guard open.count < InferenceLimits.depthMax else { throw mistake("groups nest deeper than \(InferenceLimits.depthMax)") }
                open.append(field.number)
            case .groupEnd:
                guard field.number == last else { throw mistake("another group ends than began") }
                open.removeLast()
            case .varint, .fixed64, .bytes, .fixed32: try skip(field)
            }
        }
    }
}
