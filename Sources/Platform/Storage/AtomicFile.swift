import Foundation
public import SlipwayCore

/// A file that is whole or absent, whatever happens while it is written.
///
/// The bytes go into a temporary file beside it, reach the disk, are read back and compared, and only then
/// get the name. A returned ``write(_:)`` survives kill -9 and a power cut. After one that threw, the file
/// is the one before; only when the last call of all failed, the sync of the folder, it may be the new one.
public struct AtomicFile: Sendable {
    /// How every temporary file of ours begins; one that is found was left by a stop in the middle.
    static let temporaryPrefix = ".slipway-new-"

    public let path: String
    private let isPrivate: Bool
    private let disk: any Disk

    /// - Parameters:
    ///   - path: In a folder that exists.
    ///   - isPrivate: Whether only its owner may read it.
    public init(_ path: String, isPrivate: Bool = false) {
        self.init(path, isPrivate: isPrivate, disk: POSIXDisk())
    }

    init(_ path: String, isPrivate: Bool = false, disk: any Disk) {
        self.path = path
        self.isPrivate = isPrivate
        self.disk = disk
    }

    /// For messages: paths of this machine do not belong there.
    private var name: String { (path as NSString).lastPathComponent }
    private var folder: String { (path as NSString).deletingLastPathComponent }

    /// Replaces the file's content, or makes the file.
    ///
    /// - Throws: `exhausted` when the disk does not take it, `unavailable` when the folder cannot be written.
    public func write(_ bytes: [UInt8]) throws(PlatformError) {
        try store(bytes) { try disk.rename($0, to: path) }
    }

    public func write(_ text: String) throws(PlatformError) {
        try write(Array(text.utf8))
    }

    /// Makes the file, and leaves one that is there alone.
    ///
    /// - Throws: `already_exists` when it is there, else as ``write(_:)``.
    public func create(_ bytes: [UInt8]) throws(PlatformError) {
        try store(bytes) { temporary in
            try disk.link(temporary, to: path)
            // A second name that stays behind is cleared at the next start.
            try? disk.remove(temporary)
        }
    }

    /// - Throws: `not_found` when it is not there, `corrupt` when it is larger than `bytesMax`.
    public func read(bytesMax: Int) throws(PlatformError) -> [UInt8] {
        do {
            return try disk.read(path, bytesMax: bytesMax)
        } catch {
            switch (error as? DiskError)?.code {
            case ENOENT: throw PlatformError(.notFound, "there is no file '\(name)'", cause: error)
            case EFBIG: throw PlatformError(.corrupt, "'\(name)' is larger than \(bytesMax) bytes", cause: error)
            default: throw PlatformError(.unavailable, "could not read '\(name)'", cause: error)
            }
        }
    }

    /// As ``read(bytesMax:)``, but `nil` when it is not there.
    public func contents(bytesMax: Int) throws(PlatformError) -> [UInt8]? {
        do {
            return try read(bytesMax: bytesMax)
        } catch where error.code == .notFound {
            return nil
        }
    }

    /// Removes the file for good. Absent is fine.
    public func remove() throws(PlatformError) {
        do {
            try disk.remove(path)
            try disk.syncFolder(folder)
        } catch let error as DiskError where error.code == ENOENT {
            return
        } catch {
            throw PlatformError(.unavailable, "could not remove '\(name)'", cause: error)
        }
    }

    private func store(_ bytes: [UInt8], _ publish: (String) throws -> Void) throws(PlatformError) {
        let temporary = "\(folder)/\(Self.temporaryPrefix)\(UUID().uuidString)"
        do {
            try disk.create(temporary, bytes, mode: isPrivate ? 0o600 : 0o644)
            guard try disk.read(temporary, bytesMax: max(bytes.count, 1)) == bytes else {
                throw DiskError(call: "read back", code: EIO)
            }
            try publish(temporary)
            try disk.syncFolder(folder)
        } catch {
            try? disk.remove(temporary)
            throw Self.platformError(error, name: name)
        }
    }

    private static func platformError(_ error: any Error, name: String) -> PlatformError {
        switch (error as? DiskError)?.code {
        case ENOSPC, EDQUOT, EFBIG:
            PlatformError(.exhausted, "'\(name)' could not be written: the disk is full", remedy: "free some space", cause: error)
        case EEXIST:
            PlatformError(.alreadyExists, "'\(name)' is there already", cause: error)
        case ENOENT, ENOTDIR:
            PlatformError(.unavailable, "'\(name)' could not be written: its folder is not there", cause: error)
        case EACCES, EPERM, EROFS:
            PlatformError(.unavailable, "'\(name)' could not be written: permission denied", remedy: "check who owns the home folder", cause: error)
        default:
            PlatformError(.unavailable, "'\(name)' could not be written", remedy: "check the disk", cause: error)
        }
    }

    /// Removes what stops in the middle have left in `folder`.
    static func clearTemporaries(in folder: String, disk: any Disk) throws {
        for name in try disk.names(in: folder) where name.hasPrefix(temporaryPrefix) {
            try disk.remove("\(folder)/\(name)")
        }
    }
}
