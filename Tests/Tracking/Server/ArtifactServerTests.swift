import Foundation
import Hummingbird
import Logging
import SlipwayCore
import SlipwayHTTP
import SlipwayTesting
import SlipwayTracking
import SlipwayTrackingSQLite
import Testing

@testable import SlipwayTrackingServer

private let proxy = "/api/2.0/mlflow-artifacts/artifacts"

/// Runs `body` with a server of artifacts and the folder that they are in.
func withArtifactServer(_ body: (String, URL) async throws -> Void) async throws {
    try await withScratchFolder { folder in
        let root = folder.appending(path: "artifacts")
        let store = try SQLiteTrackingStore(path: folder.appending(path: "tracking.db").path)
        try await serve(store, try FileArtifactStore(root: root)) { try await body($0, root) }
    }
}

func serve(_ store: any TrackingStore, _ artifacts: any ArtifactStore, _ body: (String) async throws -> Void) async throws {
    var logger = Logger(label: "test")
    logger.logLevel = .critical
    let server = TrackingRoutes(store: store, artifacts: artifacts, logger: logger).server(host: "127.0.0.1", port: 0, logger: logger)
    try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask { try await server.run() }
        try await body("http://127.0.0.1:\(try await server.boundPort())")
        group.cancelAll()
    }
}

@Suite("Artifact server")
struct ArtifactServerTests {
    private let text = Array("0123456789".utf8)

    private func put(_ url: String, _ path: String, _ body: [UInt8], _ headers: [String: String] = [:]) async throws -> RawHTTP.Answer {
        try await exchange(url, "PUT", "\(proxy)/\(path)", headers: headers, body: body)
    }

    private func get(_ url: String, _ path: String, _ headers: [String: String] = [:], method: String = "GET") async throws -> RawHTTP.Answer {
        try await exchange(url, method, "\(proxy)/\(path)", headers: headers)
    }

    @Test("A file comes back whole, with its digest as ETag, as an attachment that no browser sniffs")
    func whole() async throws {
        try await withArtifactServer { url, _ in
            let digest = Digest(of: text)
            let stored = try await put(url, "0/r/a.txt", text)
            #expect(stored.status == 200 && stored.headers["etag"] == "\"\(digest.hex)\"")
            let answer = try await get(url, "0/r/a.txt")
            #expect(answer.status == 200 && answer.body == text)
            #expect(answer.headers["etag"] == "\"\(digest.hex)\"")
            #expect(answer.headers["x-slipway-sha256"] == digest.hex)
            #expect(answer.headers["repr-digest"] == "sha-256=:hNiYd/DUBB77a/kaFvAkjy/Vc+avBcGflr7bn4gveII=:")
            #expect(answer.headers["content-type"] == "text/plain")
            #expect(answer.headers["content-length"] == "10")
            #expect(answer.headers["accept-ranges"] == "bytes")
            #expect(answer.headers["x-content-type-options"] == "nosniff")
            #expect(answer.headers["content-disposition"] == "attachment; filename=a.txt")
        }
    }

    @Test("HEAD answers what GET would, without the bytes")
    func head() async throws {
        try await withArtifactServer { url, _ in
            _ = try await put(url, "a.bin", text)
            let answer = try await get(url, "a.bin", ["Range": "bytes=0-3"], method: "HEAD")
            #expect(answer.status == 200 && answer.announced == 10 && answer.body.isEmpty)
            #expect(answer.headers["etag"] == "\"\(Digest(of: text).hex)\"")
            let absent = try await get(url, "b.bin", method: "HEAD")
            #expect(absent.status == 404)
        }
    }

    @Test("Ranges are answered as RFC 9110 says, with the whole file's digest")
    func ranges() async throws {
        try await withArtifactServer { url, _ in
            _ = try await put(url, "a.bin", text)
            let etag = "\"\(Digest(of: text).hex)\""
            for (range, part, place) in [("bytes=2-4", "234", "2-4"), ("bytes=-3", "789", "7-9"), ("bytes=8-", "89", "8-9"), ("bytes=0-99", "0123456789", "0-9")] {
                let answer = try await get(url, "a.bin", ["Range": range, "If-Range": etag])
                #expect(answer.status == 206 && answer.text == part && answer.announced == part.utf8.count)
                #expect(answer.headers["content-range"] == "bytes \(place)/10" && answer.headers["etag"] == etag)
            }
            let beyond = try await get(url, "a.bin", ["Range": "bytes=10-"])
            #expect(beyond.status == 416 && beyond.headers["content-range"] == "bytes */10")
            let several = try await get(url, "a.bin", ["Range": "bytes=0-1,3-4"])
            #expect(several.status == 200 && several.body == text)
            let other = try await get(url, "a.bin", ["Range": "bytes=0-1", "If-Range": "\"other\""])
            #expect(other.status == 200 && other.body == text)
            let known = try await get(url, "a.bin", ["If-None-Match": etag])
            #expect(known.status == 304 && known.body.isEmpty && known.headers["etag"] == etag)
            let refused = try await get(url, "a.bin", ["If-Match": "\"other\""])
            #expect(refused.status == 412)
        }
    }

    @Test("A range of a large file crosses its blocks")
    func largeRange() async throws {
        try await withArtifactServer { url, _ in
            var random = SeededGenerator(seed: 7)
            let bytes = (0..<(3 << 20) + 17).map { _ in UInt8.random(in: 0...255, using: &random) }
            #expect(try await put(url, "big", bytes).headers["x-slipway-sha256"] == Digest(of: bytes).hex)
            #expect(try await get(url, "big").body == bytes)
            for range in [0..<1, (1 << 20) - 5..<(1 << 20) + 5, 100..<(3 << 20) + 1, (3 << 20)..<(3 << 20) + 17] {
                let answer = try await get(url, "big", ["Range": "bytes=\(range.lowerBound)-\(range.upperBound - 1)"])
                #expect(answer.status == 206 && answer.body == Array(bytes[range]))
            }
        }
    }

    @Test("An upload that is not what its headers announce is refused, and the file before stays")
    func announced() async throws {
        try await withArtifactServer { url, _ in
            _ = try await put(url, "a", Array("before".utf8))
            let sha256 = Data(Self.raw(Digest(of: text).hex)).base64EncodedString()
            let wrong: [[String: String]] = [
                ["Repr-Digest": "sha-256=:\(Data(count: 32).base64EncodedString()):"], ["Content-Digest": "sha-512=:\(Data(count: 64).base64EncodedString()):"],
                ["Content-MD5": Data(count: 16).base64EncodedString()], ["x-slipway-sha256": Digest(of: []).hex],
                ["Repr-Digest": "sha-256=:AA==:"], ["Repr-Digest": "sha-256"], ["Content-MD5": "?"], ["x-slipway-sha256": "x"],
                ["Repr-Digest": "sha-256=:\(sha256):, md5=:\(Data(count: 16).base64EncodedString()):"], ["Content-Range": "bytes 0-9/10"],
            ]
            for headers in wrong {
                let answer = try await put(url, "a", text, headers)
                #expect(answer.status == 400 && answer.text.contains("INVALID_PARAMETER_VALUE"), "\(headers): \(answer.status) \(answer.text)")
            }
            #expect(try await get(url, "a").text == "before")
            let right = try await put(url, "a", text, ["Repr-Digest": "sha-256=:\(sha256):, unixsum=:AA==:", "Content-MD5": "eB5eJF0e1jJNbAvhDvJVZQ=="])
            #expect(right.status == 400, "a wrong MD5 beside a right SHA-256 refuses too")
            #expect(try await put(url, "a", text, ["Repr-Digest": "sha-256=:\(sha256):, unixsum=:AA==:", "Content-MD5": "eB5eJF1ptWaXm4bijSPyxw=="]).status == 200)
            #expect(try await get(url, "a").body == text)
        }
    }

    @Test("An upload that ends early leaves nothing, chunked or not")
    func cut() async throws {
        try await withArtifactServer { url, root in
            let port = try #require(URL(string: url)?.port)
            for headers in [["Content-Length": "100"], ["Transfer-Encoding": "chunked"]] {
                try await onThread {
                    let connection = try RawHTTP(port: port)
                    connection.send(RawHTTP.head("PUT", "\(proxy)/cut", headers) + Array("5\r\nhello\r\n".utf8))
                    connection.endSending()
                    _ = connection.answer()
                }
            }
            #expect(try await get(url, "cut").status == 404)
            #expect(try FileManager.default.contentsOfDirectory(atPath: root.appending(path: ".staging").path).isEmpty)
        }
    }

    @Test("Damage is DATA_LOSS before the head is sent, a broken transfer after it, and counted")
    func corrupt() async throws {
        try await withArtifactServer { url, root in
            let bytes = [UInt8](repeating: 7, count: 3 << 20)
            _ = try await put(url, "a", bytes)
            try Self.overwrite(root.appending(path: "a"), at: (5 << 20) / 2)
            let broken = try await get(url, "a")
            #expect(broken.status == 200 && broken.announced == bytes.count)
            #expect(broken.body.count < bytes.count && broken.body.allSatisfy { $0 == 7 })
            let good = try await get(url, "a", ["Range": "bytes=0-99"])
            #expect(good.status == 206 && good.body.count == 100)
            let bad = try await get(url, "a", ["Range": "bytes=-99"])
            #expect(bad.status == 500 && bad.text.contains("DATA_LOSS") && bad.text.contains("SHA-256 differs"))
            _ = try await put(url, "b", text)
            try Data("012345678".utf8).write(to: root.appending(path: "b"))
            #expect(try await get(url, "b").status == 500)
            let metrics = try await exchange(url, "GET", "/metrics")
            #expect(metrics.text.contains("\nslipway_tracking_artifact_corrupt_reads_total 3\n"))
            _ = try await put(url, "a", text)
            #expect(try await get(url, "a").body == text)
        }
    }

    private static let unsafePaths = [
        "../../x", "%2e%2e/x", "%252e%252e/x", "%25252e%25252e/x", "a%5C..%5Cb", "a%00b", "a%2500b", "%2Fetc/passwd", "/etc/passwd", "C:/x", "C:x",
        "file:///etc/passwd", "a%23b", "a%0Ab", "..%2F%CC%81x", ".staging/x", ".digests/x", ".UPLOADS/x",
    ]

    @Test("Paths that lead out, now or decoded once more, are refused with MLflow's words by every method", arguments: unsafePaths)
    func traversal(path: String) async throws {
        try await withArtifactServer { url, root in
            for method in ["GET", "HEAD", "PUT", "DELETE"] {
                let answer = try await exchange(url, method, "\(proxy)/\(path)", body: method == "PUT" ? text : [])
                #expect(answer.status == 400, "\(method) \(path)")
                guard method != "HEAD" else { continue }
                let body = try JSONValue(parsing: answer.body)
                #expect(body["error_code"]?.stringValue == "INVALID_PARAMETER_VALUE" && body["message"]?.stringValue == "Invalid path", "\(method) \(answer.text)")
            }
            let listed = try await exchange(url, "GET", "\(proxy)?path=\(path)")
            #expect(listed.status == 400, "\(listed.text)")
            #expect(try FileManager.default.contentsOfDirectory(atPath: root.deletingLastPathComponent().path).sorted().first == "artifacts")
        }
    }

    @Test("A file whose name is no text is refused")
    func noText() async throws {
        try await withArtifactServer { url, _ in
            let stored = try await put(url, "%FF", text)
            let read = try await get(url, "a/%C3")
            #expect(stored.status == 400 && read.status == 400)
        }
    }

    @Test("Names with spaces, umlauts, per cent signs and dots come back as they were sent; empty files too")
    func names() async throws {
        try await withArtifactServer { url, _ in
            let names = ["a b.txt": "a%20b.txt", "größe 日本.bin": "gr%C3%B6%C3%9Fe%20%E6%97%A5%E6%9C%AC.bin", "100%.txt": "100%25.txt", "a%20b": "a%2520b", "s%step%80%timestamp%1795%r.png": "s%25step%2580%25timestamp%251795%25r.png", "\u{301}x": "%CC%81x", "..x": "..x", "+&=?": "+&=%3F"]
            for (name, encoded) in names {
                #expect(try await put(url, "0/\(encoded)", Array(name.utf8)).status == 200)
                #expect(try await get(url, "0/\(encoded)").text == name)
            }
            #expect(try await put(url, "0/empty", []).headers["x-slipway-sha256"] == Digest(of: []).hex)
            let empty = try await get(url, "0/empty")
            #expect(empty.status == 200 && empty.announced == 0)
            let files = try JSONValue(parsing: try await exchange(url, "GET", "\(proxy)?path=0//").body)["files"]?.arrayValue ?? []
            #expect(Set(files.compactMap { $0["path"]?.stringValue }) == Set(names.keys).union(["empty"]))
        }
    }

    @Test("Deleting takes a file, a folder, or nothing; a folder is no file, a file no folder, and the root stays")
    func delete() async throws {
        try await withArtifactServer { url, root in
            for path in ["m/a", "m/b/c", "n"] { _ = try await put(url, path, text) }
            let folder = try await get(url, "m")
            #expect(folder.status == 400 && folder.text.contains("Artifact path refers to a directory, not a file: 'm'"))
            #expect(try await put(url, "m/", text).text.contains("Artifact path must include a filename"))
            #expect(try await put(url, "m", text).status == 400)
            #expect(try await put(url, "n/x", text).status == 400)
            #expect(try await exchange(url, "DELETE", "\(proxy)/").status != 200)
            for path in ["m/a", "m/", "m", "none"] { #expect(try await exchange(url, "DELETE", "\(proxy)/\(path)").status == 200) }
            let gone = try await get(url, "m/b/c")
            #expect(gone.status == 404 && gone.text.contains("No such artifact: 'm/b/c'") && gone.text.contains("RESOURCE_DOES_NOT_EXIST"))
            #expect(try await get(url, "n").body == text)
            #expect(try FileManager.default.contentsOfDirectory(atPath: root.appending(path: ".digests").path) == ["n"])
        }
    }

    @Test("A folder of thousands of files is listed whole and in order")
    func many() async throws {
        try await withArtifactServer { url, root in
            let folder = root.appending(path: "many")
            try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
            let names = (0..<5000).map { "f\($0)" }
            for name in names { try Data("x".utf8).write(to: folder.appending(path: name)) }
            let files = try JSONValue(parsing: try await exchange(url, "GET", "\(proxy)?path=many").body)["files"]?.arrayValue ?? []
            #expect(files.compactMap { $0["path"]?.stringValue } == names.sorted())
        }
    }

    private static func raw(_ hex: String) -> [UInt8] {
        let digits = Array(hex)
        return stride(from: 0, to: digits.count, by: 2).compactMap { UInt8(String(digits[$0...$0 + 1]), radix: 16) }
    }

    private static func overwrite(_ file: URL, at offset: UInt64) throws {
        let handle = try FileHandle(forWritingTo: file)
        try handle.seek(toOffset: offset)
        try handle.write(contentsOf: Data([8]))
        try handle.close()
    }
}
