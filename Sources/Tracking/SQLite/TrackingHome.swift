public import Foundation
public import SlipwayCore

/// The folder of one tracking server: its database, its artifacts, and the right to serve them.
public struct TrackingHome: Sendable {
    public let folder: URL

    public init(folder: URL) {
        self.folder = folder
    }

    public var database: URL { folder.appending(path: Self.databaseName) }
    public var artifacts: URL { folder.appending(path: Self.artifactsName) }
    /// There while a restore puts files into their places.
    var restoreMarker: URL { folder.appending(path: "restore-under-way") }

    static let databaseName = "tracking.db"
    static let artifactsName = "artifacts"
    /// Files that are not whole yet, at the top of the artifact folder: in no backup, and missed by nobody.
    static let unfinished: Set<String> = [".staging", ".uploads"]

    /// Makes the folder and becomes the one server of it, for as long as the lock is kept.
    ///
    /// - Throws: `failed_precondition` when another one serves it, or when a restore did not come to its end.
    public func lock() throws(PlatformError) -> TrackingHomeLock {
        let lock = try lockForRestore()
        guard !FileManager.default.fileExists(atPath: restoreMarker.path) else {
            throw PlatformError(
                .failedPrecondition,
                "a restore into this tracking home was interrupted",
                remedy: "slipway tracking restore FOLDER --replace: again, to its end"
            )
        }
        return lock
    }

    func lockForRestore() throws(PlatformError) -> TrackingHomeLock {
        do {
            try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        } catch {
            throw PlatformError(.unavailable, "could not make the tracking home", remedy: "check who owns the folder above it", cause: error)
        }
        return try TrackingHomeLock(path: folder.appending(path: "tracking.lock").path)
    }

    /// Whether there is something that a restore would replace.
    var hasData: Bool {
        if FileManager.default.fileExists(atPath: database.path) { return true }
        let names = (try? FileManager.default.contentsOfDirectory(atPath: artifacts.path)) ?? []
        return !Self.unfinished.isSuperset(of: names)
    }
}

/// The right to use a tracking home alone; the kernel ends it with the process, however that ends.
public final class TrackingHomeLock: Sendable {
    private static let attemptsMax = 20
    private static let pauseMicroseconds: UInt32 = 10_000
    private let file: Int32

    init(path: String) throws(PlatformError) {
        let file = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard file >= 0 else {
            throw PlatformError(.unavailable, "could not open the lock of the tracking home", cause: FileFailure(call: "open", code: errno))
        }
        var isLocked = flock(file, LOCK_EX | LOCK_NB) == 0
        // A child process holds what this one had open for the moment until it becomes another program.
        for _ in 0..<Self.attemptsMax where !isLocked && errno == EWOULDBLOCK {
            usleep(Self.pauseMicroseconds)
            isLocked = flock(file, LOCK_EX | LOCK_NB) == 0
        }
        guard isLocked else {
            let code = errno
            _ = close(file)
            guard code == EWOULDBLOCK else {
                throw PlatformError(.unavailable, "could not lock the tracking home", cause: FileFailure(call: "flock", code: code))
            }
            throw PlatformError(
                .failedPrecondition,
                "the tracking home is in use by a running server",
                remedy: "stop that server, or use another --home"
            )
        }
        self.file = file
    }

    deinit {
        _ = close(file)
    }
}

/// A failed file call.
struct FileFailure: Error, CustomStringConvertible {
    let call: String
    let code: Int32

    var description: String { "\(call): \(String(cString: strerror(code)))" }
}
