import Foundation
import SlipwayCore

/// The right of one process to do something that no two may do at once, such as a step of one run; held
/// until this is gone or the process ends, however it ends.
public final class FileLock: Sendable {
    public enum Bound {
        /// Between two attempts to take it.
        static let poll = Duration.milliseconds(200)
    }

    private let descriptor: Int32

    private init(_ descriptor: Int32) {
        self.descriptor = descriptor
    }

    /// Waits for its turn, up to a limit.
    ///
    /// - Parameters:
    ///   - path: A file in a folder that exists; made when it is missing, and left.
    ///   - what: For messages: `run 'r1'`.
    /// - Throws: `unavailable` when somebody else still has it at the limit.
    public static func acquire(
        _ path: String,
        for what: String,
        limit: Duration,
        clock: any Clock<Duration> = ContinuousClock()
    ) async throws -> FileLock {
        // CLOEXEC: a user's command must not carry the lock on after us.
        let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else {
            throw PlatformError(.unavailable, "could not open the lock of \(what)", cause: DiskError(call: "open", code: errno))
        }
        let lock = FileLock(descriptor)
        for _ in 0...max(0, Int(limit.milliseconds / Bound.poll.milliseconds)) {
            if flock(descriptor, LOCK_EX | LOCK_NB) == 0 { return lock }
            let code = errno
            guard code == EWOULDBLOCK || code == EINTR else {
                throw PlatformError(.unavailable, "could not lock \(what)", cause: DiskError(call: "flock", code: code))
            }
            try await clock.sleep(for: Bound.poll)
        }
        throw PlatformError(
            .unavailable,
            "another process is still at work on \(what) after \(limit.seconds) s",
            remedy: "wait for it, or end it"
        )
    }

    deinit {
        _ = close(descriptor)
    }
}
