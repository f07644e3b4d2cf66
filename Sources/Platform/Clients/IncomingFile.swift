import Foundation
import NIOCore
import SlipwayCore

/// A file that is being downloaded: it gets its name only when it is complete.
///
/// Not synced: what is downloaded can be downloaded again, and its digest is known.
final class IncomingFile {
    private let target: String
    private let temporary: String
    private let file: Int32
    private var hasher = DigestHasher()
    private var byteCount: Int64 = 0
    private var isOpen = true

    /// - Throws: `unavailable` when the folder cannot be written.
    init(_ target: String) throws(PlatformError) {
        self.target = target
        self.temporary = "\(target).incoming-\(UUID().uuidString)"
        self.file = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o644)
        guard file >= 0 else { throw Self.failure(errno, target) }
    }

    deinit {
        abandon()
    }

    func append(_ buffer: ByteBuffer) throws(PlatformError) {
        byteCount += Int64(buffer.readableBytes)
        guard byteCount <= ClientLimits.fileBytesMax else {
            throw PlatformError(.exhausted, "'\(name)' is larger than \(ClientLimits.fileBytesMax >> 30) GiB, the most that is downloaded")
        }
        let code: Int32? = buffer.withUnsafeReadableBytes { bytes in
            hasher.update(bytes)
            var offset = 0
            while offset < bytes.count {
                let count = write(file, bytes.baseAddress.map { $0 + offset }, bytes.count - offset)
                if count < 0 {
                    if errno == EINTR { continue }
                    return errno
                }
                offset += count
            }
            return nil
        }
        if let code { throw Self.failure(code, target) }
    }

    /// Gives it its name.
    ///
    /// - Returns: The digest of what was written.
    func finish() throws(PlatformError) -> Digest {
        isOpen = false
        guard close(file) == 0, rename(temporary, target) == 0 else {
            let code = errno
            _ = unlink(temporary)
            throw Self.failure(code, target)
        }
        return hasher.finish()
    }

    func abandon() {
        guard isOpen else { return }
        isOpen = false
        _ = close(file)
        _ = unlink(temporary)
    }

    private var name: String { (target as NSString).lastPathComponent }

    private static func failure(_ code: Int32, _ target: String) -> PlatformError {
        let name = (target as NSString).lastPathComponent
        let cause = POSIXError(POSIXErrorCode(rawValue: code) ?? .EIO)
        guard code == ENOSPC || code == EDQUOT || code == EFBIG else {
            return PlatformError(.unavailable, "'\(name)' could not be written", remedy: "check that its folder exists and can be written", cause: cause)
        }
        return PlatformError(.exhausted, "'\(name)' could not be written: the disk is full", remedy: "free some space", cause: cause)
    }
}
