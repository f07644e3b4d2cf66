import GRDB
import Foundation
public import SlipwayCore
public import SlipwayTracking

/// The tracking store on SQLite.
///
/// WAL with `synchronous=FULL`: a write that has returned is on disk. One writer at a time; readers see
/// a snapshot and never wait for it.
public struct SQLiteTrackingStore: TrackingStore {
    let database: DatabasePool
    private let writer: GroupCommit
    private let aliases = AliasCache()
    let clock: WallClock
    /// Under which experiments keep their artifacts, unless they say otherwise.
    let artifactRoot: String
    /// As many runs are sorted for one search; of more, an index is read in its order.
    let candidatesSorted: Int
    /// The aliases that only the reconciler may move, as they stand when a write begins.
    let protected: @Sendable () -> ProtectedAliases
    /// Kept for as long as the store is.
    private let lock: TrackingHomeLock?

    /// Opens or makes the database at `path` and brings its schema up to date.
    ///
    /// - Parameter lock: What keeps other servers and a restore away, for as long as the store is there.
    /// - Throws: `unavailable` when the file cannot be opened, `corrupt` when it is no database of ours.
    public init(
        path: String,
        artifactRoot: String = "mlflow-artifacts:/",
        clock: WallClock = .system,
        protected: @escaping @Sendable () -> ProtectedAliases = { .none },
        lock: TrackingHomeLock? = nil
    ) throws {
        try self.init(path: path, artifactRoot: artifactRoot, clock: clock, protected: protected, lock: lock, candidatesSorted: StoreLimits.candidatesSorted)
    }

    init(
        path: String,
        artifactRoot: String = "mlflow-artifacts:/",
        clock: WallClock = .system,
        protected: @escaping @Sendable () -> ProtectedAliases = { .none },
        lock: TrackingHomeLock? = nil,
        candidatesSorted: Int,
        checkpointPages: Int = StoreLimits.checkpointPages
    ) throws {
        self.candidatesSorted = candidatesSorted
        do {
            var configuration = Configuration()
            configuration.busyMode = .timeout(StoreLimits.busySeconds)
            configuration.maximumReaderCount = StoreLimits.readers
            configuration.prepareDatabase { db in
                try db.execute(sql: "PRAGMA synchronous = FULL")
                try db.execute(sql: "PRAGMA foreign_keys = ON")
                // The kernel caches the file, but asking it for a page takes longer than looking at one.
                try db.execute(sql: "PRAGMA cache_size = -\(StoreLimits.cacheKiB)")
                // Not in the middle of a commit: `LogCheckpoints` does it.
                try db.execute(sql: "PRAGMA wal_autocheckpoint = 0")
            }
            database = try DatabasePool(path: path, configuration: configuration)
            let checkpoints = try LogCheckpoints(path: path, configuration: configuration, pagesMax: checkpointPages)
            writer = GroupCommit(database, checkpoints: checkpoints)
            try database.writeWithoutTransaction { db in
                // What a transaction changes stays in memory until its end, or it goes to disk more than once.
                try db.execute(sql: "PRAGMA cache_size = -\(StoreLimits.writerCacheKiB)")
                checkpoints.watch(db)
            }
            self.clock = clock
            self.artifactRoot = artifactRoot
            self.protected = protected
            self.lock = lock
            try TrackingSchema.migrator.migrate(database)
            try makeDefaultExperiment()
        } catch let error as DatabaseError where error.resultCode == .SQLITE_NOTADB || error.resultCode == .SQLITE_CORRUPT {
            throw PlatformError(.corrupt, "the tracking database is damaged or is not one", remedy: "restore it from a backup", cause: error)
        } catch {
            throw PlatformError.wrapping(error, doing: "open the tracking database", code: .unavailable)
        }
    }

    private func makeDefaultExperiment() throws {
        let now = clock.now.milliseconds
        try database.write { db in
            try db.execute(
                sql: """
                    INSERT OR IGNORE INTO experiment (id, name, artifactLocation, stage, created, updated)
                    VALUES (0, 'Default', ?, 'active', ?, ?)
                    """,
                arguments: ["\(artifactRoot)0", now, now]
            )
        }
    }

    /// Looks something up on the thread that asks.
    ///
    /// The pages are in the kernel's cache, so this is computing, not waiting; a queue of its own would cost
    /// two changes of threads, which is more than a look-up takes. What may read many rows is a ``scan(_:)``.
    func read<Value: Sendable>(_ body: @Sendable @escaping (Database) throws -> Value) async throws -> Value {
        try readHere(body)
    }

    /// Reads on a queue of its own, in turn with others: a long one holds up nobody's look-ups.
    func scan<Value: Sendable>(_ body: @Sendable @escaping (Database) throws -> Value) async throws -> Value {
        do {
            return try await database.read(body)
        } catch {
            throw Self.failure(error)
        }
    }

    /// ``read(_:)`` for a version by its alias, which is kept until the registry is written.
    func readVersion(
        by key: AliasCache.Key,
        _ body: @Sendable @escaping (Database) throws -> ModelVersionRecord
    ) async throws -> ModelVersionRecord {
        try aliases.version(key) { try readHere(body) }
    }

    private func readHere<Value>(_ body: (Database) throws -> Value) throws -> Value {
        do {
            return try database.read(body)
        } catch {
            throw Self.failure(error)
        }
    }

    func write<Value: Sendable>(_ body: @Sendable @escaping (Database) throws -> Value) async throws -> Value {
        defer { aliases.empty() }
        return try await writeRun(body)
    }

    /// A write of runs alone, which changes nothing of the registry.
    func writeRun<Value: Sendable>(_ body: @Sendable @escaping (Database) throws -> Value) async throws -> Value {
        do {
            return try await writer.write(body)
        } catch {
            throw Self.failure(error)
        }
    }

    static func failure(_ error: any Error) -> PlatformError {
        guard let failure = error as? DatabaseError else { return .wrapping(error, doing: "use the tracking database") }
        switch failure.resultCode {
        case .SQLITE_FULL:
            return PlatformError(.exhausted, "the disk is full: nothing was written", remedy: "free some space and try again", cause: error)
        case .SQLITE_CORRUPT, .SQLITE_NOTADB:
            return PlatformError(.corrupt, "the tracking database is damaged", remedy: "restore it from a backup", cause: error)
        case .SQLITE_BUSY, .SQLITE_IOERR, .SQLITE_CANTOPEN:
            return PlatformError(.unavailable, "the tracking database could not be used", cause: error)
        default:
            return PlatformError(.unexpected, "the tracking database refused a statement", cause: error)
        }
    }
}

enum StoreLimits {
    static let busySeconds: Double = 10
    static let readers = 4
    /// Of each reader; taken as pages are read.
    static let cacheKiB = 4096
    static let candidatesSorted = 2_000
    /// Aliases whose versions stay in memory.
    static let aliasesKept = 4_096
    static let writerCacheKiB = 8192
    /// As many 4 KiB pages of the log are brought into the database at once: one that is written again soon goes
    /// into the file once.
    static let checkpointPages = 4000
}

/// 32 hex digits, as MLflow makes its ids.
func newID() -> String {
    withUnsafeBytes(of: UUID().uuid) { bytes in
        String(unsafeUninitializedCapacity: 2 * bytes.count) { text in
            for (index, byte) in bytes.enumerated() {
                text[2 * index] = hexDigits[Int(byte >> 4)]
                text[2 * index + 1] = hexDigits[Int(byte & 15)]
            }
            return 2 * bytes.count
        }
    }
}

private let hexDigits = Array("0123456789abcdef".utf8)
