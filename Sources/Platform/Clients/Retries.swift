import SlipwayCore

/// When something that failed is tried again, and after how long.
///
/// The pause doubles each time, with chance in it, so that several that failed together do not come back
/// together.
struct Retries: Sendable {
    /// How often at most, the first attempt included.
    var attempts = 9
    var first = Duration.milliseconds(500)
    var longest = Duration.seconds(30)
    let clock: any Clock<Duration>

    /// Runs `body` until it succeeds, fails for good, or has been tried often enough.
    func run<Value>(_ body: () async throws -> Value) async throws -> Value {
        var pause = first
        for _ in 1..<max(attempts, 2) {
            do {
                return try await body()
            } catch let error as PassingFailure {
                let wait = error.retryAfter.map { min($0, longest) } ?? pause * Double.random(in: 0.5...1)
                try await clock.sleep(for: wait)
                pause = min(pause * 2, longest)
            }
        }
        do {
            return try await body()
        } catch let error as PassingFailure {
            throw error.error
        }
    }
}

/// A failure that may be gone at the next attempt.
struct PassingFailure: Error {
    let error: PlatformError
    /// What the server asked for, if it did.
    var retryAfter: Duration?
}
