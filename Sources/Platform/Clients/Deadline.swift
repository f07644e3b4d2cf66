import SlipwayCore

/// Runs `body`, and ends it when it takes longer than `limit`.
///
/// - Parameter late: What is thrown then.
func withDeadline<Value: Sendable>(
    _ limit: Duration,
    clock: any Clock<Duration>,
    late: @autoclosure @escaping @Sendable () -> PlatformError,
    _ body: @escaping @Sendable () async throws -> Value
) async throws -> Value {
    try await withThrowingTaskGroup(of: Value?.self) { group in
        group.addTask { try await body() }
        group.addTask {
            try await clock.sleep(for: limit)
            return nil
        }
        defer { group.cancelAll() }
        guard let first = try await group.next(), let value = first else { throw late() }
        return value
    }
}
