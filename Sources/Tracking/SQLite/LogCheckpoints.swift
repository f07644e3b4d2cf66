import Dispatch
import GRDB
import GRDBSQLite
import Synchronization

/// Brings the write-ahead log into the database beside the writes.
///
/// SQLite itself does so in the commit that fills the log: that client, and all behind it, wait until thousands of
/// pages are written. Here a connection of its own copies them while writes go on, and the writer copies only what
/// has come since, after which the log begins anew. A checkpoint that fails loses nothing and is tried again.
final class LogCheckpoints: Sendable {
    private enum Phase {
        case idle
        /// The other connection is at it.
        case copying
        /// The rest is the writer's.
        case copied
    }

    private enum Step {
        case copy
        case finish
    }

    private struct State {
        var phase = Phase.idle
        /// Pages in the log at the last checkpoint's end.
        var pagesDone = 0
    }

    private let connection: DatabaseQueue
    private let pagesMax: Int
    private let pages = LogPages()
    private let queue = DispatchQueue(label: "slipway.tracking.checkpoints")
    private let state = Mutex(State())

    /// - Parameter pagesMax: As many pages are brought into the database at once.
    init(path: String, configuration: Configuration, pagesMax: Int) throws {
        connection = try DatabaseQueue(path: path, configuration: configuration)
        self.pagesMax = pagesMax
    }

    /// Follows the commits of the writer's connection.
    func watch(_ db: Database) {
        let pages = pages
        // The connection keeps its functions, and this one what the hook points to.
        db.add(function: DatabaseFunction("log_pages", argumentCount: 0) { _ in pages.count.load(ordering: .relaxed) })
        let context = Unmanaged.passUnretained(pages).toOpaque()
        sqlite3_wal_hook(
            db.sqliteConnection,
            { context, _, _, count in
                guard let context else { return SQLITE_OK }
                Unmanaged<LogPages>.fromOpaque(context).takeUnretainedValue().count.store(Int(count), ordering: .relaxed)
                return SQLITE_OK
            },
            context
        )
    }

    /// To be called on the writer's queue after a commit.
    func committed(_ db: Database) {
        let count = pages.count.load(ordering: .relaxed)
        switch state.withLock({ next(&$0, count) }) {
        case .copy:
            queue.async {
                _ = try? self.connection.writeWithoutTransaction { try $0.checkpoint(.passive) }
                self.state.withLock { $0.phase = .copied }
            }
        case .finish: _ = try? db.checkpoint(.passive)
        case nil: break
        }
    }

    private func next(_ state: inout State, _ count: Int) -> Step? {
        switch state.phase {
        case .idle:
            // The log has begun anew.
            if count < state.pagesDone { state.pagesDone = 0 }
            guard count - state.pagesDone >= pagesMax else { return nil }
            state.phase = .copying
            return .copy
        case .copying: return nil
        case .copied:
            state = State(pagesDone: count)
            return .finish
        }
    }
}

/// Pages that the log had after the last commit.
private final class LogPages: Sendable {
    let count = Atomic(0)
}
