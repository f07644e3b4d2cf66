import Foundation

/// Runs work that blocks (a wait for a process, a blocking socket) on a thread of its own.
///
/// Tests share a pool with as many threads as the machine has cores: one that blocks there stops the others,
/// whose time limits then end them.
public func onThread<Result: Sendable>(
    _ body: @escaping @Sendable () throws -> Result
) async throws -> Result {
    try await withCheckedThrowingContinuation { continuation in
        Thread.detachNewThread {
            continuation.resume(with: Swift.Result(catching: body))
        }
    }
}
