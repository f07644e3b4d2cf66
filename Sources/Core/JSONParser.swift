extension JSONValue {
    /// Parses one JSON text (RFC 8259).
    ///
    /// - Parameter depthMax: How many arrays and objects may stand inside one another.
    /// - Throws: ``PlatformError/Code/invalidArgument`` with the byte offset at which reading stopped:
    ///   bad syntax, bad UTF-8, a duplicate key, a nest deeper than `depthMax`, a number beyond a double, or
    ///   anything after the value.
    public init(
        parsing bytes: some Collection<UInt8>,
        depthMax: Int = Limits.jsonDepthMax
    ) throws(PlatformError) {
        let parsed = bytes.withContiguousStorageIfAvailable { Self.parse($0, depthMax: depthMax) }
        self = try (parsed ?? Array(bytes).withUnsafeBufferPointer { Self.parse($0, depthMax: depthMax) }).get()
    }

    private static func parse(_ bytes: UnsafeBufferPointer<UInt8>, depthMax: Int) -> Result<JSONValue, PlatformError> {
        var parser = JSONParser(bytes: bytes, depthMax: depthMax)
        do throws(PlatformError) {
            return .success(try parser.parseWhole())
        } catch {
            return .failure(error)
        }
    }

    public init(parsing text: String) throws(PlatformError) {
        try self.init(parsing: Array(text.utf8))
    }
}

private struct JSONParser {
    /// Room for this many before a dictionary grows: what most objects of our protocols have.
    private static let membersUsually = 5

    /// So many digits cannot overflow.
    private static let digitsAlwaysInt64 = 18

    /// Not owned: the parser lives no longer than the caller lends them.
    let bytes: UnsafeBufferPointer<UInt8>
    let depthMax: Int
    var offset = 0

    init(bytes: UnsafeBufferPointer<UInt8>, depthMax: Int) {
        self.bytes = bytes
        self.depthMax = depthMax
    }

    mutating func parseWhole() throws(PlatformError) -> JSONValue {
        let value = try parseValue(depth: 0)
        skipSpace()
        guard offset == bytes.count else { throw mistake("something follows the value") }
        return value
    }

    func mistake(_ what: String) -> PlatformError {
        PlatformError(.invalidArgument, "not valid JSON at byte \(offset): \(what)")
    }

    mutating func skipSpace() {
        while offset < bytes.count {
            switch bytes[offset] {
            case 0x20, 0x09, 0x0A, 0x0D: offset += 1
            default: return
            }
        }
    }

    mutating func parseValue(depth: Int) throws(PlatformError) -> JSONValue {
        skipSpace()
        guard offset < bytes.count else { throw mistake("the text ends where a value should be") }
        switch bytes[offset] {
        case UInt8(ascii: "{"): return try parseObject(depth: depth + 1)
        case UInt8(ascii: "["): return try parseArray(depth: depth + 1)
        case UInt8(ascii: "\""): return .string(try parseString())
        case UInt8(ascii: "t"): return try parseWord("true", .bool(true))
        case UInt8(ascii: "f"): return try parseWord("false", .bool(false))
        case UInt8(ascii: "n"): return try parseWord("null", .null)
        default: return try parseNumber()
        }
    }

    mutating func parseWord(_ word: StaticString, _ value: JSONValue) throws(PlatformError) -> JSONValue {
        let length = word.utf8CodeUnitCount
        guard offset + length <= bytes.count,
            (0..<length).allSatisfy({ bytes[offset + $0] == word.utf8Start[$0] })
        else { throw mistake("expected '\(word)'") }
        offset += length
        return value
    }

    mutating func parseObject(depth: Int) throws(PlatformError) -> JSONValue {
        guard depth <= depthMax else { throw mistake("nested deeper than \(depthMax)") }
        offset += 1
        var members = [String: JSONValue](minimumCapacity: Self.membersUsually)
        skipSpace()
        if take("}") { return .object(members) }
        while true {
            skipSpace()
            guard offset < bytes.count, bytes[offset] == UInt8(ascii: "\"") else { throw mistake("expected a key") }
            let key = try parseString()
            skipSpace()
            guard take(":") else { throw mistake("expected ':'") }
            let value = try parseValue(depth: depth)
            guard members.updateValue(value, forKey: key) == nil else { throw mistake("duplicate key '\(key.prefix(80))'") }
            skipSpace()
            if take("}") { return .object(members) }
            guard take(",") else { throw mistake("expected ',' or '}'") }
        }
    }

    mutating func parseArray(depth: Int) throws(PlatformError) -> JSONValue {
        guard depth <= depthMax else { throw mistake("nested deeper than \(depthMax)") }
        offset += 1
        var items: [JSONValue] = []
        skipSpace()
        if take("]") { return .array(items) }
        while true {
            items.append(try parseValue(depth: depth))
            skipSpace()
            if take("]") { return .array(items) }
            guard take(",") else { throw mistake("expected ',' or ']'") }
        }
    }

    mutating func take(_ character: Unicode.Scalar) -> Bool {
        guard offset < bytes.count, bytes[offset] == UInt8(ascii: character) else { return false }
        offset += 1
        return true
    }

    mutating func parseString() throws(PlatformError) -> String {
        offset += 1
        let start = offset
        while offset < bytes.count, bytes[offset] != UInt8(ascii: "\""), bytes[offset] != UInt8(ascii: "\\") {
            guard bytes[offset] >= 0x20 else { throw mistake("a control character in a string") }
            offset += 1
        }
        if offset < bytes.count, bytes[offset] == UInt8(ascii: "\"") {
            defer { offset += 1 }
            return try utf8(UnsafeBufferPointer(rebasing: bytes[start..<offset]))
        }
        var text = Array(bytes[start..<offset])
        while true {
            guard offset < bytes.count else { throw mistake("a string that does not end") }
            let byte = bytes[offset]
            if byte == UInt8(ascii: "\"") { break }
            if byte == UInt8(ascii: "\\") {
                try parseEscape(into: &text)
            } else {
                guard byte >= 0x20 else { throw mistake("a control character in a string") }
                text.append(byte)
                offset += 1
            }
        }
        offset += 1
        return try utf8(text)
    }

    private func utf8(_ text: some Sequence<UInt8>) throws(PlatformError) -> String {
        guard let string = String(validating: text, as: UTF8.self) else { throw mistake("a string that is not UTF-8") }
        return string
    }

    mutating func parseEscape(into text: inout [UInt8]) throws(PlatformError) {
        offset += 1
        guard offset < bytes.count else { throw mistake("a string that does not end") }
        let escape = bytes[offset]
        offset += 1
        switch escape {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): text.append(escape)
        case UInt8(ascii: "b"): text.append(0x08)
        case UInt8(ascii: "f"): text.append(0x0C)
        case UInt8(ascii: "n"): text.append(0x0A)
        case UInt8(ascii: "r"): text.append(0x0D)
        case UInt8(ascii: "t"): text.append(0x09)
        case UInt8(ascii: "u"): try parseUnicodeEscape(into: &text)
        default: throw mistake("an unknown escape")
        }
    }

    mutating func parseUnicodeEscape(into text: inout [UInt8]) throws(PlatformError) {
        var code = UInt32(try parseHex4())
        if (0xD800..<0xDC00).contains(code) {
            guard take("\\"), take("u") else { throw mistake("half of a surrogate pair") }
            let low = UInt32(try parseHex4())
            guard (0xDC00..<0xE000).contains(low) else { throw mistake("half of a surrogate pair") }
            code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00)
        }
        guard let scalar = Unicode.Scalar(code) else { throw mistake("half of a surrogate pair") }
        text.append(contentsOf: String(Character(scalar)).utf8)
    }

    mutating func parseHex4() throws(PlatformError) -> UInt16 {
        guard offset + 4 <= bytes.count,
            let value = UInt16(String(decoding: bytes[offset..<offset + 4], as: UTF8.self), radix: 16),
            ![UInt8(ascii: "+"), UInt8(ascii: "-")].contains(bytes[offset])
        else { throw mistake("expected four hex digits") }
        offset += 4
        return value
    }

    mutating func parseNumber() throws(PlatformError) -> JSONValue {
        let start = offset
        let isNegative = take("-")
        let digits = offset
        takeDigits()
        guard offset > digits else { throw mistake(isNegative ? "expected digits" : "expected a value") }
        guard bytes[digits] != UInt8(ascii: "0") || offset == digits + 1 else { throw mistake("a leading zero") }
        var isInteger = true
        if take(".") {
            isInteger = false
            let fraction = offset
            takeDigits()
            guard offset > fraction else { throw mistake("expected digits after '.'") }
        }
        if take("e") || take("E") {
            isInteger = false
            if !take("+") { _ = take("-") }
            let exponent = offset
            takeDigits()
            guard offset > exponent else { throw mistake("expected digits in the exponent") }
        }
        if isInteger, offset - digits <= Self.digitsAlwaysInt64 {
            var number: Int64 = 0
            for byte in bytes[digits..<offset] { number = number * 10 + Int64(byte - UInt8(ascii: "0")) }
            return .int(isNegative ? -number : number)
        }
        let text = String(decoding: bytes[start..<offset], as: UTF8.self)
        if isInteger, let number = Int64(text) { return .int(number) }
        guard let number = Double(text), number.isFinite else { throw mistake("a number beyond a double") }
        return .double(number)
    }

    mutating func takeDigits() {
        while offset < bytes.count, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(bytes[offset]) { offset += 1 }
    }
}
