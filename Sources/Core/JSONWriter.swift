extension JSONValue {
    /// The canonical bytes: keys in the order of their UTF-8, no space, shortest numbers that round-trip.
    ///
    /// Equal values give equal bytes, so digests and signatures are taken over these. Texts keep their
    /// scalars: two spellings of one character are equal to Swift, but not the same bytes. A double that
    /// is not finite has no JSON form and is written `null`.
    public var canonicalBytes: [UInt8] {
        var out: [UInt8] = []
        write(into: &out, indent: nil)
        return out
    }

    public var canonicalText: String { String(decoding: canonicalBytes, as: UTF8.self) }

    /// The same, over several lines, for people.
    public var prettyText: String {
        var out: [UInt8] = []
        write(into: &out, indent: 0)
        return String(decoding: out, as: UTF8.self)
    }

    private func write(into out: inout [UInt8], indent: Int?) {
        switch self {
        case .null: out += "null".utf8
        case .bool(let flag): out += (flag ? "true" : "false").utf8
        case .int(let number): out += String(number).utf8
        case .double(let number): out += Self.text(of: number).utf8
        case .string(let text): Self.write(text, into: &out)
        case .array(let items):
            out.append(UInt8(ascii: "["))
            for (index, item) in items.enumerated() {
                if index > 0 { out.append(UInt8(ascii: ",")) }
                Self.newLine(indent.map { $0 + 1 }, into: &out)
                item.write(into: &out, indent: indent.map { $0 + 1 })
            }
            if !items.isEmpty { Self.newLine(indent, into: &out) }
            out.append(UInt8(ascii: "]"))
        case .object(let members):
            out.append(UInt8(ascii: "{"))
            let sorted = members.sorted { Self.precedes($0.key, $1.key) }
            for (index, member) in sorted.enumerated() {
                if index > 0 { out.append(UInt8(ascii: ",")) }
                Self.newLine(indent.map { $0 + 1 }, into: &out)
                Self.write(member.key, into: &out)
                out.append(UInt8(ascii: ":"))
                if indent != nil { out.append(0x20) }
                member.value.write(into: &out, indent: indent.map { $0 + 1 })
            }
            if !members.isEmpty { Self.newLine(indent, into: &out) }
            out.append(UInt8(ascii: "}"))
        }
    }

    /// By their UTF-8, not by Swift's order of texts.
    private static func precedes(_ first: String, _ second: String) -> Bool {
        var (first, second) = (first, second)
        return first.withUTF8 { left in
            second.withUTF8 { right in
                for (one, other) in zip(left, right) where one != other { return one < other }
                return left.count < right.count
            }
        }
    }

    private static func newLine(_ indent: Int?, into out: inout [UInt8]) {
        guard let indent else { return }
        out.append(0x0A)
        out += repeatElement(0x20, count: indent * 2)
    }

    private static func text(of number: Double) -> String {
        guard number.isFinite else { return "null" }
        // The two zeros are equal, so they are written alike.
        return number == 0 ? "0.0" : number.description
    }

    private static func write(_ text: String, into out: inout [UInt8]) {
        out.append(UInt8(ascii: "\""))
        var text = text
        text.withUTF8 { bytes in
            // Most texts need no escape, and go in one piece.
            guard bytes.contains(where: { $0 < 0x20 || $0 == UInt8(ascii: "\"") || $0 == UInt8(ascii: "\\") }) else {
                out.append(contentsOf: bytes)
                return
            }
            escape(bytes, into: &out)
        }
        out.append(UInt8(ascii: "\""))
    }

    private static func escape(_ bytes: UnsafeBufferPointer<UInt8>, into out: inout [UInt8]) {
        for byte in bytes {
            switch byte {
            case UInt8(ascii: "\""): out += [UInt8(ascii: "\\"), byte]
            case UInt8(ascii: "\\"): out += [UInt8(ascii: "\\"), byte]
            case 0x0A: out += "\\n".utf8
            case 0x0D: out += "\\r".utf8
            case 0x09: out += "\\t".utf8
            case 0..<0x20: out += "\\u00\([byte].hexText)".utf8
            default: out.append(byte)
            }
        }
    }
}
