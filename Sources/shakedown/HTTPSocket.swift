import Foundation

/// One kept-alive HTTP/1.1 connection with blocking calls: enough for a client that only counts.
final class HTTPSocket {
    struct Answer {
        let status: Int
        let head: [UInt8]
        let body: [UInt8]

        /// Read when they are asked for: most callers look at the status and the body.
        var headers: [String: String] {
            var headers: [String: String] = [:]
            for line in String(decoding: head, as: UTF8.self).split(separator: "\r\n").dropFirst() {
                guard let colon = line.firstIndex(of: ":") else { continue }
                headers[line[..<colon].lowercased()] = line[line.index(after: colon)...].trimmingCharacters(in: .whitespaces)
            }
            return headers
        }
    }

    private let port: UInt16
    private var descriptor: Int32 = -1
    private var buffer: [UInt8] = []
    private var chunk = [UInt8](repeating: 0, count: 64 << 10)

    /// - Parameter url: `http://127.0.0.1:<port>`.
    init(url: String) throws {
        guard let text = url.split(separator: ":").last, let port = UInt16(text) else { throw Difference("'\(url)' has no port") }
        self.port = port
    }

    deinit { disconnect() }

    /// A port that nobody listens on, for a program that cannot choose one itself.
    static func freePort() throws -> Int {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let result = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(descriptor, $0, length) == 0 ? getsockname(descriptor, $0, &length) : -1 }
        }
        guard result == 0 else { throw Difference("no port is free") }
        return Int(UInt16(bigEndian: address.sin_port))
    }

    func post(_ path: String, headers: [String: String], body: [UInt8]) throws -> Answer {
        try send("POST", path, headers: headers, body: body)
    }

    /// Connects first when there is no connection, as after a failure.
    func send(_ method: String, _ path: String, headers: [String: String] = [:], body: [UInt8] = []) throws -> Answer {
        if descriptor < 0 { try connect() }
        var head = "\(method) \(path) HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\ncontent-length: \(body.count)\r\n"
        for (name, value) in headers { head += "\(name): \(value)\r\n" }
        let bytes = Array((head + "\r\n").utf8) + body
        do {
            try send(bytes)
            return try receive()
        } catch {
            disconnect()
            throw error
        }
    }

    func disconnect() {
        if descriptor >= 0 { close(descriptor) }
        descriptor = -1
        buffer.removeAll()
    }

    private func connect() throws {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        var limit = timeval(tv_sec: 10, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        var one: Int32 = 1
        setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &one, socklen_t(MemoryLayout<Int32>.size))
        let result = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Foundation.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard result == 0 else {
            disconnect()
            throw Difference("nothing listens on port \(port)")
        }
    }

    private func send(_ bytes: [UInt8]) throws {
        var offset = 0
        while offset < bytes.count {
            let sent = bytes[offset...].withUnsafeBytes { Foundation.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
            guard sent > 0 else { throw Difference("the connection broke while sending") }
            offset += sent
        }
    }

    private func receive() throws -> Answer {
        var headEnd: Int?
        while headEnd == nil {
            headEnd = Self.end(of: buffer)
            if headEnd == nil { try more() }
        }
        let end = headEnd ?? 0
        let head = Array(buffer[..<end])
        // HTTP/1.1 200 OK
        let status = head.count >= 12 ? head[9..<12].reduce(0) { $0 * 10 + Int($1) - 48 } : 0
        let length = Self.number(of: "content-length", in: head) ?? 0
        while buffer.count < end + 4 + length { try more() }
        let body = Array(buffer[(end + 4)..<(end + 4 + length)])
        buffer.removeFirst(end + 4 + length)
        let answer = Answer(status: status, head: head, body: body)
        if Self.value(of: "connection", in: head) != nil, answer.headers["connection"] == "close" { disconnect() }
        return answer
    }

    private func more() throws {
        let got = chunk.withUnsafeMutableBytes { recv(descriptor, $0.baseAddress, $0.count, 0) }
        guard got > 0 else { throw Difference("the connection broke while receiving") }
        buffer += chunk[..<got]
    }

    private static func number(of name: StaticString, in head: [UInt8]) -> Int? {
        guard let start = value(of: name, in: head) else { return nil }
        var number = 0
        for byte in head[start...] where byte != 32 {
            guard (48...57).contains(byte) else { break }
            number = number * 10 + Int(byte) - 48
        }
        return number
    }

    /// Where the value of a header begins.
    private static func value(of name: StaticString, in head: [UInt8]) -> Int? {
        let length = name.utf8CodeUnitCount
        guard head.count > length + 2 else { return nil }
        for start in 1..<(head.count - length) where head[start - 1] == 10 && head[start + length] == UInt8(ascii: ":") {
            if (0..<length).allSatisfy({ head[start + $0] | 0x20 == name.utf8Start[$0] }) { return start + length + 1 }
        }
        return nil
    }

    private static func end(of bytes: [UInt8]) -> Int? {
        guard bytes.count >= 4 else { return nil }
        for index in 0...(bytes.count - 4)
        where bytes[index] == 13 && bytes[index + 1] == 10 && bytes[index + 2] == 13 && bytes[index + 3] == 10 {
            return index
        }
        return nil
    }
}
