public import SlipwayCore

/// What a backup holds: `manifest.json`, written last.
public struct BackupManifest: Sendable, Codable, Equatable {
    public struct File: Sendable, Codable, Equatable {
        /// Below the backup's folder: `tracking.db`, `artifacts/…`.
        public let path: String
        public let bytes: Int64
        public let sha256: Digest
    }

    static let name = "manifest.json"
    static let formatNow = 1
    public static let filesMax = 1_000_000
    static let bytesMax = 512 << 20

    public let format: Int
    /// When the database was copied: what was acknowledged before is in it.
    public let created: Timestamp
    /// The steps of the schema that the database has been through.
    public let migrations: [String]
    /// The database first.
    public let files: [File]

    /// - Throws: `corrupt` when the manifest names something that no backup of ours holds.
    func check() throws(PlatformError) {
        guard format == Self.formatNow else {
            throw PlatformError(.failedPrecondition, "the backup has format \(format), which this version does not know", remedy: "use the version that made it, or a later one")
        }
        guard files.first?.path == TrackingHome.databaseName else {
            throw PlatformError(.corrupt, "the backup's manifest names no database")
        }
        var seen: Set<String> = []
        for file in files.dropFirst() {
            let parts = file.path.pathParts
            guard parts.count > 1, parts[0] == TrackingHome.artifactsName, !parts.contains(where: { $0.isEmpty || $0 == "." || $0 == ".." }),
                !file.path.utf8.contains(0), file.bytes >= 0, seen.insert(file.path).inserted
            else {
                throw PlatformError(.corrupt, "the backup's manifest names a file that cannot be in it: '\(file.path.prefix(200))'")
            }
        }
    }
}

/// How far a backup or a restore has come.
public struct BackupProgress: Sendable, Equatable {
    public enum Phase: String, Sendable {
        case database
        case artifacts
        case verify
    }

    public let phase: Phase
    public let files: Int
    public let bytes: Int64
}

/// What was done.
public struct BackupReport: Sendable, Equatable {
    public let created: Timestamp
    public let files: Int
    public let bytes: Int64
    /// Files that share their bytes with the original.
    public let linked: Int
    /// Of the manifest: kept elsewhere, it shows that nobody has changed the backup.
    public let manifest: Digest
    /// Where a restore has put what was there before.
    public var keptAside: String?
}
