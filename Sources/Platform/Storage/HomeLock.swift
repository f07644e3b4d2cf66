import Foundation
import SlipwayCore

/// The right to be the one platform of a home, held until this is gone or the process ends, however it
/// ends.
///
/// The kernel keeps it (`flock`), so the file of a dead process is no obstacle; what is in the file only
/// tells people who holds it.
public final class HomeLock: Sendable {
    private static let attemptsMax = 20
    private static let pauseMicroseconds: UInt32 = 10_000
    private let file: Int32

    /// - Throws: `failed_precondition` that names the process holding it.
    init(path: String, environment: EnvironmentName) throws(PlatformError) {
        // CLOEXEC: a user's step must not carry the lock on after us.
        let file = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard file >= 0 else {
            throw PlatformError(
                .unavailable,
                "could not open the lock of environment '\(environment)'",
                cause: DiskError(call: "open", code: errno)
            )
        }
        var isLocked = flock(file, LOCK_EX | LOCK_NB) == 0
        // A child process holds what this one had open for the moment until it becomes another program.
        for _ in 0..<Self.attemptsMax where !isLocked && errno == EWOULDBLOCK {
            usleep(Self.pauseMicroseconds)
            isLocked = flock(file, LOCK_EX | LOCK_NB) == 0
        }
        guard isLocked else {
            let code = errno
            defer { _ = close(file) }
            guard code == EWOULDBLOCK else {
                throw PlatformError(
                    .unavailable,
                    "could not lock environment '\(environment)'",
                    cause: DiskError(call: "flock", code: code)
                )
            }
            throw PlatformError(
                .failedPrecondition,
                "environment '\(environment)' is already up, as process \(Self.holder(file))",
                remedy: "stop that process, or use another --home"
            )
        }
        self.file = file
        let text = Array("\(getpid())\n".utf8)
        guard ftruncate(file, 0) == 0, pwrite(file, text, text.count, 0) == text.count else {
            let code = errno
            // `deinit` closes: every stored property is set.
            throw PlatformError(
                .exhausted,
                "could not write the lock of environment '\(environment)'",
                remedy: "check the disk's space",
                cause: DiskError(call: "write", code: code)
            )
        }
    }

    deinit {
        _ = close(file)
    }

    /// The process id in the file, for people.
    private static func holder(_ file: Int32) -> String {
        var bytes = [UInt8](repeating: 0, count: 20)
        let count = pread(file, &bytes, bytes.count, 0)
        let text = String(decoding: bytes.prefix(max(0, count)), as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
        return Int32(text).map { "\($0)" } ?? "of unknown id"
    }
}
