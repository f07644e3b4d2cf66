public import Foundation
import GRDB
public import SlipwayCore

/// Puts a backup back into a tracking home whose server does not run.
///
/// Everything is brought into the home and checked first; only then do names change. Until the last of them
/// has, a marker keeps a server from starting on half of it. What was there before is kept in a folder
/// `replaced-…` of the home; access tokens stay as they are.
public struct TrackingRestore: Sendable {
    private static let stagingPrefix = ".restore-"

    private let home: TrackingHome
    private let clock: WallClock

    public init(home: TrackingHome, clock: WallClock = .system) {
        self.home = home
        self.clock = clock
    }

    /// Blocks for about as long as it takes to read the backup once.
    ///
    /// - Parameters:
    ///   - replace: Whether a home that holds something may be replaced.
    ///   - copies: Copies artifacts also where a hard link would do.
    /// - Throws: `not_found` when the folder is no whole backup; `corrupt` when a file is not as its manifest
    ///   says; `failed_precondition` when the home is in use, holds something, or the backup is of a newer
    ///   schema. The home is as it was then.
    public func read(
        from folder: URL,
        replace: Bool = false,
        copies: Bool = false,
        progress: @escaping (BackupProgress) -> Void = { _ in }
    ) throws -> BackupReport {
        let backup = folder.standardizedFileURL.path.trimmingSlashes
        let (manifest, digest) = try manifest(of: backup)
        let lock = try home.lockForRestore()
        defer { withExtendedLifetime(lock) {} }
        guard replace || !home.hasData else {
            throw PlatformError(
                .failedPrecondition,
                "the tracking home holds data already",
                remedy: "restore into an empty --home, or give --replace: what is there is kept aside"
            )
        }
        let staging = home.folder.appending(path: Self.stagingPrefix + UUID().uuidString.prefix(8)).path
        do {
            try clearStagings()
            let (bytes, linked) = try stage(manifest, of: backup, into: staging, copies: copies, progress: progress)
            var report = BackupReport(created: manifest.created, files: manifest.files.count, bytes: bytes, linked: linked, manifest: digest)
            report.keptAside = try swap(staging)
            try? FileManager.default.removeItem(atPath: staging)
            return report
        } catch {
            try? FileManager.default.removeItem(atPath: staging)
            throw BackupFiles.failure(error, doing: "restore the tracking home")
        }
    }

    private func manifest(of backup: String) throws(PlatformError) -> (BackupManifest, Digest) {
        let path = "\(backup)/\(BackupManifest.name)"
        var status = stat()
        guard lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            throw PlatformError(
                .notFound,
                "'\((backup as NSString).lastPathComponent)' holds no '\(BackupManifest.name)': it is no whole backup",
                remedy: "name a folder that 'slipway tracking backup' made"
            )
        }
        guard status.st_size <= BackupManifest.bytesMax else {
            throw PlatformError(.corrupt, "'\(BackupManifest.name)' is larger than \(BackupManifest.bytesMax) bytes")
        }
        let bytes: [UInt8]
        let manifest: BackupManifest
        do {
            bytes = [UInt8](try Data(contentsOf: URL(filePath: path)))
            manifest = try JSONValue(parsing: bytes).decoded(as: BackupManifest.self)
        } catch {
            throw PlatformError(.corrupt, "'\(BackupManifest.name)' cannot be read", remedy: "use another backup", cause: error)
        }
        try manifest.check()
        let unknown = Set(manifest.migrations).subtracting(TrackingSchema.migrator.migrations)
        guard unknown.isEmpty else {
            throw PlatformError(
                .failedPrecondition,
                "the backup was made by a newer version of slipway (its schema has '\(unknown.sorted()[0].prefix(100))')",
                remedy: "restore it with that version"
            )
        }
        return (manifest, Digest(of: bytes))
    }

    /// Brings every file in and checks it there.
    private func stage(
        _ manifest: BackupManifest,
        of backup: String,
        into staging: String,
        copies: Bool,
        progress: @escaping (BackupProgress) -> Void
    ) throws -> (bytes: Int64, linked: Int) {
        var folders = BackupFiles.Folders(root: staging)
        try folders.make(TrackingHome.artifactsName)
        var (bytes, linked) = (Int64(0), 0)
        for (index, file) in manifest.files.enumerated() {
            try folders.make(for: file.path)
            // SQLite writes into its file: a link would write into the backup.
            let isDatabase = index == 0
            let place = "\(staging)/\(file.path)"
            let transfer = try BackupFiles.transfer("\(backup)/\(file.path)", to: place, copies: copies || isDatabase)
            guard transfer != .gone else {
                throw PlatformError(.corrupt, "'\(file.path.prefix(200))' is missing from the backup", remedy: "use another backup")
            }
            if transfer == .linked { linked += 1 }
            let found = try BackupFiles.digest(of: place)
            guard found.digest == file.sha256, found.bytes == file.bytes else {
                throw PlatformError(.corrupt, "'\(file.path.prefix(200))' of the backup is not as its manifest says", remedy: "use another backup")
            }
            bytes += file.bytes
            progress(BackupProgress(phase: isDatabase ? .database : .artifacts, files: index, bytes: bytes))
        }
        progress(BackupProgress(phase: .verify, files: manifest.files.count, bytes: bytes))
        try checkDatabase("\(staging)/\(TrackingHome.databaseName)")
        try folders.sync()
        try BackupFiles.sync(staging)
        return (bytes, linked)
    }

    private func checkDatabase(_ path: String) throws {
        var configuration = Configuration()
        configuration.readonly = true
        do {
            let database = try DatabaseQueue(path: path, configuration: configuration)
            _ = try database.read { try TrackingSchema.checked($0) }
            try database.close()
        } catch {
            throw SQLiteTrackingStore.failure(error)
        }
    }

    /// Moves what is there aside and the restored files in.
    ///
    /// - Returns: Where the former is, if there was something.
    private func swap(_ staging: String) throws -> String? {
        let folder = home.folder.path
        try BackupFiles.write([], to: home.restoreMarker.path)
        try BackupFiles.sync(folder)
        let time = clock.now.description.filter { $0.isLetter || $0.isNumber }
        let aside = "\(folder)/replaced-\(time)-\(UUID().uuidString.prefix(4))"
        let name = TrackingHome.databaseName
        let old = [name, "\(name)-wal", "\(name)-shm", "\(name)-journal", TrackingHome.artifactsName].filter {
            FileManager.default.fileExists(atPath: "\(folder)/\($0)")
        }
        if !old.isEmpty {
            try FileManager.default.createDirectory(atPath: aside, withIntermediateDirectories: false, attributes: [.posixPermissions: 0o700])
            for entry in old {
                do {
                    try BackupFiles.rename("\(folder)/\(entry)", to: "\(aside)/\(entry)")
                } catch let failure as FileFailure where failure.code == ENOENT && entry.hasPrefix("\(name)-") {
                    // What stands beside the database goes with the last connection that closes.
                }
            }
            try BackupFiles.sync(aside)
        }
        for entry in [TrackingHome.artifactsName, name] { try BackupFiles.rename("\(staging)/\(entry)", to: "\(folder)/\(entry)") }
        try BackupFiles.sync(folder)
        guard unlink(home.restoreMarker.path) == 0 else { throw FileFailure(call: "unlink", code: errno) }
        try BackupFiles.sync(folder)
        return old.isEmpty ? nil : aside
    }

    /// Removes what interrupted restores have left; nobody else has the lock.
    private func clearStagings() throws {
        for name in try FileManager.default.contentsOfDirectory(atPath: home.folder.path) where name.hasPrefix(Self.stagingPrefix) {
            try FileManager.default.removeItem(at: home.folder.appending(path: name))
        }
    }
}
