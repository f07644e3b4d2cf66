import SlipwayCore
import Synchronization

/// A clock that moves only when somebody sleeps: short sleeps end at once and move it, long ones are
/// deadlines and wait to be cancelled.
final class TestClock: Clock, Sendable {
    struct Instant: InstantProtocol {
        var offset: Swift.Duration

        func advanced(by duration: Swift.Duration) -> Instant { Instant(offset: offset + duration) }
        func duration(to other: Instant) -> Swift.Duration { other.offset - offset }
        static func < (left: Instant, right: Instant) -> Bool { left.offset < right.offset }
    }

    static let deadlineMin = Swift.Duration.seconds(90)

    private let current = Mutex(Swift.Duration.zero)
    let minimumResolution = Swift.Duration.zero

    var now: Instant { Instant(offset: current.withLock { $0 }) }

    var wall: WallClock {
        WallClock { [self] in Timestamp(milliseconds: 1_700_000_000_000).advanced(by: now.offset) }
    }

    func sleep(until deadline: Instant, tolerance: Swift.Duration?) async throws {
        try Task.checkCancellation()
        guard now.duration(to: deadline) < Self.deadlineMin else {
            return try await Task.sleep(for: .seconds(600))
        }
        current.withLock { $0 = max($0, deadline.offset) }
        await Task.yield()
    }
}
