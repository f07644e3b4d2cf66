public import Foundation
import GRDB
public import SlipwayCore

/// Copies a tracking home, while its server runs and is written to, into a folder of its own.
///
/// The database comes first, as one moment (SQLite's backup API inside one read transaction); then the
/// artifacts, which never change once they are visible. A file that a client uploaded before it told the
/// database is so always in a backup that knows of it; one that is deleted between the two is not. The folder
/// gets its name when everything in it, and its manifest, is on the disk: there is no half backup.
public struct TrackingBackup: Sendable {
    private static let pagesPerStep: CInt = 1_024
    private static let busySeconds: Double = 30

    private let home: TrackingHome
    private let clock: WallClock

    public init(home: TrackingHome, clock: WallClock = .system) {
        self.home = home
        self.clock = clock
    }

    /// Blocks: for a database of 1 GB and as many artifacts, about as long as reading both once.
    ///
    /// - Parameters:
    ///   - folder: Made by this; may be there when it is empty.
    ///   - copies: Copies artifacts also where a hard link would do. A link costs no space; a copy does not
    ///     share the original's fate when the disk fails.
    /// - Throws: `not_found` when the home has no database, `already_exists` for a folder that is not empty,
    ///   `corrupt` when the database is damaged, `exhausted` for a full disk.
    public func write(to folder: URL, copies: Bool = false, progress: @escaping (BackupProgress) -> Void = { _ in }) throws -> BackupReport {
        let target = folder.standardizedFileURL.path.trimmingSlashes
        try check(target)
        let parent = (target as NSString).deletingLastPathComponent
        let partial = "\(parent)/.\((target as NSString).lastPathComponent).partial-\(UUID().uuidString.prefix(8))"
        do {
            try FileManager.default.createDirectory(atPath: parent, withIntermediateDirectories: true)
            try FileManager.default.createDirectory(atPath: partial, withIntermediateDirectories: false, attributes: [.posixPermissions: 0o700])
            let report = try fill(partial, copies: copies, progress: progress)
            try BackupFiles.rename(partial, to: target)
            try BackupFiles.sync(parent)
            return report
        } catch {
            try? FileManager.default.removeItem(atPath: partial)
            throw BackupFiles.failure(error, doing: "back the tracking home up")
        }
    }

    private func check(_ target: String) throws(PlatformError) {
        guard FileManager.default.fileExists(atPath: home.database.path) else {
            throw PlatformError(.notFound, "there is no tracking database in this home", remedy: "name the server's own folder with --home")
        }
        let inside = home.artifacts.standardizedFileURL.path.trimmingSlashes
        guard target != inside, !target.hasPrefix(inside + "/") else {
            throw PlatformError(.invalidArgument, "the backup cannot be among the artifacts", remedy: "name a folder elsewhere")
        }
        guard let names = try? FileManager.default.contentsOfDirectory(atPath: target) else {
            guard !FileManager.default.fileExists(atPath: target) else {
                throw PlatformError(.alreadyExists, "'\((target as NSString).lastPathComponent)' is there and is no folder that can be read")
            }
            return
        }
        guard names.isEmpty else {
            throw PlatformError(
                .alreadyExists,
                "the folder '\((target as NSString).lastPathComponent)' is not empty",
                remedy: "name a new folder for each backup"
            )
        }
    }

    private func fill(_ folder: String, copies: Bool, progress: @escaping (BackupProgress) -> Void) throws -> BackupReport {
        let created = clock.now
        let database = "\(folder)/\(TrackingHome.databaseName)"
        let migrations = try copyDatabase(to: database, progress: progress)
        try BackupFiles.sync(database)
        let (digest, databaseBytes) = try BackupFiles.digest(of: database)
        var files = [BackupManifest.File(path: TrackingHome.databaseName, bytes: databaseBytes, sha256: digest)]
        var (bytes, linked) = (databaseBytes, 0)

        var folders = BackupFiles.Folders(root: folder)
        try folders.make(TrackingHome.artifactsName)
        for name in try BackupFiles.list(below: home.artifacts.path, skipping: TrackingHome.unfinished) {
            let path = "\(TrackingHome.artifactsName)/\(name)"
            try folders.make(for: path)
            switch try BackupFiles.transfer("\(home.artifacts.path)/\(name)", to: "\(folder)/\(path)", copies: copies) {
            case .gone: continue
            case .linked: linked += 1
            case .copied: break
            }
            let (digest, count) = try BackupFiles.digest(of: "\(folder)/\(path)")
            files.append(BackupManifest.File(path: path, bytes: count, sha256: digest))
            bytes += count
            progress(BackupProgress(phase: .artifacts, files: files.count - 1, bytes: bytes))
        }
        let manifest = BackupManifest(format: BackupManifest.formatNow, created: created, migrations: migrations, files: files)
        let text = Array((try JSONValue(encoding: manifest).prettyText + "\n").utf8)
        try BackupFiles.write(text, to: "\(folder)/\(BackupManifest.name)")
        try folders.sync()
        try BackupFiles.sync(folder)
        return BackupReport(created: created, files: files.count, bytes: bytes, linked: linked, manifest: Digest(of: text))
    }

    /// - Returns: The schema's steps.
    private func copyDatabase(to path: String, progress: @escaping (BackupProgress) -> Void) throws -> [String] {
        var configuration = Configuration()
        configuration.readonly = true
        configuration.busyMode = .timeout(Self.busySeconds)
        do {
            let source = try DatabaseQueue(path: home.database.path, configuration: configuration)
            let target = try DatabaseQueue(path: path)
            let migrations = try target.writeWithoutTransaction { to in
                try source.read { from in
                    // The first read fixes the moment: without it every step would be its own, and begin again
                    // whenever somebody has written in between.
                    _ = try Int.fetchOne(from, sql: "SELECT count(*) FROM sqlite_master")
                    let pageBytes = try Int64.fetchOne(from, sql: "PRAGMA page_size") ?? 0
                    try from.backup(to: to, pagesPerStep: Self.pagesPerStep) { step in
                        progress(BackupProgress(phase: .database, files: 0, bytes: Int64(step.completedPageCount) * pageBytes))
                    }
                }
                // One file, with no log beside it.
                try to.execute(sql: "PRAGMA journal_mode = DELETE")
                return try TrackingSchema.checked(to)
            }
            try target.close()
            try source.close()
            return migrations
        } catch {
            throw SQLiteTrackingStore.failure(error)
        }
    }
}

extension TrackingSchema {
    static let integrityErrorsMax = 1

    /// Checks the whole database, and answers the steps that it has been through.
    ///
    /// - Throws: `corrupt` when SQLite finds it damaged.
    static func checked(_ db: Database) throws -> [String] {
        let found = try String.fetchAll(db, sql: "PRAGMA integrity_check(\(integrityErrorsMax))")
        guard found == ["ok"] else {
            throw PlatformError(.corrupt, "the tracking database is damaged: \(found.first?.prefix(200) ?? "")", remedy: "restore it from an older backup")
        }
        return try String.fetchAll(db, sql: "SELECT identifier FROM grdb_migrations ORDER BY rowid")
    }
}

extension String {
    var trimmingSlashes: String {
        var text = self
        while text.count > 1, text.hasSuffix("/") { text.removeLast() }
        return text
    }
}
