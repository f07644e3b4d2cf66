import Foundation
import SlipwayCore
import SlipwayTesting
import SlipwayTracking
import Synchronization
import Testing

@testable import SlipwayTrackingServer

private let base = "/api/2.0/mlflow-artifacts"

@Suite("Multipart server")
struct MultipartServerTests {
    private func post(_ url: String, _ call: String, _ body: JSONValue) async throws -> RawHTTP.Answer {
        try await exchange(url, "POST", "\(base)/mpu/\(call)", headers: ["Content-Type": "application/json"], body: body.canonicalBytes)
    }

    private func create(_ url: String, parts: Int) async throws -> (id: String, targets: [String]) {
        let answer = try await post(url, "create/0/run/artifacts", ["path": "/home/me/big.bin", "num_parts": .int(Int64(parts))])
        #expect(answer.status == 200, "\(answer.text)")
        let body = try JSONValue(parsing: answer.body)
        let urls = (body["credentials"]?.arrayValue ?? []).compactMap { $0["url"]?.stringValue }
        #expect(urls.count == parts && urls.allSatisfy { $0.hasPrefix("http://127.0.0.1\(base)/mpu/parts/") })
        return (try #require(body["upload_id"]?.stringValue), urls.map { String($0.dropFirst("http://127.0.0.1".count)) })
    }

    private func complete(_ url: String, _ id: String, _ etags: [String]) async throws -> RawHTTP.Answer {
        let parts = etags.enumerated().map { index, etag -> JSONValue in ["part_number": .int(Int64(index + 1)), "etag": .string(etag), "url": ""] }
        return try await post(url, "complete/0/run/artifacts", ["path": "/home/me/big.bin", "upload_id": .string(id), "parts": .array(parts)])
    }

    @Test("Parts in any order, one of them twice, become one file when completed; completing again is fine")
    func whole() async throws {
        try await withArtifactServer { url, root in
            let parts = [[UInt8](repeating: 1, count: (1 << 20) + 3), [UInt8](repeating: 2, count: 5), []]
            let (id, targets) = try await create(url, parts: 3)
            var etags = ["", "", ""]
            for index in [2, 1, 0, 1] {
                let answer = try await exchange(url, "PUT", targets[index], body: parts[index])
                #expect(answer.status == 200)
                etags[index] = try #require(answer.headers["etag"])
            }
            #expect(try await exchange(url, "GET", "\(base)/artifacts/0/run/artifacts/big.bin").status == 404)
            let state = try JSONValue(parsing: try await exchange(url, "GET", "\(base)/mpu/parts/\(id)").body)
            #expect(state["parts"]?.arrayValue?.compactMap { $0["size"]?.intValue } == [(1 << 20) + 3, 5, 0])
            #expect(state["path"]?.stringValue == "0/run/artifacts/big.bin")
            let whole = Array(parts.joined())
            for _ in 0..<2 {
                let answer = try await complete(url, id, etags)
                #expect(answer.status == 200 && answer.headers["x-slipway-sha256"] == Digest(of: whole).hex, "\(answer.text)")
            }
            #expect(try await exchange(url, "GET", "\(base)/artifacts/0/run/artifacts/big.bin").body == whole)
            #expect(try FileManager.default.contentsOfDirectory(atPath: root.appending(path: ".uploads/\(id)").path) == ["upload"])
        }
    }

    @Test("A missing part, another ETag, another path or an unknown upload is refused, and nothing is visible")
    func refused() async throws {
        try await withArtifactServer { url, _ in
            let (id, targets) = try await create(url, parts: 2)
            let etag = try #require(try await exchange(url, "PUT", targets[0], body: [1]).headers["etag"])
            #expect(try await complete(url, id, [etag, etag]).text.contains("part 2 of the upload of '0/run/artifacts/big.bin' was not received"))
            _ = try await exchange(url, "PUT", targets[1], body: [2])
            #expect(try await complete(url, id, [etag, etag]).text.contains("has another ETag"))
            #expect(try await complete(url, id, [etag]).status == 400)
            let elsewhere: JSONValue = ["path": "x/other.bin", "upload_id": .string(id), "parts": [["part_number": 1, "etag": .string(etag)]]]
            #expect(try await post(url, "complete/0/run/artifacts", elsewhere).status == 400)
            #expect(try await complete(url, String(repeating: "0", count: 64), []).status == 404)
            #expect(try await complete(url, "../x", []).status == 404)
            #expect(try await exchange(url, "PUT", targets[0].dropLast(2) + "/3", body: [1]).status == 400)
            #expect(try await exchange(url, "PUT", targets[0], headers: ["x-slipway-sha256": Digest(of: []).hex], body: [1]).status == 400)
            for (call, body) in [("create/a/../..", ["path": "x", "num_parts": 1]), ("create/a", ["path": "..", "num_parts": 1]), ("create/a", ["num_parts": 1]), ("create/a", ["path": "x", "num_parts": 0]), ("create/a", ["path": "x", "num_parts": 10001])] as [(String, JSONValue)] {
                #expect(try await post(url, call, body).status == 400)
            }
            #expect(try await exchange(url, "GET", "\(base)/artifacts/0/run/artifacts/big.bin").status == 404)
        }
    }

    @Test("An aborted upload is gone with its parts; aborting again is fine")
    func abort() async throws {
        try await withArtifactServer { url, root in
            let (id, targets) = try await create(url, parts: 1)
            _ = try await exchange(url, "PUT", targets[0], body: [1])
            for _ in 0..<2 {
                #expect(try await post(url, "abort/0/run/artifacts", ["path": "/home/me/big.bin", "upload_id": .string(id)]).status == 200)
            }
            #expect(try await exchange(url, "PUT", targets[0], body: [1]).status == 404)
            #expect(!FileManager.default.fileExists(atPath: root.appending(path: ".uploads/\(id)").path))
        }
    }

    @Test("A granted URL gives ranges of the one file it is for, as reached through a proxy, and a guessed one nothing")
    func granted() async throws {
        try await withArtifactServer { url, _ in
            _ = try await exchange(url, "PUT", "\(base)/artifacts/a%20b", body: Array("0123".utf8))
            let answer = try await exchange(url, "GET", "\(base)/presigned/a%20b", headers: ["X-Forwarded-Proto": "https", "X-Forwarded-Host": "models.example", "X-Forwarded-Prefix": "/x/"])
            let body = try JSONValue(parsing: answer.body)
            #expect(body["file_size"]?.intValue == 4)
            let prefix = "https://models.example/x"
            let granted = try #require(body["url"]?.stringValue)
            #expect(granted.hasPrefix("\(prefix)\(base)/granted/"))
            let part = try await exchange(url, "GET", String(granted.dropFirst(prefix.count)), headers: ["Range": "bytes=1-2"])
            #expect(part.status == 206 && part.text == "12")
            #expect(try await exchange(url, "GET", "\(base)/granted/\(String(repeating: "0", count: 64))").status == 404)
            #expect(try await exchange(url, "GET", "\(base)/presigned/none").status == 404)
        }
    }

    @Test("A grant ends after its time, and the number of grants is bounded")
    func grants() throws {
        let now = Mutex(Timestamp(milliseconds: 0))
        let grants = DownloadGrants(clock: WallClock { now.withLock { $0 } })
        let path = try ArtifactPath("a")
        let first = grants.grant(path)
        #expect(grants.path(first) == path)
        for _ in 0..<DownloadGrants.grantsMax { _ = grants.grant(path) }
        #expect(grants.path(first) == nil)
        let last = grants.grant(path)
        now.withLock { $0 = $0.advanced(by: DownloadGrants.lifetime) }
        #expect(grants.path(last) == nil)
    }
}
