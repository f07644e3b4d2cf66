import ArgumentParser
import Foundation
import SlipwayCore

struct ArtifactsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "artifacts",
        abstract: "A large file up and down, plain, in parts and in ranges: right bytes, flat memory.",
        discussion: "  shakedown artifacts --mebibytes 2048\n\nMeasures the highest resident memory of 'slipway tracking' meanwhile."
    )

    @Option(help: "The file's size.")
    var mebibytes: Int = 2048

    @Option(help: "How many more MiB the server may have at its highest than before.")
    var growthMax: Double = 64

    private static let base = "/api/2.0/mlflow-artifacts"
    private static let partMebibytes = 64

    func run() throws {
        try Trial.run("artifacts", keepsFailure: false, failed: "NOT as promised") { try measure($0) }
    }

    private func measure(_ home: URL) throws {
        let server = try Child(
            try PlatformUnderTest.program("slipway"),
            ["tracking", "--port", "0", "--home", home.path],
            log: home.appending(path: "tracking.log")
        )
        try server.start()
        let file = ArtifactStream(port: try port(home, server))
        // What one transfer needs is there once; what a large one adds is what is measured.
        _ = try file.upload("\(Self.base)/artifacts/small", mebibytes: 0..<8)
        _ = try file.download("\(Self.base)/artifacts/small")
        let before = resident(server, "VmRSS")
        var highest = before
        func step(_ what: String, _ body: () throws -> Void) throws {
            let began = Date()
            try body()
            let seconds = Date().timeIntervalSince(began)
            let peak = resident(server, "VmHWM")
            highest = max(highest, peak)
            say(String(format: "%@: %.0f MiB/s, highest resident %.1f MiB (%+.1f)", what, Double(mebibytes) / seconds, peak, peak - before))
        }
        let digest = file.digest(mebibytes: 0..<mebibytes)
        try step("up") {
            try require(try file.upload("\(Self.base)/artifacts/big", mebibytes: 0..<mebibytes) == digest.hex, "what was stored has another digest")
        }
        try step("down, slowly at first") {
            try require(try file.download("\(Self.base)/artifacts/big", pauseSeconds: 2) == digest.hex, "what came back has another digest")
        }
        try step("last half as a range") {
            let half = mebibytes / 2
            let range = "bytes=\(half << 20)-"
            try require(try file.download("\(Self.base)/artifacts/big", range: range) == file.digest(mebibytes: half..<mebibytes).hex, "the range has another digest")
        }
        try step("up in parts of \(Self.partMebibytes) MiB") { try uploadInParts(file, digest) }
        say(String(format: "resident memory %.1f MiB before, %.1f MiB at its highest: %+.1f MiB", before, highest, highest - before))
        try require(highest - before < growthMax, "resident memory grew by \(Int(highest - before)) MiB, allowed \(growthMax) MiB")
        try require(try server.stop() == 0, "'slipway tracking' did not stop cleanly")
    }

    private func uploadInParts(_ file: ArtifactStream, _ digest: Digest) throws {
        let starts = Array(stride(from: 0, to: mebibytes, by: Self.partMebibytes))
        let created = try JSONValue(parsing: try file.post("\(Self.base)/mpu/create/parts", ["path": "big", "num_parts": .int(Int64(starts.count))]))
        guard let id = created["upload_id"]?.stringValue else { throw Difference("no upload was created") }
        var parts: [JSONValue] = []
        for (index, start) in starts.enumerated() {
            let etag = try file.upload("\(Self.base)/mpu/parts/\(id)/\(index + 1)", mebibytes: start..<min(mebibytes, start + Self.partMebibytes))
            parts.append(["part_number": .int(Int64(index + 1)), "etag": .string(etag)])
        }
        _ = try file.post("\(Self.base)/mpu/complete/parts", ["path": "big", "upload_id": .string(id), "parts": .array(parts)])
        try require(try file.download("\(Self.base)/artifacts/parts/big") == digest.hex, "what was put together has another digest")
    }

    private func port(_ home: URL, _ server: Child) throws -> Int {
        let deadline = Date().addingTimeInterval(30)
        while Date() < deadline {
            if let data = try? Data(contentsOf: home.appending(path: "ports.json")), let port = try? JSONValue(parsing: data)["tracking"]?.intValue {
                return Int(port)
            }
            try require(server.process.isRunning, "'slipway tracking' ended: \(server.text.suffix(2000))")
            Thread.sleep(forTimeInterval: 0.02)
        }
        throw Difference("'slipway tracking' was not ready within 30 s")
    }

    private func resident(_ server: Child, _ key: String) -> Double {
        let status = (try? String(contentsOfFile: "/proc/\(server.id)/status", encoding: .utf8)) ?? ""
        let line = status.split(separator: "\n").first { $0.hasPrefix("\(key):") }
        return (line?.split(whereSeparator: \.isWhitespace).dropFirst().first.flatMap { Double($0) } ?? 0) / 1024
    }
}

/// A file of any size that is in nobody's memory: each of its MiB follows from its number.
struct ArtifactStream {
    let port: Int

    private static let template: [UInt8] = {
        var state: UInt64 = 88_172_645_463_325_252
        return (0..<(1 << 20)).map { _ in
            state ^= state << 13
            state ^= state >> 7
            state ^= state << 17
            return UInt8(truncatingIfNeeded: state)
        }
    }()

    private func mebibyte(_ number: Int) -> [UInt8] {
        var bytes = Self.template
        for index in 0..<8 { bytes[index] = UInt8(truncatingIfNeeded: number >> (8 * index)) }
        return bytes
    }

    func digest(mebibytes: Range<Int>) -> Digest {
        var hasher = DigestHasher()
        for number in mebibytes { hasher.update(mebibyte(number)) }
        return hasher.finish()
    }

    /// Sends the file and gives the digest that the server answers with.
    func upload(_ path: String, mebibytes: Range<Int>) throws -> String {
        let connection = try BlockingConnection(port: port)
        try connection.send(Array("PUT \(path) HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\ncontent-length: \(mebibytes.count << 20)\r\n\r\n".utf8))
        for number in mebibytes { try connection.send(mebibyte(number)) }
        return try connection.head(status: 200)["x-slipway-sha256"] ?? ""
    }

    /// Takes the file and gives the digest of what came.
    func download(_ path: String, range: String? = nil, pauseSeconds: Double = 0) throws -> String {
        let connection = try BlockingConnection(port: port)
        let field = range.map { "range: \($0)\r\n" } ?? ""
        try connection.send(Array("GET \(path) HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\(field)\r\n".utf8))
        let headers = try connection.head(status: range == nil ? 200 : 206)
        // A client that is slow must cost the server nothing.
        Thread.sleep(forTimeInterval: pauseSeconds)
        var hasher = DigestHasher()
        var received = 0
        while true {
            let bytes = try connection.receive()
            guard !bytes.isEmpty else { break }
            hasher.update(bytes)
            received += bytes.count
        }
        try require("\(received)" == headers["content-length"], "\(received) bytes came, \(headers["content-length"] ?? "?") were announced")
        return hasher.finish().hex
    }

    func post(_ path: String, _ body: JSONValue) throws -> [UInt8] {
        let connection = try BlockingConnection(port: port)
        let bytes = body.canonicalBytes
        try connection.send(Array("POST \(path) HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\ncontent-length: \(bytes.count)\r\n\r\n".utf8) + bytes)
        _ = try connection.head(status: 200)
        var answer: [UInt8] = []
        while true {
            let more = try connection.receive()
            guard !more.isEmpty else { return answer }
            answer += more
        }
    }
}

/// One connection that sends and receives pieces.
private final class BlockingConnection {
    private static let waitSecondsMax = 120
    private let descriptor: Int32
    private var pending: [UInt8] = []

    init(port: Int) throws {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var limit = timeval(tv_sec: Self.waitSecondsMax, tv_usec: 0)
        for option in [SO_RCVTIMEO, SO_SNDTIMEO] { setsockopt(descriptor, SOL_SOCKET, option, &limit, socklen_t(MemoryLayout<timeval>.size)) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = UInt16(port).bigEndian
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        let result = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) }
        }
        try require(result == 0, "nothing listens on port \(port)")
    }

    deinit { close(descriptor) }

    func send(_ bytes: [UInt8]) throws {
        var sent = 0
        while sent < bytes.count {
            let count = bytes[sent...].withUnsafeBytes { Foundation.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
            try require(count > 0, "the connection broke while sending")
            sent += count
        }
    }

    /// Empty at the end.
    func receive() throws -> [UInt8] {
        guard pending.isEmpty else {
            defer { pending = [] }
            return pending
        }
        return try [UInt8](unsafeUninitializedCapacity: 256 << 10) { space, filled in
            let count = recv(descriptor, space.baseAddress, space.count, 0)
            try require(count >= 0, "the connection broke while receiving")
            filled = count
        }
    }

    func head(status: Int) throws -> [String: String] {
        var bytes: [UInt8] = []
        while true {
            let more = try receive()
            try require(!more.isEmpty, "the connection ended before an answer")
            bytes += more
            guard let end = bytes.indices.dropLast(3).first(where: { bytes[$0] == 13 && bytes[$0 + 1] == 10 && bytes[$0 + 2] == 13 && bytes[$0 + 3] == 10 }) else { continue }
            pending = Array(bytes[(end + 4)...])
            let lines = String(decoding: bytes[..<end], as: UTF8.self).components(separatedBy: "\r\n")
            try require(lines.first?.contains(" \(status) ") == true, "answered '\(lines.first ?? "")': \(String(decoding: pending.prefix(300), as: UTF8.self))")
            var headers: [String: String] = [:]
            for line in lines.dropFirst() {
                guard let colon = line.firstIndex(of: ":") else { continue }
                headers[line[..<colon].lowercased()] = line[line.index(after: colon)...].trimmingCharacters(in: .whitespaces)
            }
            return headers
        }
    }
}
