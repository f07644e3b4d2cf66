import Foundation
import SlipwayCore
import SlipwayTesting
import SlipwayTracking
import SlipwayTrackingSQLite
import Synchronization
import Testing

@Suite("Multipart store")
struct MultipartStoreTests {
    private func send(_ bytes: [UInt8], part: Int, of upload: MultipartUpload, to store: FileArtifactStore) throws -> PartClaim {
        let writer = try store.uploads.write(part: part, of: upload.id, expecting: ArtifactChecks())
        try bytes.withUnsafeBytes { try writer.append($0) }
        return PartClaim(number: part, etag: try writer.commit().hex)
    }

    @Test("An unfinished upload survives a restart with its parts and is completed after it")
    func restart() async throws {
        try await withScratchFolder { folder in
            let path = try ArtifactPath("m/big")
            var claims: [PartClaim] = []
            let upload: MultipartUpload
            do {
                let store = try FileArtifactStore(root: folder)
                upload = try store.uploads.create(path, parts: 2)
                claims.append(try send([1, 2], part: 1, of: upload, to: store))
            }
            let store = try FileArtifactStore(root: folder)
            #expect(try store.uploads.upload(upload.id) == upload)
            #expect(try store.uploads.parts(of: upload.id).map(\.number) == [1])
            #expect(try store.list(nil).isEmpty)
            claims.append(try send([3], part: 2, of: upload, to: store))
            #expect(try store.uploads.complete(upload.id, path, claims) == Digest(of: [1, 2, 3]))
            #expect(try store.read(path).next(10) == [1, 2, 3])
            let again = try FileArtifactStore(root: folder)
            #expect(try again.uploads.complete(upload.id, path, claims) == Digest(of: [1, 2, 3]))
            let late = #expect(throws: PlatformError.self) { _ = try send([4], part: 1, of: upload, to: again) }
            #expect(late?.code == .invalidArgument)
        }
    }

    @Test("A part that was damaged on disk is not put into the file")
    func damaged() async throws {
        try await withScratchFolder { folder in
            let store = try FileArtifactStore(root: folder)
            let path = try ArtifactPath("a")
            let upload = try store.uploads.create(path, parts: 1)
            let claim = try send([1, 2, 3], part: 1, of: upload, to: store)
            try Data([1, 2, 4]).write(to: folder.appending(path: ".uploads/\(upload.id)/1"))
            let error = #expect(throws: PlatformError.self) { try store.uploads.complete(upload.id, path, [claim]) }
            #expect(error?.code == .corrupt)
            #expect(try store.list(nil).isEmpty)
        }
    }

    @Test("What is not completed in time is not found, and removed at the next start or upload")
    func expiry() async throws {
        try await withScratchFolder { folder in
            let now = Mutex(Timestamp(milliseconds: 1000))
            let clock = WallClock { now.withLock { $0 } }
            let store = try FileArtifactStore(root: folder, clock: clock)
            let path = try ArtifactPath("a")
            let upload = try store.uploads.create(path, parts: 1)
            _ = try send([1], part: 1, of: upload, to: store)
            let place = folder.appending(path: ".uploads/\(upload.id)").path
            now.withLock { $0 = $0.advanced(by: MultipartLimits.lifetime) }
            _ = try FileArtifactStore(root: folder, clock: clock)
            #expect(FileManager.default.fileExists(atPath: place))
            now.withLock { $0 = $0.advanced(by: .milliseconds(1)) }
            let error = #expect(throws: PlatformError.self) { try store.uploads.upload(upload.id) }
            #expect(error?.code == .notFound)
            _ = try FileArtifactStore(root: folder, clock: clock)
            #expect(!FileManager.default.fileExists(atPath: place))
            #expect(!FileManager.default.fileExists(atPath: folder.appending(path: ".uploads/.digests/\(upload.id)").path))
        }
    }

    @Test("Open uploads are limited; an aborted one makes room")
    func limit() async throws {
        try await withScratchFolder { folder in
            let store = try FileArtifactStore(root: folder)
            let path = try ArtifactPath("a")
            // As files, because each real one waits for the disk several times.
            let first = try store.uploads.create(path, parts: 1)
            let uploads = folder.appending(path: ".uploads")
            for _ in 1..<MultipartLimits.openMax {
                let id = UploadID.random()
                try FileManager.default.createDirectory(at: uploads.appending(path: id.text), withIntermediateDirectories: true)
                try FileManager.default.copyItem(at: uploads.appending(path: "\(first.id)/upload"), to: uploads.appending(path: "\(id)/upload"))
            }
            let error = #expect(throws: PlatformError.self) { try store.uploads.create(path, parts: 1) }
            #expect(error?.code == .exhausted)
            try store.uploads.abort(first.id)
            #expect(throws: Never.self) { try store.uploads.create(path, parts: 1) }
        }
    }
}
