import Foundation
import SlipwayTesting
import Testing

/// HTTP/1.1 as bytes: nothing is normalised, nothing is added, and a broken answer is seen as it is.
final class RawHTTP: @unchecked Sendable {
    struct Answer: Sendable {
        var status = 0
        var headers: [String: String] = [:]
        var body: [UInt8] = []

        var text: String { String(decoding: body, as: UTF8.self) }
        var announced: Int { Int(headers["content-length"] ?? "") ?? -1 }
    }

    private let descriptor: Int32

    /// - Parameter seconds: How long a read or write may make no progress.
    init(port: Int, seconds: Int = 60, receiveBytes: Int32? = nil) throws {
        #if canImport(Darwin)
        descriptor = socket(AF_INET, SOCK_STREAM, 0)
        #else
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        #endif
        var limit = timeval(tv_sec: seconds, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        if var receiveBytes { setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &receiveBytes, socklen_t(MemoryLayout<Int32>.size)) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(UInt16(port)).bigEndian
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        let result = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) }
        }
        try #require(result == 0)
    }

    deinit {
        close(descriptor)
    }

    /// Sends what the other side takes; how much that was.
    @discardableResult
    func send(_ bytes: [UInt8]) -> Int {
        var sent = 0
        while sent < bytes.count {
            let count = bytes[sent...].withUnsafeBytes { Foundation.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
            guard count > 0 else { return sent }
            sent += count
        }
        return sent
    }

    /// The next bytes; empty at the end, or when none came in time.
    func receive(_ count: Int = 64 << 10) -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: count) { space, filled in
            filled = max(0, recv(descriptor, space.baseAddress, count, 0))
        }
    }

    func endSending() {
        shutdown(descriptor, Int32(SHUT_WR))
    }

    static func head(_ method: String, _ target: String, _ headers: [String: String]) -> [UInt8] {
        var text = "\(method) \(target) HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        for (name, value) in headers { text += "\(name): \(value)\r\n" }
        return Array("\(text)\r\n".utf8)
    }

    /// Reads until the connection ends.
    func answer() -> Answer {
        var bytes: [UInt8] = []
        while true {
            let more = receive()
            guard !more.isEmpty else { break }
            bytes += more
        }
        return Self.parse(bytes)
    }

    static func parse(_ bytes: [UInt8]) -> Answer {
        var answer = Answer()
        guard let end = bytes.indices.dropLast(3).first(where: { Array(bytes[$0..<$0 + 4]) == [13, 10, 13, 10] }) else { return answer }
        for (index, line) in String(decoding: bytes[..<end], as: UTF8.self).components(separatedBy: "\r\n").enumerated() {
            if index == 0 {
                answer.status = Int(line.split(separator: " ").dropFirst().first ?? "") ?? 0
            } else if let colon = line.firstIndex(of: ":") {
                answer.headers[line[..<colon].lowercased()] = line[line.index(after: colon)...].trimmingCharacters(in: .whitespaces)
            }
        }
        answer.body = Array(bytes[(end + 4)...])
        return answer
    }
}

/// One exchange on a connection of its own.
func exchange(_ url: String, _ method: String, _ target: String, headers: [String: String] = [:], body: [UInt8] = []) async throws -> RawHTTP.Answer {
    let port = try #require(URL(string: url)?.port)
    return try await onThread {
        let connection = try RawHTTP(port: port)
        var headers = headers
        headers["Connection"] = "close"
        if !body.isEmpty || method == "PUT" || method == "POST" { headers["Content-Length"] = headers["Content-Length"] ?? "\(body.count)" }
        connection.send(RawHTTP.head(method, target, headers) + body)
        return connection.answer()
    }
}
