import NIOCore
import SlipwayCore

/// Reads the answers on one HTTP/1.1 connection to a model server, one after the other.
///
/// A value without socket or clock, and only as much of RFC 9112 as a client needs that sends no `HEAD`,
/// no `Upgrade` and no pipelined request. What is ambiguous (two lengths, a length beside chunks) is
/// refused: bytes of one answer must never become the next one's.
struct UpstreamResponseReader {
    enum Step {
        /// The answer has not ended.
        case more
        case answer(UpstreamResponse, isKeptAlive: Bool)
        /// The connection is good for nothing any more.
        case broken(String)
    }

    static let headBytesMax = 64 << 10
    private static let chunkLineBytesMax = 1024

    private enum Framing {
        case length(Int)
        case chunked
        case untilClose
    }

    private struct Head {
        var status = 0
        var jsonBytes: Int?
        var retryAfter: String?
        var isKeptAlive = true
        var length: Int?
        var isChunked = false
        var hasOtherCoding = false

        var framing: Framing {
            if status == 204 || status == 304 { return .length(0) }
            if isChunked { return .chunked }
            return length.map { .length($0) } ?? .untilClose
        }
    }

    private let bodyBytesMax: Int
    private var buffer: ByteBuffer?
    private var head: Head?
    /// Of chunks that are whole already.
    private var body = ByteBuffer()
    /// Bytes of the chunk under way that are still to come, its line end included.
    private var isLastChunkSeen = false

    init(bodyBytesMax: Int) {
        self.bodyBytesMax = bodyBytesMax
    }

    /// Whether a byte of an answer has come that has not ended.
    var hasBegun: Bool { head != nil || (buffer?.readableBytes ?? 0) > 0 }

    /// - Parameter bytes: What came in, in the order in which it did.
    mutating func read(_ bytes: ByteBuffer) -> Step {
        if buffer == nil {
            buffer = bytes
        } else {
            buffer?.writeImmutableBuffer(bytes)
        }
        return step()
    }

    /// The server has closed its side.
    mutating func close() -> Step {
        guard let head, case .untilClose = head.framing else { return .broken("the connection closed in the middle of an answer") }
        let rest = buffer ?? ByteBuffer()
        return finish(head, rest, isKeptAlive: false)
    }

    private mutating func step() -> Step {
        while head == nil {
            guard let bytes = buffer else { return .more }
            switch Self.head(in: bytes) {
            case .success(nil):
                guard bytes.readableBytes <= Self.headBytesMax else { return .broken("its head is larger than \(Self.headBytesMax) bytes") }
                return .more
            case .success(let found?):
                buffer?.moveReaderIndex(forwardBy: found.bytes)
                // What comes before the answer proper, as `100 Continue`.
                if (100..<200).contains(found.head.status) {
                    guard found.head.status != 101 else { return .broken("it wants to change the protocol") }
                    continue
                }
                if found.head.isChunked, found.head.length != nil { return .broken("its length is given twice") }
                if found.head.hasOtherCoding { return .broken("its transfer coding is not known") }
                if let length = found.head.length, length > bodyBytesMax { return .broken("it is larger than \(bodyBytesMax) bytes") }
                head = found.head
            case .failure(let broken): return .broken(broken.reason)
            }
        }
        guard let head else { return .more }
        switch head.framing {
        case .length(let length):
            guard let available = buffer?.readableBytes, available >= length else { return .more }
            guard available == length else { return .broken("more came than its length says") }
            let whole = buffer ?? ByteBuffer()
            return finish(head, whole, isKeptAlive: head.isKeptAlive)
        case .untilClose:
            guard (buffer?.readableBytes ?? 0) <= bodyBytesMax else { return .broken("it is larger than \(bodyBytesMax) bytes") }
            return .more
        case .chunked: return chunks(head)
        }
    }

    private mutating func finish(_ head: Head, _ whole: ByteBuffer, isKeptAlive: Bool) -> Step {
        self.head = nil
        buffer = nil
        body = ByteBuffer()
        isLastChunkSeen = false
        let response = UpstreamResponse(status: head.status, jsonBytes: head.jsonBytes, retryAfter: head.retryAfter, body: whole)
        return .answer(response, isKeptAlive: isKeptAlive)
    }

    // MARK: Chunks

    private mutating func chunks(_ head: Head) -> Step {
        while let bytes = buffer {
            guard let end = Self.lineEnd(in: bytes.readableBytesView) else {
                return bytes.readableBytes > Self.chunkLineBytesMax ? .broken("a chunk's size is too long") : .more
            }
            let line = bytes.readableBytesView[..<end]
            let lineBytes = end - bytes.readerIndex + 2
            if isLastChunkSeen {
                // Trailers end with an empty line.
                buffer?.moveReaderIndex(forwardBy: lineBytes)
                guard line.isEmpty else { continue }
                guard buffer?.readableBytes == 0 else { return .broken("more came than its chunks say") }
                return finish(head, body, isKeptAlive: head.isKeptAlive)
            }
            guard let size = Self.chunkSize(line) else { return .broken("a chunk's size cannot be read") }
            guard body.readableBytes + size <= bodyBytesMax else { return .broken("it is larger than \(bodyBytesMax) bytes") }
            guard size > 0 else {
                isLastChunkSeen = true
                buffer?.moveReaderIndex(forwardBy: lineBytes)
                continue
            }
            guard bytes.readableBytes >= lineBytes + size + 2 else { return .more }
            buffer?.moveReaderIndex(forwardBy: lineBytes)
            if var chunk = buffer?.readSlice(length: size) { body.writeBuffer(&chunk) }
            guard buffer?.readInteger(as: UInt16.self) == 0x0D0A else { return .broken("a chunk does not end where its size says") }
        }
        return .more
    }

    private static func chunkSize(_ line: ByteBufferView) -> Int? {
        var size = 0
        var digits = 0
        for byte in line {
            let digit: UInt8
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): digit = byte - UInt8(ascii: "0")
            case UInt8(ascii: "a")...UInt8(ascii: "f"): digit = byte - UInt8(ascii: "a") + 10
            case UInt8(ascii: "A")...UInt8(ascii: "F"): digit = byte - UInt8(ascii: "A") + 10
            // Extensions follow; they mean nothing to us.
            case UInt8(ascii: ";"), 0x20, 0x09: return digits > 0 ? size : nil
            default: return nil
            }
            digits += 1
            guard digits <= 8 else { return nil }
            size = size << 4 | Int(digit)
        }
        return digits > 0 ? size : nil
    }

    // MARK: The head

    private struct Broken: Error {
        let reason: String
    }

    private static func lineEnd(in bytes: ByteBufferView) -> Int? {
        var start = bytes.startIndex
        while let carriage = bytes[start...].firstIndex(of: 0x0D) {
            let next = carriage + 1
            guard next < bytes.endIndex else { return nil }
            if bytes[next] == 0x0A { return carriage }
            start = next
        }
        return nil
    }

    /// The head at the start of the bytes; `nil` while its end has not come.
    private static func head(in bytes: ByteBuffer) -> Result<(head: Head, bytes: Int)?, Broken> {
        bytes.withUnsafeReadableBytes { raw in
            var head = Head()
            var offset = 0
            var isFirst = true
            while true {
                guard let end = lineEnd(raw, from: offset) else { return .success(nil) }
                guard end - offset <= headBytesMax, end <= headBytesMax else { return .failure(Broken(reason: "its head is larger than \(headBytesMax) bytes")) }
                let line = UnsafeRawBufferPointer(rebasing: raw[offset..<end])
                offset = end + 2
                if isFirst {
                    isFirst = false
                    guard statusLine(line, &head) else { return .failure(Broken(reason: "it is not HTTP/1.1")) }
                } else if line.isEmpty {
                    return .success((head, offset))
                } else if let reason = field(line, &head) {
                    return .failure(Broken(reason: reason))
                }
            }
        }
    }

    private static func lineEnd(_ raw: UnsafeRawBufferPointer, from start: Int) -> Int? {
        var index = start
        while index + 1 < raw.count {
            if raw[index] == 0x0D, raw[index + 1] == 0x0A { return index }
            index += 1
        }
        return nil
    }

    /// `HTTP/1.1 200 OK`.
    private static func statusLine(_ line: UnsafeRawBufferPointer, _ head: inout Head) -> Bool {
        guard line.count >= 12, line.prefix(7).elementsEqual("HTTP/1.".utf8), line[8] == 0x20 else { return false }
        guard line[7] == UInt8(ascii: "1") || line[7] == UInt8(ascii: "0") else { return false }
        if line[7] == UInt8(ascii: "0") { head.isKeptAlive = false }
        guard let status = number(UnsafeRawBufferPointer(rebasing: line[9..<12])), status >= 100 else { return false }
        guard line.count == 12 || line[12] == 0x20 else { return false }
        head.status = status
        return true
    }

    /// Takes in one field, most of which mean nothing here.
    ///
    /// - Returns: What is wrong with it.
    private static func field(_ line: UnsafeRawBufferPointer, _ head: inout Head) -> String? {
        guard let colon = line.firstIndex(of: UInt8(ascii: ":")), colon > 0 else { return "a line of its head is no field" }
        // By length first: most fields are none of these.
        switch colon {
        case 10 where isName(line, "connection"):
            let value = text(line, after: colon).lowercased()
            if value.contains("close") { head.isKeptAlive = false }
            if value.contains("keep-alive") { head.isKeptAlive = true }
        case 11 where isName(line, "retry-after"):
            head.retryAfter = text(line, after: colon)
        case 14 where isName(line, "content-length"):
            guard let length = number(trimmed(line, after: colon)), head.length == nil || head.length == length else {
                return "its length cannot be read"
            }
            head.length = length
        case 17 where isName(line, "transfer-encoding"):
            let value = text(line, after: colon).lowercased()
            if value == "chunked" { head.isChunked = true } else if value != "identity" { head.hasOtherCoding = true }
        case 31 where isName(line, "inference-header-content-length"):
            guard let length = number(trimmed(line, after: colon)) else { return "the length of its JSON cannot be read" }
            head.jsonBytes = length
        default: break
        }
        return nil
    }

    private static func isName(_ line: UnsafeRawBufferPointer, _ name: StaticString) -> Bool {
        name.withUTF8Buffer { expected in
            for index in 0..<expected.count where line[index] | 0x20 != expected[index] { return false }
            return true
        }
    }

    private static func trimmed(_ line: UnsafeRawBufferPointer, after colon: Int) -> UnsafeRawBufferPointer {
        var start = colon + 1
        var end = line.count
        while start < end, line[start] == 0x20 || line[start] == 0x09 { start += 1 }
        while end > start, line[end - 1] == 0x20 || line[end - 1] == 0x09 { end -= 1 }
        return UnsafeRawBufferPointer(rebasing: line[start..<end])
    }

    private static func text(_ line: UnsafeRawBufferPointer, after colon: Int) -> String {
        String(decoding: trimmed(line, after: colon).prefix(200), as: UTF8.self)
    }

    /// Digits only, at most twelve of them.
    private static func number(_ bytes: UnsafeRawBufferPointer) -> Int? {
        guard !bytes.isEmpty, bytes.count <= 12 else { return nil }
        var value = 0
        for byte in bytes {
            guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) else { return nil }
            value = value * 10 + Int(byte - UInt8(ascii: "0"))
        }
        return value
    }
}
