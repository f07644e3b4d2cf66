import Foundation
import GRDB
public import SlipwayCore
public import SlipwayPipeline

/// Runs in one SQLite file: WAL, `synchronous=FULL`, so a returned save survives a power cut.
///
/// A run is one row: its record as JSON beside the few columns that are asked for. Every call comes from
/// the engine, so one connection is enough.
public final class SQLiteRunStore: RunStore {
    private let database: DatabaseQueue

    /// How long a call waits for another process, such as a backup, to let go of the file.
    private static let busySeconds = 5.0

    /// Opens the file, makes it if it is missing and brings its schema up to date.
    ///
    /// - Throws: `unavailable` when it cannot be opened, `corrupt` when it is not such a file.
    public init(file: String) throws(PlatformError) {
        var configuration = Configuration()
        configuration.busyMode = .timeout(Self.busySeconds)
        configuration.prepareDatabase { database in
            try database.execute(sql: "PRAGMA journal_mode = WAL")
            try database.execute(sql: "PRAGMA synchronous = FULL")
            // The kernel caches the file; a second cache would only grow resident memory.
            try database.execute(sql: "PRAGMA cache_size = -256")
        }
        do {
            database = try DatabaseQueue(path: file, configuration: configuration)
            try Self.migrator.migrate(database)
        } catch {
            throw Self.platformError(error, doing: "open the runs' database")
        }
    }

    public func save(_ run: RunRecord) async throws {
        let record: Data
        do {
            record = try JSONEncoder().encode(run)
        } catch {
            throw PlatformError(.unexpected, "could not encode run '\(run.id)'", cause: error)
        }
        try await perform("save run '\(run.id)'") { database in
            let statement = try database.cachedStatement(
                sql: """
                    INSERT INTO run (id, model, state, is_final, created, record) VALUES (?, ?, ?, ?, ?, ?)
                    ON CONFLICT (id) DO UPDATE SET state = excluded.state, is_final = excluded.is_final,
                    record = excluded.record
                    """
            )
            try statement.execute(arguments: [
                run.id.text, run.model.text, run.state.rawValue, run.state.isFinal, run.created.milliseconds,
                record,
            ])
        }
    }

    public func run(_ id: RunID) async throws -> RunRecord? {
        try await records("WHERE id = ?", [id.text]).first
    }

    public func runs(limit: Int) async throws -> [RunRecord] {
        try await records("ORDER BY created DESC, rowid DESC LIMIT ?", [max(0, limit)])
    }

    public func unfinished() async throws -> [RunRecord] {
        try await records("WHERE is_final = 0 ORDER BY created, rowid", [])
    }

    /// What the connection says of a setting, for tests.
    func pragma(_ name: String) async throws -> String? {
        try await perform("read a setting") { try String.fetchOne($0, sql: "PRAGMA \(name)") }
    }

    private func records(_ clause: String, _ arguments: StatementArguments) async throws -> [RunRecord] {
        let rows = try await perform("read runs") { database in
            try Data.fetchAll(
                try database.cachedStatement(sql: "SELECT record FROM run \(clause)"),
                arguments: arguments
            )
        }
        return try rows.map { row in
            do {
                return try JSONDecoder().decode(RunRecord.self, from: row)
            } catch {
                throw PlatformError(.corrupt, "a stored run cannot be read", cause: error)
            }
        }
    }

    private func perform<Result: Sendable>(
        _ doing: String,
        _ body: @escaping @Sendable (Database) throws -> Result
    ) async throws -> Result {
        do {
            return try await database.write(body)
        } catch is CancellationError {
            throw CancellationError()
        } catch {
            throw Self.platformError(error, doing: doing)
        }
    }

    private static func platformError(_ error: any Error, doing: String) -> PlatformError {
        if let known = error as? PlatformError { return known }
        switch (error as? DatabaseError)?.resultCode {
        case .SQLITE_CORRUPT, .SQLITE_NOTADB:
            return PlatformError(.corrupt, "could not \(doing): the file is damaged", cause: error)
        case .SQLITE_FULL, .SQLITE_IOERR:
            return PlatformError(
                .exhausted,
                "could not \(doing): the disk does not take it",
                remedy: "free some space",
                cause: error
            )
        case .SQLITE_CANTOPEN, .SQLITE_BUSY, .SQLITE_READONLY, .SQLITE_PERM:
            return PlatformError(.unavailable, "could not \(doing)", cause: error)
        default:
            return PlatformError(.unexpected, "could not \(doing)", cause: error)
        }
    }

    /// Forward only; a name is never used twice.
    private static var migrator: DatabaseMigrator {
        var migrator = DatabaseMigrator()
        migrator.registerMigration("2026-08 runs") { database in
            try database.execute(
                sql: """
                    CREATE TABLE run (
                        id TEXT NOT NULL PRIMARY KEY,
                        model TEXT NOT NULL,
                        state TEXT NOT NULL,
                        is_final INTEGER NOT NULL,
                        created INTEGER NOT NULL,
                        record BLOB NOT NULL
                    );
                    CREATE INDEX run_created ON run (created);
                    CREATE INDEX run_unfinished ON run (created) WHERE is_final = 0;
                    """
            )
        }
        return migrator
    }
}
