/// Writes bytes into memory that the caller has made large enough.
///
/// Every writer here is asked for an upper bound first (``InferenceBody``), so the hot
/// path neither grows a buffer nor copies one.
struct TextOutput {
    let base: UnsafeMutableRawPointer
    let capacity: Int
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
    mutating func put(_ text: StaticString) {
        put(UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    @inline(__always)
    mutating func put(_ bytes: UnsafeRawBufferPointer) {
        precondition(bytes.count <= capacity - count)
        guard let source = bytes.baseAddress else { return }
        (base + count).copyMemory(from: source, byteCount: bytes.count)
        count += bytes.count
    }

    @inline(__always)
    mutating func putPlain(_ text: String) {
        var text = text
        text.withUTF8 { put(UnsafeRawBufferPointer($0)) }
    }

    @inline(__always)
    mutating func put(_ number: Int64) {
        var magnitude = number.magnitude
        if number < 0 { put(UInt8(ascii: "-")) }
        putDigits(&magnitude)
    }

    @inline(__always)
    mutating func put(_ number: UInt64) {
        var magnitude = number
        putDigits(&magnitude)
    }

    @inline(__always)
    private mutating func putDigits(_ magnitude: inout UInt64) {
        var width = 1
        var bound: UInt64 = 10
        while width < 20, magnitude >= bound {
            width += 1
            guard width < 20 else { break }
            bound *= 10
        }
        precondition(width <= capacity - count)
        var position = count + width
        repeat {
            position -= 1
            base.storeBytes(of: UInt8(48 + magnitude % 10), toByteOffset: position, as: UInt8.self)
            magnitude /= 10
        } while position > count
        count += width
    }

    /// The shortest decimal that reads back as the same number; `NaN` and `Infinity` bare, as Triton does.
    @inline(__always)
    mutating func put(_ number: Float) {
        if number.isFinite { putPlain(number.description) } else { putSpecial(isNaN: number.isNaN, isNegative: number < 0) }
    }

    @inline(__always)
    mutating func put(_ number: Double) {
        if number.isFinite { putPlain(number.description) } else { putSpecial(isNaN: number.isNaN, isNegative: number < 0) }
    }

    private mutating func putSpecial(isNaN: Bool, isNegative: Bool) {
        if isNaN { put("NaN") } else { put(isNegative ? "-Infinity" : "Infinity") }
    }

    /// A JSON text in quotes, out of UTF-8.
    mutating func putQuoted(_ bytes: some Sequence<UInt8>) {
        put(UInt8(ascii: "\""))
        for byte in bytes {
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"):
                put(UInt8(ascii: "\\"))
                put(byte)
            case 0..<0x20:
                put("\\u00")
                put(byte < 16 ? UInt8(ascii: "0") : UInt8(ascii: "1"))
                let low = byte & 15
                put(low < 10 ? 48 + low : 87 + low)
            default: put(byte)
            }
        }
        put(UInt8(ascii: "\""))
    }

    mutating func putQuoted(_ text: String) {
        putQuoted(text.utf8)
    }

    static func isUTF8(_ bytes: [UInt8]) -> Bool {
        bytes.allSatisfy { $0 < 0x80 } || String(validating: bytes, as: UTF8.self) != nil
    }

    static func quotedBytesMax(_ count: Int) -> Int { count * 6 + 2 }
}
