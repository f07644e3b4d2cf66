import HTTPTypes

/// The head of an HTTP/1.1 request in the plainest of forms, the one that nearly every call of `infer` has.
///
/// Read straight from the bytes. What is not plain (another version of HTTP, a chunked body, `Expect`,
/// `Connection`, `Upgrade`, folded lines, doubled or odd fields) is not refused here: it is left to the full
/// decoder, which knows all of HTTP. So nothing is ever understood in two ways.
struct PlainHead {
    enum Scan {
        /// The head has not ended yet.
        case incomplete
        /// For the full decoder to read.
        case notPlain
        case head(PlainHead)
    }

    /// A head that is longer is the full decoder's to judge.
    static let bytesMax = 8 << 10
    static let fieldsMax = 64

    let request: HTTPRequest
    /// The target without its query.
    let path: String
    let contentLength: Int
    /// Of the head itself, its empty line included.
    let byteCount: Int

    static func scan(_ bytes: UnsafeRawBufferPointer) -> Scan {
        guard let end = end(of: bytes) else { return bytes.count > bytesMax ? .notPlain : .incomplete }
        guard end <= bytesMax else { return .notPlain }
        var lines = Lines(bytes: UnsafeRawBufferPointer(rebasing: bytes[..<(end - 2)]))
        guard let first = lines.next(), let (method, target) = requestLine(first) else { return .notPlain }
        var fields = HTTPFields()
        var host: String?
        var contentLength: Int?
        while let line = lines.next() {
            guard fields.count < fieldsMax, let (name, value) = field(line) else { return .notPlain }
            switch name.canonicalName {
            case "host":
                guard host == nil, !value.isEmpty else { return .notPlain }
                host = value
            case "content-length":
                guard contentLength == nil, let length = length(value) else { return .notPlain }
                contentLength = length
                fields.append(HTTPField(name: name, value: value))
            case "transfer-encoding", "connection", "expect", "upgrade", "te", "trailer": return .notPlain
            default: fields.append(HTTPField(name: name, value: value))
            }
        }
        guard !lines.isOdd, let host else { return .notPlain }
        let request = HTTPRequest(method: method, scheme: "http", authority: host, path: target, headerFields: fields)
        let path = target.utf8.firstIndex(of: UInt8(ascii: "?")).map { String(target[..<$0]) } ?? target
        return .head(PlainHead(request: request, path: path, contentLength: contentLength ?? 0, byteCount: end))
    }

    /// Behind the empty line that ends the head.
    private static func end(of bytes: UnsafeRawBufferPointer) -> Int? {
        guard bytes.count >= 4 else { return nil }
        let limit = min(bytes.count, bytesMax + 4)
        var index = 3
        while index < limit {
            // The last sign of the four: steps over what cannot be their end.
            switch bytes[index] {
            case 10:
                if bytes[index - 1] == 13, bytes[index - 2] == 10, bytes[index - 3] == 13 { return index + 1 }
                index += 2
            case 13: index += 1
            default: index += 4
            }
        }
        return nil
    }

    /// `POST /path HTTP/1.1`, with an absolute path of visible ASCII.
    private static func requestLine(_ line: UnsafeRawBufferPointer) -> (HTTPRequest.Method, String)? {
        guard let space = line.firstIndex(of: 32), line.count > space + 11 else { return nil }
        let targetEnd = line.count - 9
        let version: StaticString = " HTTP/1.1"
        guard (0..<9).allSatisfy({ line[targetEnd + $0] == version.utf8Start[$0] }) else { return nil }
        let target = line[(space + 1)..<targetEnd]
        guard target.first == UInt8(ascii: "/"), target.allSatisfy({ $0 > 32 && $0 < 127 }) else { return nil }
        guard let method = method(UnsafeRawBufferPointer(rebasing: line[..<space])) else { return nil }
        return (method, String(decoding: target, as: UTF8.self))
    }

    private static func method(_ bytes: UnsafeRawBufferPointer) -> HTTPRequest.Method? {
        if bytes.elementsEqual("POST".utf8) { return .post }
        if bytes.elementsEqual("GET".utf8) { return .get }
        return nil
    }

    private static func field(_ line: UnsafeRawBufferPointer) -> (HTTPField.Name, String)? {
        guard let colon = line.firstIndex(of: UInt8(ascii: ":")), colon > 0 else { return nil }
        guard let name = HTTPField.Name(String(decoding: line[..<colon], as: UTF8.self)) else { return nil }
        var value = line[(colon + 1)...]
        while let byte = value.first, byte == 32 || byte == 9 { value = value.dropFirst() }
        while let byte = value.last, byte == 32 || byte == 9 { value = value.dropLast() }
        guard value.allSatisfy({ $0 >= 32 && $0 < 127 || $0 == 9 }) else { return nil }
        return (name, String(decoding: value, as: UTF8.self))
    }

    private static func length(_ text: String) -> Int? {
        guard !text.isEmpty, text.utf8.count <= 18, text.utf8.allSatisfy({ (48...57).contains($0) }) else { return nil }
        return Int(text)
    }

    /// Lines that end in CR LF.
    private struct Lines {
        let bytes: UnsafeRawBufferPointer
        var offset = 0
        /// Whether a line ended in any other way.
        var isOdd = false

        init(bytes: UnsafeRawBufferPointer) {
            self.bytes = bytes
        }

        mutating func next() -> UnsafeRawBufferPointer? {
            guard offset < bytes.count, !isOdd else { return nil }
            guard let end = bytes[offset...].firstIndex(of: 10), end > offset, bytes[end - 1] == 13 else {
                isOdd = true
                return nil
            }
            defer { offset = end + 1 }
            return UnsafeRawBufferPointer(rebasing: bytes[offset..<(end - 1)])
        }
    }
}
