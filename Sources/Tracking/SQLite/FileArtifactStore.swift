public import Foundation
public import SlipwayCore
public import SlipwayTracking

/// Artifacts as plain files below one folder, as `mlflow server --artifacts-destination` keeps them.
///
/// Symbolic links are neither followed nor listed: nothing below the folder leads out of it. Three folders
/// hold what is no artifact, and no path leads into them: `.staging` (files until they are whole), `.digests`
/// (the ``DigestRecord`` of each file, at the file's own path) and `.uploads` (parts of unfinished files).
public struct FileArtifactStore: ArtifactStore {
    private let folder: ArtifactFolder
    public let uploads: any MultipartStore

    public init(root: URL, clock: WallClock = .system) throws {
        do {
            folder = try ArtifactFolder(root: root.path)
            uploads = try FileMultipartStore(root: "\(root.path)/\(ArtifactFolder.uploads)", artifacts: folder, clock: clock)
        } catch {
            throw PlatformError.wrapping(error, doing: "open the artifact folder", code: .unavailable)
        }
    }

    public func write(_ path: ArtifactPath, expecting checks: ArtifactChecks) throws -> any ArtifactWriter {
        try folder.write(path, expecting: checks)
    }

    public func read(_ path: ArtifactPath) throws -> any ArtifactReader {
        try folder.read(path)
    }

    public func list(_ path: ArtifactPath?) throws -> [ArtifactListing] {
        try folder.list(path)
    }

    public func delete(_ path: ArtifactPath) throws {
        try folder.delete(path)
    }

    /// Where the file is, or would be, for whoever sends it on.
    public func file(_ path: ArtifactPath) throws -> String {
        try folder.place(path)
    }
}

enum ArtifactLimits {
    /// What one digest of a ``DigestRecord`` covers, and so what is read at once to check it.
    static let blockBytes = 1 << 20
    static let fileBytesMax: Int64 = 256 << 30
    static let recordHeaderBytesMax = 16 << 10
    static let listingMax = 1_000_000
    /// How many commits may be under way at once.
    static let locks = 64
}
