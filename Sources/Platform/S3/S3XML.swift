import SlipwayCore

/// The few elements that S3 answers with: names without their prefix, text, children.
///
/// Reads a small part of XML on purpose: a document type, and with it every entity of one's own, is refused.
struct S3XML: Equatable {
    var name: String
    var text = ""
    var children: [S3XML] = []

    subscript(_ name: String) -> String? { children.first { $0.name == name }?.text }

    func all(_ name: String) -> [S3XML] { children.filter { $0.name == name } }

    /// - Throws: `corrupt` for what is no such XML, `exhausted` for what is too large or too deep.
    @inline(never)
    static func parse(_ bytes: [UInt8]) throws(PlatformError) -> S3XML {
        guard bytes.count <= S3Limits.answerBytesMax else {
            throw PlatformError(.exhausted, "an S3 answer is larger than \(S3Limits.answerBytesMax >> 20) MiB")
        }
        var open: [S3XML] = []
        var elements = 0
        var at = 0
        while at < bytes.count {
            guard bytes[at] == UInt8(ascii: "<") else {
                let end = bytes[at...].firstIndex(of: UInt8(ascii: "<")) ?? bytes.count
                let text = String(decoding: bytes[at..<end], as: UTF8.self)
                if open.isEmpty {
                    guard text.allSatisfy({ $0.isWhitespace || $0 == "\u{FEFF}" }) else { throw broken }
                } else {
                    open[open.count - 1].text += try unescaped(text)
                }
                at = end
                continue
            }
            guard let end = bytes[at...].firstIndex(of: UInt8(ascii: ">")) else { throw broken }
            var tag = bytes[(at + 1)..<end]
            at = end + 1
            guard let first = tag.first else { throw broken }
            if first == UInt8(ascii: "?") { continue }
            if first == UInt8(ascii: "!") { throw broken }
            if first == UInt8(ascii: "/") {
                guard let done = open.popLast(), done.name == local(tag.dropFirst()) else { throw broken }
                guard !open.isEmpty else { return done }
                open[open.count - 1].children.append(done)
                continue
            }
            let isEmpty = tag.last == UInt8(ascii: "/")
            if isEmpty { tag = tag.dropLast() }
            elements += 1
            guard elements <= S3Limits.elementsMax, open.count < S3Limits.depthMax else {
                throw PlatformError(.exhausted, "an S3 answer has too many or too deep elements")
            }
            let element = S3XML(name: local(tag))
            guard !element.name.isEmpty else { throw broken }
            if !isEmpty {
                open.append(element)
            } else if open.isEmpty {
                return element
            } else {
                open[open.count - 1].children.append(element)
            }
        }
        throw broken
    }

    private static var broken: PlatformError { PlatformError(.corrupt, "an S3 answer is not the XML it should be") }

    private static func local(_ tag: ArraySlice<UInt8>) -> String {
        let name = tag.prefix { $0 > 0x20 }
        let start = name.firstIndex(of: UInt8(ascii: ":")).map { $0 + 1 } ?? name.startIndex
        return String(decoding: name[start...], as: UTF8.self)
    }

    private static func unescaped(_ text: String) throws(PlatformError) -> String {
        guard text.contains("&") else { return text }
        var out = ""
        var rest = text[...]
        while let mark = rest.firstIndex(of: "&") {
            out += rest[..<mark]
            guard let end = rest[mark...].firstIndex(of: ";") else { throw broken }
            let name = rest[rest.index(after: mark)..<end]
            switch name {
            case "amp": out += "&"
            case "lt": out += "<"
            case "gt": out += ">"
            case "quot": out += "\""
            case "apos": out += "'"
            default:
                let digits = name.dropFirst()
                let value = digits.first == "x" ? UInt32(digits.dropFirst(), radix: 16) : UInt32(digits)
                guard name.first == "#", let value, let scalar = Unicode.Scalar(value) else { throw broken }
                out.unicodeScalars.append(scalar)
            }
            rest = rest[rest.index(after: end)...]
        }
        return out + rest
    }
}
