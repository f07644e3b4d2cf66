import Foundation
import SlipwayCore
import SlipwayTracking

/// Parts as files `<upload>/<number>` of a folder of their own, beside `<upload>/upload`, which says of what.
struct FileMultipartStore: MultipartStore {
    private let folder: ArtifactFolder
    private let artifacts: ArtifactFolder
    private let clock: WallClock
    private let completing = PathLocks()

    private static let about = "upload"
    private static let aboutBytesMax = 16 << 10

    init(root: String, artifacts: ArtifactFolder, clock: WallClock) throws {
        folder = try ArtifactFolder(root: root)
        self.artifacts = artifacts
        self.clock = clock
        _ = try sweep()
    }

    func create(_ path: ArtifactPath, parts: Int) throws -> MultipartUpload {
        guard (1...MultipartLimits.partsMax).contains(parts) else {
            throw PlatformError(.invalidArgument, "an upload has 1 to \(MultipartLimits.partsMax) parts, not \(parts)")
        }
        // Refused now rather than after all parts were sent.
        try artifacts.write(path).abandon()
        guard try sweep() < MultipartLimits.openMax else {
            throw PlatformError(.exhausted, "\(MultipartLimits.openMax) multipart uploads are open", remedy: "complete or abort some of them")
        }
        let upload = MultipartUpload(id: .random(), path: path, parts: parts, created: clock.now)
        try store(upload)
        return upload
    }

    func upload(_ id: UploadID) throws -> MultipartUpload {
        guard let upload = try stored(id), !upload.hasExpired(at: clock.now) else {
            throw PlatformError(.notFound, "No multipart upload with id='\(id)'")
        }
        return upload
    }

    func write(part: Int, of id: UploadID, expecting checks: ArtifactChecks) throws -> any ArtifactWriter {
        let upload = try upload(id)
        guard (1...upload.parts).contains(part) else {
            throw PlatformError(.invalidArgument, "the upload of '\(upload.path)' has the parts 1 to \(upload.parts), not \(part)")
        }
        guard upload.completed == nil else {
            throw PlatformError(.invalidArgument, "the upload of '\(upload.path)' is complete")
        }
        return try folder.write(try place(id, "\(part)"), expecting: checks)
    }

    func parts(of id: UploadID) throws -> [MultipartPart] {
        var parts: [MultipartPart] = []
        for entry in try folder.list(try ArtifactPath(id.text)) {
            guard let number = Int(entry.name) else { continue }
            parts.append(MultipartPart(number: number, bytes: entry.bytes, digest: try folder.read(try place(id, entry.name)).digest))
        }
        return parts.sorted { $0.number < $1.number }
    }

    /// One at a time: a client that lost patience asks again while the first attempt goes on.
    @discardableResult
    func complete(_ id: UploadID, _ path: ArtifactPath, _ claims: [PartClaim]) throws -> Digest {
        try completing.with(try ArtifactPath(id.text)) {
            var upload = try upload(id)
            guard upload.path == path else {
                throw PlatformError(.invalidArgument, "the upload with id='\(id)' is not one of '\(path)'")
            }
            if let digest = upload.completed { return digest }
            try upload.check(claims, against: try parts(of: id))
            let writer = try artifacts.write(path)
            for claim in claims {
                let reader = try folder.read(try place(id, "\(claim.number)"))
                while true {
                    let bytes = try reader.next(ArtifactLimits.blockBytes)
                    guard !bytes.isEmpty else { break }
                    try bytes.withUnsafeBytes { try writer.append($0) }
                }
            }
            let digest = try writer.commit()
            upload.completed = digest
            try store(upload)
            for claim in claims { try folder.delete(try place(id, "\(claim.number)")) }
            return digest
        }
    }

    func abort(_ id: UploadID) throws {
        try folder.delete(try ArtifactPath(id.text))
    }

    /// Removes what expired, and says how many uploads are open.
    private func sweep() throws -> Int {
        var open = 0
        for entry in try folder.list(nil) {
            guard let id = try? UploadID(entry.name), let upload = try stored(id), !upload.hasExpired(at: clock.now) else {
                if let path = try? ArtifactPath(entry.name) { try folder.delete(path) }
                continue
            }
            if upload.completed == nil { open += 1 }
        }
        return open
    }

    private func place(_ id: UploadID, _ name: String) throws(PlatformError) -> ArtifactPath {
        try ArtifactPath("\(id)/\(name)")
    }

    private func store(_ upload: MultipartUpload) throws {
        var members: [String: JSONValue] = [
            "path": .string(upload.path.text), "parts": .int(Int64(upload.parts)), "created": .int(upload.created.milliseconds),
        ]
        if let digest = upload.completed { members["completed"] = .string(digest.hex) }
        let writer = try folder.write(try place(upload.id, Self.about))
        try JSONValue.object(members).canonicalBytes.withUnsafeBytes { try writer.append($0) }
        try writer.commit()
    }

    private func stored(_ id: UploadID) throws -> MultipartUpload? {
        let bytes: [UInt8]
        do {
            bytes = try folder.read(try place(id, Self.about)).next(Self.aboutBytesMax)
        } catch let error as PlatformError where error.code == .notFound {
            return nil
        }
        let about = try JSONValue(parsing: bytes)
        guard let path = about["path"]?.stringValue, let parts = about["parts"]?.intValue, let created = about["created"]?.intValue else {
            throw PlatformError(.corrupt, "the record of a multipart upload is damaged")
        }
        return MultipartUpload(
            id: id,
            path: try ArtifactPath(path),
            parts: Int(parts),
            created: Timestamp(milliseconds: created),
            completed: try about["completed"]?.stringValue.map { try Digest($0) }
        )
    }
}
