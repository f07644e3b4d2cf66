import Foundation
public import SlipwayCore
public import SlipwayTracking
import Synchronization

/// The tokens of a tracking server: `tokens.json` in its home, for its owner only.
///
/// It holds digests and no token. The command line changes it while the server runs; the server looks at
/// the file's inode and time at each request and reads it again when they changed.
public final class AccessTokenFile: AccessTokenSource {
    private static let bytesMax = 1 << 20
    private static let lockTriesMax = 100
    private static let lockPauseMicroseconds: UInt32 = 50_000

    private let folder: String
    private let path: String
    private let known = Mutex<(state: FileState, tokens: AccessTokens)?>(nil)

    /// - Parameter folder: The tracking server's home.
    public init(folder: String) {
        self.folder = folder
        self.path = "\(folder)/tokens.json"
    }

    /// - Throws: `corrupt` when the file cannot be read as tokens, `failed_precondition` when others can read it.
    public func current() throws(PlatformError) -> AccessTokens {
        let state = FileState(of: path)
        if let known = known.withLock({ $0 }), known.state == state { return known.tokens }
        let tokens = try load()
        known.withLock { $0 = (state, tokens) }
        return tokens
    }

    /// Reads, changes and writes the tokens; two changes at a time come one after the other.
    ///
    /// - Throws: what `body` throws: nothing is changed then; `unavailable` when another change does not end.
    public func change<Value>(_ body: (inout AccessTokens) throws(PlatformError) -> Value) throws(PlatformError) -> Value {
        try PrivateFolder.makeIfMissing(folder)
        let lock = open("\(folder)/tokens.lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard lock >= 0 else {
            throw PlatformError(.unavailable, "could not open 'tokens.lock'", cause: DiskError(call: "open", code: errno))
        }
        defer { _ = close(lock) }
        for attempt in 1... {
            if flock(lock, LOCK_EX | LOCK_NB) == 0 { break }
            guard attempt < Self.lockTriesMax else {
                throw PlatformError(.unavailable, "another command is changing the access tokens", remedy: "try again")
            }
            usleep(Self.lockPauseMicroseconds)
        }
        var tokens = try load()
        let value = try body(&tokens)
        let json = try JSONValue(encoding: Content(format: Content.format, tokens: tokens.tokens))
        try AtomicFile(path, isPrivate: true).write(json.prettyText + "\n")
        return value
    }

    private func load() throws(PlatformError) -> AccessTokens {
        guard let text = try SecretFile(path, bytesMax: Self.bytesMax).text() else { return AccessTokens() }
        let content: Content
        do {
            content = try JSONValue(parsing: Array(text.utf8)).decoded(as: Content.self)
        } catch {
            throw PlatformError(.corrupt, "'tokens.json' cannot be read", remedy: "repair it, or remove it and make new tokens", cause: error)
        }
        guard content.format == Content.format else {
            throw PlatformError(.failedPrecondition, "'tokens.json' was written by another version of slipway", remedy: "use that version")
        }
        return AccessTokens(content.tokens)
    }

    private struct Content: Codable {
        static let format = 1
        let format: Int
        let tokens: [AccessToken]
    }
}

/// What tells one state of a file from another: every write makes a new file.
private struct FileState: Equatable {
    private let inode: UInt64
    private let seconds: Int
    private let nanoseconds: Int
    private let bytes: Int64
    private let mode: UInt32

    init(of path: String) {
        var status = stat()
        guard lstat(path, &status) == 0 else {
            (inode, seconds, nanoseconds, bytes, mode) = (0, 0, 0, -1, 0)
            return
        }
        inode = UInt64(status.st_ino)
        bytes = Int64(status.st_size)
        mode = UInt32(status.st_mode)
        #if canImport(Darwin)
        (seconds, nanoseconds) = (status.st_mtimespec.tv_sec, status.st_mtimespec.tv_nsec)
        #else
        (seconds, nanoseconds) = (status.st_mtim.tv_sec, status.st_mtim.tv_nsec)
        #endif
    }
}
