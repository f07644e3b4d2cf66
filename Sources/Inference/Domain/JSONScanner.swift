import SlipwayCore

/// Walks over JSON text in place: no tree, no copy.
///
/// Every read is checked against the end; every nest against ``InferenceLimits/depthMax``.
struct JSONScanner {
    let bytes: UnsafeRawBufferPointer
    var offset: Int

    init(_ bytes: UnsafeRawBufferPointer, at offset: Int = 0) {
        self.bytes = bytes
        self.offset = offset
    }

    func mistake(_ what: String) -> PlatformError {
        PlatformError(.invalidArgument, "the request is not valid JSON at byte \(offset): \(what)")
    }

    var tooDeep: PlatformError { mistake("JSON nesting depth exceeds maximum allowed limit (\(InferenceLimits.depthMax))") }

    /// The byte at the offset, or 0 at the end (which no JSON text contains outside strings).
    @inline(__always)
    var current: UInt8 { offset < bytes.count ? bytes[offset] : 0 }

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

    mutating func expect(_ byte: UInt8) throws(PlatformError) {
        skipSpace()
        guard take(byte) else { throw mistake("expected '\(Character(Unicode.Scalar(byte)))'") }
    }

    /// Calls `member` for each key of an object, with the scanner at the value, which it must consume.
    mutating func object(
        _ member: (inout JSONScanner, String) throws(PlatformError) -> Void
    ) throws(PlatformError) {
        try expect(UInt8(ascii: "{"))
        skipSpace()
        if take(UInt8(ascii: "}")) { return }
        while true {
            skipSpace()
            let key = try string(bytesMax: InferenceLimits.nameBytesMax)
            try expect(UInt8(ascii: ":"))
            skipSpace()
            try member(&self, key)
            skipSpace()
            if take(UInt8(ascii: "}")) { return }
            guard take(UInt8(ascii: ",")) else { throw mistake("expected ',' or '}'") }
        }
    }

    /// Calls `item` for each element of an array, with the scanner at the element, which it must consume.
    mutating func array(_ item: (inout JSONScanner) throws(PlatformError) -> Void) throws(PlatformError) {
        try expect(UInt8(ascii: "["))
        skipSpace()
        if take(UInt8(ascii: "]")) { return }
        while true {
            skipSpace()
            try item(&self)
            skipSpace()
            if take(UInt8(ascii: "]")) { return }
            guard take(UInt8(ascii: ",")) else { throw mistake("expected ',' or ']'") }
        }
    }

    mutating func string(bytesMax: Int) throws(PlatformError) -> String {
        let raw = try stringBytes(bytesMax: bytesMax)
        guard let text = String(validating: raw, as: UTF8.self) else { throw mistake("a text that is not UTF-8") }
        return text
    }

    /// The unescaped bytes of a string.
    mutating func stringBytes(bytesMax: Int) throws(PlatformError) -> [UInt8] {
        guard take(UInt8(ascii: "\"")) else { throw mistake("expected a text in quotes") }
        let start = offset
        while offset < bytes.count, bytes[offset] >= 0x20, bytes[offset] != UInt8(ascii: "\""),
            bytes[offset] != UInt8(ascii: "\\")
        {
            offset += 1
        }
        guard offset - start <= bytesMax else { throw mistake("a text longer than \(bytesMax) bytes") }
        var text = [UInt8](bytes[start..<offset])
        while true {
            guard offset < bytes.count else { throw mistake("a text that does not end") }
            guard text.count <= bytesMax else { throw mistake("a text longer than \(bytesMax) bytes") }
            let byte = bytes[offset]
            switch byte {
            case UInt8(ascii: "\""):
                offset += 1
                return text
            case UInt8(ascii: "\\"):
                try escape(into: &text)
            case 0..<0x20:
                throw mistake("a control character in a text")
            default:
                text.append(byte)
                offset += 1
            }
        }
    }

    private mutating func escape(into text: inout [UInt8]) throws(PlatformError) {
        offset += 1
        let kind = current
        offset += 1
        switch kind {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): text.append(kind)
        case UInt8(ascii: "b"): text.append(0x08)
        case UInt8(ascii: "f"): text.append(0x0C)
        case UInt8(ascii: "n"): text.append(0x0A)
        case UInt8(ascii: "r"): text.append(0x0D)
        case UInt8(ascii: "t"): text.append(0x09)
        case UInt8(ascii: "u"):
            var code = try hex4()
            if (0xD800..<0xDC00).contains(code) {
                guard take(UInt8(ascii: "\\")), take(UInt8(ascii: "u")) else { throw mistake("half of a surrogate pair") }
                let low = try hex4()
                guard (0xDC00..<0xE000).contains(low) else { throw mistake("half of a surrogate pair") }
                code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00)
            }
            guard let scalar = Unicode.Scalar(code) else { throw mistake("half of a surrogate pair") }
            text.append(contentsOf: String(Character(scalar)).utf8)
        default: throw mistake("an unknown escape")
        }
    }

    private mutating func hex4() throws(PlatformError) -> UInt32 {
        var code: UInt32 = 0
        for _ in 0..<4 {
            let byte = current
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): code = code << 4 | UInt32(byte - 48)
            case UInt8(ascii: "a")...UInt8(ascii: "f"): code = code << 4 | UInt32(byte - 87)
            case UInt8(ascii: "A")...UInt8(ascii: "F"): code = code << 4 | UInt32(byte - 55)
            default: throw mistake("expected four hex digits")
            }
            offset += 1
        }
        return code
    }

    /// Goes past one value of any kind.
    mutating func skipValue(depth: Int = 0) throws(PlatformError) {
        guard depth <= InferenceLimits.depthMax else { throw tooDeep }
        skipSpace()
        switch current {
        case UInt8(ascii: "{"):
            try object { scanner, _ throws(PlatformError) in try scanner.skipValue(depth: depth + 1) }
        case UInt8(ascii: "["):
            try array { scanner throws(PlatformError) in try scanner.skipValue(depth: depth + 1) }
        case UInt8(ascii: "\""):
            _ = try stringBytes(bytesMax: InferenceLimits.stringBytesMax)
        case UInt8(ascii: "t"), UInt8(ascii: "f"):
            _ = try bool()
        case UInt8(ascii: "n"):
            try word("null")
        default:
            _ = try double()
        }
    }

    mutating func bool() throws(PlatformError) -> Bool {
        if current == UInt8(ascii: "t") {
            try word("true")
            return true
        }
        try word("false")
        return false
    }

    mutating func word(_ text: StaticString) throws(PlatformError) {
        let length = text.utf8CodeUnitCount
        guard offset + length <= bytes.count else { throw mistake("expected '\(text)'") }
        for index in 0..<length where bytes[offset + index] != text.utf8Start[index] {
            throw mistake("expected '\(text)'")
        }
        offset += length
    }
}
