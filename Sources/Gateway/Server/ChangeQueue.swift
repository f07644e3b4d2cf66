import SlipwayCore

/// Lets one change in at a time, in the order of their coming. Kept by an actor.
struct ChangeQueue {
    private let waitingMax: Int
    private var isBusy = false
    private var waiting: [CheckedContinuation<Void, any Error>] = []

    init(waitingMax: Int) {
        self.waitingMax = waitingMax
    }

    /// Resumes the change when it is its turn; with `exhausted` when too many wait.
    mutating func enter(_ change: CheckedContinuation<Void, any Error>) {
        guard isBusy else {
            isBusy = true
            return change.resume()
        }
        guard waiting.count < waitingMax else {
            return change.resume(throwing: PlatformError(.exhausted, "\(waitingMax) changes of routes wait already"))
        }
        waiting.append(change)
    }

    mutating func leave() {
        guard waiting.isEmpty else { return waiting.removeFirst().resume() }
        isBusy = false
    }
}

/// Runs `body`, and gives up after `limit` with `unavailable`.
func withDeadline<Result: Sendable>(
    _ limit: Duration,
    _ clock: any Clock<Duration>,
    _ complaint: String,
    _ body: @escaping @Sendable () async throws -> Result
) async throws -> Result {
    try await withThrowingTaskGroup(of: Result.self) { group in
        defer { group.cancelAll() }
        group.addTask { try await body() }
        group.addTask {
            try await clock.sleep(for: limit)
            throw PlatformError(.unavailable, complaint)
        }
        guard let first = try await group.next() else { throw PlatformError(.unavailable, complaint) }
        return first
    }
}
