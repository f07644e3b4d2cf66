import GRDB
import SlipwayCore
import Synchronization

/// Writes of several clients, made durable together.
///
/// A commit costs a wait for the disk, and the disk takes many writes in one. While a transaction is being
/// written, those that come wait, and go together into the next. Each has a savepoint of its own: one that
/// fails takes nothing of the others with it. Nobody is answered before the transaction is on disk.
final class GroupCommit: Sendable {
    private let database: DatabasePool
    private let checkpoints: LogCheckpoints
    private let state = Mutex(State())

    /// How many writes one transaction takes at most.
    private static let writesMax = 256

    private struct State {
        var waiting: [Write] = []
        var isRunning = false
    }

    /// One write, and who waits for it.
    private struct Write: Sendable {
        /// Does it, and answers how to say that it is on disk.
        let perform: @Sendable (Database) throws -> @Sendable () -> Void
        let fail: @Sendable (any Error) -> Void
    }

    init(_ database: DatabasePool, checkpoints: LogCheckpoints) {
        self.database = database
        self.checkpoints = checkpoints
    }

    /// Runs `body` in a transaction and returns once that is on disk.
    func write<Value: Sendable>(_ body: @escaping @Sendable (Database) throws -> Value) async throws -> Value {
        try await withCheckedThrowingContinuation { continuation in
            let write = Write(
                perform: { db in
                    let value = try body(db)
                    return { continuation.resume(returning: value) }
                },
                fail: { continuation.resume(throwing: $0) }
            )
            let isFirst = state.withLock { state in
                state.waiting.append(write)
                defer { state.isRunning = true }
                return !state.isRunning
            }
            if isFirst { database.asyncWriteWithoutTransaction { self.drain($0) } }
        }
    }

    /// Writes until nothing waits; on the writer's queue.
    private func drain(_ db: Database) {
        while true {
            let writes = state.withLock { state in
                let writes = Array(state.waiting.prefix(Self.writesMax))
                state.waiting.removeFirst(writes.count)
                if writes.isEmpty { state.isRunning = false }
                return writes
            }
            guard !writes.isEmpty else { return }
            commit(writes, db)
            checkpoints.committed(db)
        }
    }

    /// A write alone needs no savepoint: its transaction is undone with it.
    private func commit(alone write: Write, _ db: Database) {
        do {
            var answer: (@Sendable () -> Void)?
            try db.inTransaction(.immediate) {
                answer = try write.perform(db)
                return .commit
            }
            answer?()
        } catch {
            write.fail(error)
        }
    }

    private func commit(_ writes: [Write], _ db: Database) {
        if writes.count == 1, let write = writes.first { return commit(alone: write, db) }
        var written: [(write: Write, answer: @Sendable () -> Void)] = []
        var waiting = writes[...]
        do {
            try db.inTransaction(.immediate) {
                while let write = waiting.popFirst() {
                    do {
                        try db.inSavepoint {
                            written.append((write, try write.perform(db)))
                            return .commit
                        }
                    } catch {
                        write.fail(error)
                        // A full disk takes the whole transaction with it.
                        guard db.isInsideTransaction else { throw error }
                    }
                }
                return .commit
            }
            for (_, answer) in written { answer() }
        } catch {
            for (write, _) in written { write.fail(error) }
            for write in waiting { write.fail(error) }
        }
    }
}
