import Foundation
import SlipwayCore
import SlipwayS3
import SlipwayTesting
import SlipwayTracking
import SlipwayTrackingBucket
import Testing

/// Artifacts in a bucket of the real S3 server that `ops/s3.sh` starts.
@Suite(
    "Artifacts in a bucket of a real server",
    .enabled(if: ProcessInfo.processInfo.environment["SLIPWAY_S3_ENDPOINT"] != nil), .timeLimit(.minutes(4))
)
struct BucketArtifactServerTests {
    @Test("What is written is read whole and in ranges, listed, replaced and deleted; another server sees the same")
    func life() async throws {
        try await withStore { store, other in
            let path = try ArtifactPath("1/run/artifacts/model/weights.bin")
            let bytes = (0..<3_000_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
            let digest = try Self.put(store, path, bytes)
            #expect(digest == Digest(of: bytes))
            for reading in [store, other] {
                let reader = try reading.read(path)
                #expect(reader.digest == digest && reader.byteCount == 3_000_000)
                #expect(try Self.all(reader) == bytes)
                let part = try reading.read(path)
                try part.select(1_000_000..<1_000_010)
                #expect(try Self.all(part) == Array(bytes[1_000_000..<1_000_010]))
                #expect(try reading.list(nil) == [ArtifactListing(name: "1", isFolder: true, bytes: 0)])
                let listed = try reading.list(try ArtifactPath("1/run/artifacts/model"))
                #expect(listed == [ArtifactListing(name: "weights.bin", isFolder: false, bytes: 3_000_000)])
            }
            // A newer file of the same path, by the other server.
            _ = try Self.put(other, path, [1, 2, 3])
            #expect(try Self.all(try store.read(path)) == [1, 2, 3])
            try other.delete(try ArtifactPath("1/run"))
            let gone = #expect(throws: PlatformError.self) { try store.read(path) }
            #expect(gone?.code == .notFound)
            #expect(try store.list(nil).isEmpty)
            try store.delete(path)
        }
    }

    @Test("Nothing is visible of a file that is abandoned, or is not what was announced")
    func unfinished() async throws {
        try await withStore { store, _ in
            let path = try ArtifactPath("a/b")
            let writer = try store.write(path)
            try [1, 2, 3].withUnsafeBytes { try writer.append($0) }
            writer.abandon()
            let wrong = try store.write(path, expecting: ArtifactChecks(sha256: Digest(of: [9])))
            try [UInt8](arrayLiteral: 1).withUnsafeBytes { try wrong.append($0) }
            #expect(throws: PlatformError.self) { try wrong.commit() }
            #expect(try store.list(nil).isEmpty)
        }
    }

    @Test("A file in parts is in the bucket when it is completed, and completing it again is fine")
    func parts() async throws {
        try await withStore { store, other in
            let path = try ArtifactPath("big/file")
            let pieces = [[UInt8](repeating: 7, count: 2_000_000), [UInt8](repeating: 8, count: 10)]
            let upload = try store.uploads.create(path, parts: 2)
            var claims: [PartClaim] = []
            for (index, piece) in pieces.enumerated() {
                let writer = try store.uploads.write(part: index + 1, of: upload.id, expecting: ArtifactChecks())
                try piece.withUnsafeBytes { try writer.append($0) }
                claims.append(PartClaim(number: index + 1, etag: try writer.commit().hex))
            }
            #expect(throws: PlatformError.self) { try other.read(path) }
            for _ in 0..<2 { #expect(try store.uploads.complete(upload.id, path, claims) == Digest(of: pieces[0] + pieces[1])) }
            #expect(try Self.all(try other.read(path)) == pieces[0] + pieces[1])
        }
    }

    @Test("Files that were read take no more room here than they may; those read last stay")
    func room() async throws {
        try await withStore(cacheBytesMax: 250) { store, _ in
            for number in 0..<4 {
                let path = try ArtifactPath("f/\(number)")
                _ = try Self.put(store, path, [UInt8](repeating: UInt8(number), count: 100))
                #expect(try Self.all(try store.read(path)).count == 100)
            }
        } after: { folder in
            let kept = try FileManager.default.contentsOfDirectory(atPath: folder.appending(path: "cache").path).filter { !$0.hasPrefix(".") }
            #expect(Set(kept) == Set([2, 3].map { Digest(of: [UInt8](repeating: $0, count: 100)).hex }))
        }
    }

    @Test("Credentials that are none are said at the start")
    func probe() async throws {
        let environment = ProcessInfo.processInfo.environment
        let found = try S3Credentials.find(environment: environment)
        let bucket = try S3Bucket("slipway-x", endpoint: environment["SLIPWAY_S3_ENDPOINT"] ?? "")
        let client = S3Client(bucket, credentials: S3Credentials(accessKey: found.accessKey, secretKey: "wrong"))
        try await withScratchFolder { folder in
            let store = try BucketArtifactStore(client: client, prefix: "", folder: folder)
            let error = await #expect(throws: PlatformError.self) { try await store.probe() }
            #expect(error?.code == .failedPrecondition && error?.message.contains("SignatureDoesNotMatch") == true)
        }
        try await client.close()
    }

    /// Two stores on one new bucket, as two servers would have it. The bodies block, so they get a thread.
    private func withStore(
        cacheBytesMax: Int64 = BucketArtifactStore.Limits.cacheBytesMax,
        _ body: @escaping @Sendable (BucketArtifactStore, BucketArtifactStore) throws -> Void,
        after: (URL) throws -> Void = { _ in }
    ) async throws {
        let environment = ProcessInfo.processInfo.environment
        let name = "slipway-\(UUID().uuidString.lowercased().prefix(12))"
        let bucket = try S3Bucket(name, endpoint: environment["SLIPWAY_S3_ENDPOINT"] ?? "")
        let client = S3Client(bucket, credentials: try S3Credentials.find(environment: environment))
        try await withScratchFolder { folder in
            do {
                try await client.createBucket()
                let store = try BucketArtifactStore(client: client, prefix: "mlflow/artifacts", folder: folder.appending(path: "one"), cacheBytesMax: cacheBytesMax)
                let other = try BucketArtifactStore(client: client, prefix: "mlflow/artifacts", folder: folder.appending(path: "other"))
                try await store.probe()
                try await onThread { try body(store, other) }
                try after(folder.appending(path: "one"))
            } catch {
                try await client.close()
                throw error
            }
            try await client.close()
        }
    }

    private static func put(_ store: BucketArtifactStore, _ path: ArtifactPath, _ bytes: [UInt8]) throws -> Digest {
        let writer = try store.write(path)
        try bytes.withUnsafeBytes { try writer.append($0) }
        return try writer.commit()
    }

    private static func all(_ reader: any ArtifactReader) throws -> [UInt8] {
        var bytes: [UInt8] = []
        while true {
            let next = try reader.next(1 << 20)
            guard !next.isEmpty else { return bytes }
            bytes += next
        }
    }
}
