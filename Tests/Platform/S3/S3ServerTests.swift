import Foundation
import SlipwayCore
import SlipwayTesting
import Testing

@testable import SlipwayS3

/// The client against a real S3 server, which `ops/s3.sh` starts.
@Suite("S3 client on a real server", .enabled(if: ProcessInfo.processInfo.environment["SLIPWAY_S3_ENDPOINT"] != nil))
struct S3ServerTests {
    private func with(_ secret: String? = nil, _ body: (S3Client) async throws -> Void) async throws {
        let environment = ProcessInfo.processInfo.environment
        let found = try S3Credentials.find(environment: environment)
        let credentials = secret.map { S3Credentials(accessKey: found.accessKey, secretKey: $0) } ?? found
        let name = "slipway-\(UUID().uuidString.lowercased().prefix(12))"
        let client = S3Client(
            try S3Bucket(name, endpoint: environment["SLIPWAY_S3_ENDPOINT"] ?? ""), credentials: credentials
        )
        do {
            if secret == nil { try await client.createBucket() }
            try await body(client)
        } catch {
            try await client.close()
            throw error
        }
        try await client.close()
    }

    private func code(_ body: () async throws -> Void) async -> PlatformError.Code? {
        do {
            try await body()
            return nil
        } catch {
            return (error as? PlatformError)?.code
        }
    }

    @Test("What is put is got, headed, copied and deleted, whatever its key is called", .timeLimit(.minutes(2)))
    func life() async throws {
        print("S3 server: \(ProcessInfo.processInfo.environment["SLIPWAY_S3_VERSION"] ?? "unknown")")
        try await with { client in
            for key in ["plain", "with space/ü+&$.txt"] {
                let bytes = Array("hello \(key)".utf8)
                try await client.put(bytes, at: key)
                let got = try await client.get(key, bytesMax: 1_000)
                #expect(got == bytes)
                let head = try await client.head(key)
                #expect(head == S3Object(key: key, byteCount: Int64(bytes.count), digest: Digest(of: bytes)))
                try await client.copy(key, to: key + ".copy")
                let copy = try await client.get(key + ".copy", bytesMax: 1_000)
                #expect(copy == bytes)
                try await client.delete(key)
                try await client.delete(key)
                let gone = try await client.head(key)
                #expect(gone == nil)
                let refused = await code { _ = try await client.get(key, bytesMax: 10) }
                #expect(refused == .notFound)
                let tooLarge = await code { _ = try await client.get(key + ".copy", bytesMax: 3) }
                #expect(tooLarge == .exhausted)
            }
        }
    }

    @Test("A put that must find nothing is refused when there is another object", .timeLimit(.minutes(2)))
    func conditional() async throws {
        try await with { client in
            try await client.put([1], at: "once", onlyIfAbsent: true)
            let refused = await code { try await client.put([2], at: "once", onlyIfAbsent: true) }
            #expect(refused == .alreadyExists)
            let kept = try await client.get("once", bytesMax: 10)
            #expect(kept == [1])
        }
    }

    @Test("A listing goes on over its pages", .timeLimit(.minutes(2)))
    func pages() async throws {
        try await with { client in
            for index in 0..<7 { try await client.put([UInt8(index)], at: "many/\(index)") }
            try await client.put([9], at: "other")
            let found = try await client.list("many/", pageSize: 3)
            #expect(found.map(\.key) == (0..<7).map { "many/\($0)" })
            #expect(found.allSatisfy { $0.byteCount == 1 })
        }
    }

    @Test("A file goes up in parts and comes back the same; another digest is refused", .timeLimit(.minutes(5)))
    func parts() async throws {
        try await with { client in
            let folder = FileManager.default.temporaryDirectory.appending(path: "s3-\(UUID().uuidString)")
            try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
            defer { try? FileManager.default.removeItem(at: folder) }
            let source = folder.appending(path: "up").path
            let bytes = (0..<(6 << 20) + 17).map { UInt8(truncatingIfNeeded: $0 &* 31 >> 3) }
            try Data(bytes).write(to: URL(filePath: source))
            let digest = try await client.put(file: source, at: "large", partBytes: 5 << 20)
            #expect(digest == Digest(of: bytes))
            let target = folder.appending(path: "down").path
            let got = try await client.get("large", to: target, digest: digest)
            #expect(got == digest)
            let same = FileManager.default.contentsEqual(atPath: source, andPath: target)
            #expect(same)
            let wrong = await code { try await client.get("large", to: target + "2", digest: Digest(of: [])) }
            #expect(wrong == .corrupt)
            let left = try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted()
            #expect(left == ["down", "up"])
            let missing = await code { try await client.put(file: source + "-not", at: "x") }
            #expect(missing == .notFound)
        }
    }

    @Test("A wrong secret is refused, and the message holds no secret", .timeLimit(.minutes(2)))
    func wrongSecret() async throws {
        try await with("not-the-secret") { client in
            do {
                _ = try await client.list("")
                Issue.record("a wrong secret was accepted")
            } catch let error as PlatformError {
                #expect(error.code == .failedPrecondition)
                #expect(!error.message.contains("not-the-secret"))
            }
        }
    }
}
