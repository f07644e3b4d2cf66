import Foundation
import SlipwayCore

/// A file descriptor that is closed with its last owner.
final class OpenFile: Sendable {
    let descriptor: Int32

    /// A plain file to read; `nil` when there is none. A symbolic link is none.
    init?(reading path: String) {
        descriptor = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        guard (try? status().st_mode & S_IFMT) == S_IFREG else { return nil }
    }

    /// A new file.
    init(creating path: String) throws {
        descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw DiskFailure.error(errno) }
    }

    deinit {
        if descriptor >= 0 { close(descriptor) }
    }

    /// What tells a file from another that took its place.
    struct Identity: Equatable {
        let inode: UInt64
        let bytes: Int64
        let modified: Int64
    }

    func identity() throws -> Identity {
        let status = try status()
        #if canImport(Darwin)
        let time = status.st_mtimespec
        #else
        let time = status.st_mtim
        #endif
        return Identity(inode: UInt64(status.st_ino), bytes: Int64(status.st_size), modified: Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec))
    }

    private func status() throws -> stat {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw DiskFailure.error(errno) }
        return status
    }

    /// The bytes at `offset`, fewer than `count` only at the end of the file.
    func read(at offset: Int64, count: Int) throws -> [UInt8] {
        try [UInt8](unsafeUninitializedCapacity: count) { space, filled in
            while filled < count {
                let got = pread(descriptor, space.baseAddress.map { $0 + filled }, count - filled, off_t(offset) + off_t(filled))
                guard got != 0 else { return }
                guard got > 0 else {
                    if errno == EINTR { continue }
                    throw PlatformError(.unavailable, "the artifact could not be read", cause: POSIXError(POSIXErrorCode(rawValue: errno) ?? .EIO))
                }
                filled += got
            }
        }
    }

    func append(_ bytes: UnsafeRawBufferPointer) throws {
        var rest = bytes
        while !rest.isEmpty {
            let written = Foundation.write(descriptor, rest.baseAddress, rest.count)
            guard written > 0 else {
                if errno == EINTR { continue }
                throw DiskFailure.error(errno)
            }
            rest = UnsafeRawBufferPointer(rebasing: rest[written...])
        }
    }

    func synchronize() throws {
        guard fsync(descriptor) == 0 else { throw DiskFailure.error(errno) }
    }
}

enum DiskFailure {
    /// What a failed call means for whoever wanted to store something.
    static func error(_ number: Int32) -> PlatformError {
        let reason = POSIXError(POSIXErrorCode(rawValue: number) ?? .EIO)
        switch reason.code {
        case .ENOSPC, .EDQUOT:
            return PlatformError(.exhausted, "the disk is full: the artifact was not stored", remedy: "free some space and try again", cause: reason)
        case .EISDIR, .ENOTDIR, .ENOTEMPTY, .EEXIST:
            return PlatformError(.invalidArgument, "the artifact's path is a folder, or leads through a file", cause: reason)
        default:
            return PlatformError(.unavailable, "the artifact could not be stored", cause: reason)
        }
    }
}

/// A name is on disk once its folder is.
func synchronize(_ folder: String) throws {
    let descriptor = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard descriptor >= 0 else { throw DiskFailure.error(errno) }
    defer { close(descriptor) }
    guard fsync(descriptor) == 0 else { throw DiskFailure.error(errno) }
}

func parent(_ place: String) -> String {
    place.utf8.lastIndex(of: UInt8(ascii: "/")).map { String(place[..<$0]) } ?? place
}

/// Whether anything is there, a dangling link included.
func exists(_ place: String) -> Bool {
    var status = stat()
    return lstat(place, &status) == 0
}

func isPlainFile(_ place: String) -> Bool {
    var status = stat()
    return lstat(place, &status) == 0 && status.st_mode & S_IFMT == S_IFREG
}
