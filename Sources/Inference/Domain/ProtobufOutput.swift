/// Writes protobuf's wire format into memory that the caller has made large enough.
struct ProtobufOutput {
    private let base: UnsafeMutableRawPointer
    private let capacity: Int
    private(set) var count = 0

    init(_ space: UnsafeMutableRawBufferPointer) {
        guard let base = space.baseAddress else { preconditionFailure("no space to write to") }
        self.base = base
        self.capacity = space.count
    }

    @inline(__always)
    mutating func put(_ byte: UInt8) {
        precondition(count < capacity)
        base.storeBytes(of: byte, toByteOffset: count, as: UInt8.self)
        count += 1
    }

    @inline(__always)
    mutating func put(_ bytes: UnsafeRawBufferPointer) {
        precondition(bytes.count <= capacity - count)
        guard let source = bytes.baseAddress else { return }
        (base + count).copyMemory(from: source, byteCount: bytes.count)
        count += bytes.count
    }

    @inline(__always)
    mutating func varint(_ value: UInt64) {
        var value = value
        while value >= 0x80 {
            put(UInt8(truncatingIfNeeded: value) | 0x80)
            value >>= 7
        }
        put(UInt8(value))
    }

    /// The head of a field whose bytes follow. Field numbers up to 15 only.
    @inline(__always)
    mutating func length(_ field: UInt8, _ count: Int) {
        put(field << 3 | 2)
        varint(UInt64(count))
    }

    /// A text; an empty one is not written, as proto3 has it.
    @inline(__always)
    mutating func text(_ field: UInt8, _ text: String) {
        guard !text.isEmpty else { return }
        var text = text
        text.withUTF8 { bytes in
            length(field, bytes.count)
            put(UnsafeRawBufferPointer(bytes))
        }
    }

    // MARK: Sizes

    @inline(__always)
    static func size(varint value: UInt64) -> Int {
        // Seven bits a byte, at least one byte.
        (64 - (value | 1).leadingZeroBitCount + 6) / 7
    }

    /// A field of that many bytes with its head.
    @inline(__always)
    static func size(part count: Int) -> Int { 1 + size(varint: UInt64(count)) + count }

    @inline(__always)
    static func size(text: String) -> Int { text.isEmpty ? 0 : size(part: text.utf8.count) }
}
