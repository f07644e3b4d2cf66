public import Foundation
import SlipwayCore
public import SlipwayS3
public import SlipwayTracking
import SlipwayTrackingSQLite

/// Artifacts as objects of a bucket, `<prefix>/<path>`, each with the SHA-256 that it was stored with.
///
/// A file is written into a folder here until it is whole, then uploaded, and visible when the bucket has taken it: what
/// was acknowledged is in the bucket. A file that is read is fetched once, checked, and kept under its digest, so that
/// ranges and repeated reads cost the bucket nothing; the oldest go when those kept take too much room.
///
/// Its calls block, as those of every ``ArtifactStore``: they are made from threads that may wait.
public struct BucketArtifactStore: ArtifactStore {
    private let objects: BucketObjects
    private let spool: FileArtifactStore
    private let cache: ArtifactCache
    public let uploads: any MultipartStore

    /// - Parameters:
    ///   - prefix: What every key begins with, without a `/` at its end; may be empty.
    ///   - folder: For files on their way in and those that were read; survives a restart, and may be lost.
    public init(client: S3Client, prefix: String, folder: URL, cacheBytesMax: Int64 = Limits.cacheBytesMax) throws {
        objects = BucketObjects(client: client, prefix: prefix)
        spool = try FileArtifactStore(root: folder.appending(path: "spool"))
        cache = try ArtifactCache(folder: folder.appending(path: "cache"), bytesMax: cacheBytesMax)
        uploads = BucketMultipartStore(spool: spool, objects: objects)
    }

    /// Stores a small object, to be asked for before anything depends on it.
    ///
    /// - Throws: What the bucket answers: `failed_precondition`, `not_found`, `unavailable`.
    public func probe() async throws {
        try await objects.probe()
    }

    public enum Limits {
        /// What files that were read may take here, together.
        public static let cacheBytesMax: Int64 = 10 << 30
    }

    public func write(_ path: ArtifactPath, expecting checks: ArtifactChecks) throws -> any ArtifactWriter {
        // A place of its own: two may write the same path at a time.
        let place = try ArtifactPath("\(UUID().uuidString.lowercased())/\(path)")
        return BucketArtifactWriter(try spool.write(place, expecting: checks), place: place, path: path, spool: spool, objects: objects)
    }

    public func read(_ path: ArtifactPath) throws -> any ArtifactReader {
        guard let object = try objects.head(path) else { throw PlatformError(.notFound, "No such artifact: '\(path)'") }
        if let digest = object.digest, let reader = try cache.read(digest) { return reader }
        return try cache.fetch { file in try objects.fetch(path, to: file) }
    }

    public func list(_ path: ArtifactPath?) throws -> [ArtifactListing] {
        try objects.list(path)
    }

    public func delete(_ path: ArtifactPath) throws {
        try objects.delete(path)
    }
}

/// A file that is uploaded when it is whole.
private final class BucketArtifactWriter: ArtifactWriter {
    private let writer: any ArtifactWriter
    private let place: ArtifactPath
    private let path: ArtifactPath
    private let spool: FileArtifactStore
    private let objects: BucketObjects

    init(_ writer: any ArtifactWriter, place: ArtifactPath, path: ArtifactPath, spool: FileArtifactStore, objects: BucketObjects) {
        self.writer = writer
        self.place = place
        self.path = path
        self.spool = spool
        self.objects = objects
    }

    func append(_ bytes: UnsafeRawBufferPointer) throws { try writer.append(bytes) }

    @discardableResult
    func commit() throws -> Digest {
        let digest = try writer.commit()
        let folder = try ArtifactPath(String(place.text.prefix { $0 != "/" }))
        defer { try? spool.delete(folder) }
        return try objects.upload(try spool.file(place), to: path, digest: digest)
    }

    func abandon() { writer.abandon() }
}

/// Parts stay here; the file that they make goes to the bucket.
private struct BucketMultipartStore: MultipartStore {
    let spool: FileArtifactStore
    let objects: BucketObjects

    func create(_ path: ArtifactPath, parts: Int) throws -> MultipartUpload { try spool.uploads.create(path, parts: parts) }
    func upload(_ id: UploadID) throws -> MultipartUpload { try spool.uploads.upload(id) }
    func write(part: Int, of id: UploadID, expecting checks: ArtifactChecks) throws -> any ArtifactWriter {
        try spool.uploads.write(part: part, of: id, expecting: checks)
    }
    func parts(of id: UploadID) throws -> [MultipartPart] { try spool.uploads.parts(of: id) }
    func abort(_ id: UploadID) throws { try spool.uploads.abort(id) }

    @discardableResult
    func complete(_ id: UploadID, _ path: ArtifactPath, _ claims: [PartClaim]) throws -> Digest {
        let digest = try spool.uploads.complete(id, path, claims)
        let file = try spool.file(path)
        // Put together before, and uploaded then: what is asked again is answered again.
        guard FileManager.default.fileExists(atPath: file) else {
            guard try objects.head(path)?.digest == digest else { throw PlatformError(.notFound, "No multipart upload with id='\(id)'") }
            return digest
        }
        _ = try objects.upload(file, to: path, digest: digest)
        try spool.delete(path)
        return digest
    }
}
