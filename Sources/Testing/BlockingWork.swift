import Foundation

/// Runs work that blocks (a wait for a process, a blocking socket) on a thread of its own.
///
/// Tests share a pool with as many threads as the machine has cores: one that blocks there stops the others,
/// whose time limits then end them. It stays the test's own task, so that an expectation inside belongs to the
/// test; on a thread outside of any task it would belong to none.
public func onThread<Result: Sendable>(
    _ body: @escaping @Sendable () throws -> Result
) async throws -> Result {
    try await withTaskExecutorPreference(ThreadEach()) {
        try await call(body)
    }
}

/// Concurrent, so that it goes where the task prefers to be, and not on where it is.
@concurrent
private func call<Result: Sendable>(_ body: @escaping @Sendable () throws -> Result) async throws -> Result {
    try body()
}

/// Gives each job a new thread.
private final class ThreadEach: TaskExecutor {
    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        Thread.detachNewThread { job.runSynchronously(on: self.asUnownedTaskExecutor()) }
    }
}
