import SlipwayCore
import SlipwayInference

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// Finds its way through JSON text without reading numbers.
///
/// Bounded by the text's end and ``InferenceLimits/depthMax``; never recursive.
struct BodyScanner {
    let bytes: UnsafeRawBufferPointer
    var offset = 0

    init(bytes: UnsafeRawBufferPointer) {
        self.bytes = bytes
    }

    func mistake(_ what: String) -> PlatformError {
        PlatformError(.invalidArgument, "the body is not valid JSON at byte \(offset): \(what)")
    }

    /// The byte at the offset, or 0 at the end.
    @inline(__always)
    var current: UInt8 { offset < bytes.count ? bytes[offset] : 0 }

    var isAtEnd: Bool { offset == bytes.count }

    @inline(__always)
    mutating func skipSpace() {
        while offset < bytes.count {
            switch bytes[offset] {
            case 0x20, 0x09, 0x0A, 0x0D: offset += 1
            default: return
            }
        }
    }

    @inline(__always)
    mutating func take(_ byte: UInt8) -> Bool {
        guard current == byte else { return false }
        offset += 1
        return true
    }

    /// Goes past a text; answers what stands between its quotes, escapes as they are.
    mutating func string() throws(PlatformError) -> Slice<UnsafeRawBufferPointer> {
        guard take(UInt8(ascii: "\"")) else { throw mistake("expected a text in quotes") }
        let start = offset
        while offset < bytes.count {
            switch bytes[offset] {
            case UInt8(ascii: "\""):
                offset += 1
                return bytes[start..<offset - 1]
            case UInt8(ascii: "\\"): offset += 2
            default: offset += 1
            }
        }
        offset = bytes.count
        throw mistake("a text that does not end")
    }

    /// Goes past a number, `true`, `false`, `null` or one of Python's `NaN` and `Infinity`.
    @inline(__always)
    mutating func scalar() throws(PlatformError) {
        let start = offset
        while offset < bytes.count {
            switch bytes[offset] {
            case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "-"), UInt8(ascii: "+"),
                UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"):
                offset += 1
                continue
            default: break
            }
            break
        }
        guard offset > start else { throw mistake("expected a value") }
        switch bytes[start] {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"): return
        default: break
        }
        let word = bytes[start..<offset]
        guard ["true", "false", "null", "NaN", "Infinity"].contains(where: { word.elementsEqual($0.utf8) }) else {
            offset = start
            throw mistake("'\(String(decoding: word.prefix(20), as: UTF8.self))' is not a value")
        }
    }

    /// Goes past one value of any kind.
    ///
    /// Only nests and texts are checked: what is skipped is either read by somebody else or ignored.
    mutating func skipValue() throws(PlatformError) {
        var depth = 0
        while true {
            skipSpace()
            switch current {
            case UInt8(ascii: "{"), UInt8(ascii: "["):
                depth += 1
                guard depth <= InferenceLimits.depthMax else {
                    throw mistake("nested deeper than \(InferenceLimits.depthMax)")
                }
                offset += 1
            case UInt8(ascii: "}"), UInt8(ascii: "]"):
                guard depth > 0 else { throw mistake("expected a value") }
                depth -= 1
                offset += 1
            case UInt8(ascii: ","), UInt8(ascii: ":"):
                guard depth > 0 else { throw mistake("expected a value") }
                offset += 1
                continue
            case UInt8(ascii: "\""): _ = try string()
            default: try scalar()
            }
            if depth == 0 { return }
        }
    }

    /// Moves to the next place where `text`, which begins with a quote, stands.
    mutating func find(_ text: StaticString) -> Bool {
        guard let base = bytes.baseAddress else { return false }
        let length = text.utf8CodeUnitCount
        while offset + length <= bytes.count {
            guard let hit = memchr(base + offset, Int32(UInt8(ascii: "\"")), bytes.count - offset) else { return false }
            offset = UnsafeRawPointer(hit) - base
            if offset + length <= bytes.count, memcmp(hit, text.utf8Start, length) == 0 { return true }
            offset += 1
        }
        return false
    }

    /// Goes past `instances`: a list of rows that are all nested alike, of numbers, Booleans or texts.
    ///
    /// - Throws: `invalid_argument` that names the row, counted from 0.
    mutating func rows() throws(PlatformError) -> InstanceRows {
        let start = offset
        var shape: [Int] = []
        var counts: [Int] = []
        var isShapeKnown = false
        guard current == UInt8(ascii: "[") else {
            throw PlatformError(.invalidArgument, "'instances' must be a list of rows")
        }
        while true {
            // A value is due here.
            skipSpace()
            if take(UInt8(ascii: "[")) {
                guard counts.count < InferenceLimits.dimensionsMax, !isShapeKnown || counts.count < shape.count else {
                    throw counts.count < InferenceLimits.dimensionsMax ? uneven(counts) : deep
                }
                counts.append(0)
                if !isShapeKnown { shape.append(0) }
                skipSpace()
                guard current != UInt8(ascii: "]") else {
                    throw PlatformError(.invalidArgument, "'instances' has an empty list at byte \(offset)")
                }
                continue
            }
            switch current {
            case UInt8(ascii: "\""): _ = try string()
            case UInt8(ascii: "{"): throw notPlain(counts)
            case UInt8(ascii: "n"):
                try scalar()
                throw notPlain(counts)
            default: try scalar()
            }
            guard counts.count == shape.count else { throw uneven(counts) }
            isShapeKnown = true
            // A value is behind us.
            while true {
                let last = counts.count - 1
                counts[last] += 1
                skipSpace()
                if take(UInt8(ascii: ",")) { break }
                guard take(UInt8(ascii: "]")) else { throw mistake("expected ',' or ']' in 'instances'") }
                if shape[last] == 0 { shape[last] = counts[last] }
                guard shape[last] == counts[last] else {
                    throw PlatformError(
                        .invalidArgument,
                        "row \(counts[0]) of 'instances' has \(counts[last]) values where others have \(shape[last])"
                    )
                }
                counts.removeLast()
                if counts.isEmpty { return InstanceRows(range: start..<offset, shape: shape) }
            }
        }
    }

    private var deep: PlatformError {
        PlatformError(.invalidArgument, "'instances' is nested deeper than \(InferenceLimits.dimensionsMax)")
    }

    private func uneven(_ counts: [Int]) -> PlatformError {
        PlatformError(.invalidArgument, "row \(counts.first ?? 0) of 'instances' is not nested like the rows before it")
    }

    private func notPlain(_ counts: [Int]) -> PlatformError {
        PlatformError(
            .invalidArgument,
            "row \(counts.first ?? 0) of 'instances' holds something else than numbers, Booleans or texts",
            remedy: "send each row as a list in the order of the model's features"
        )
    }
}
