public import Foundation
import SlipwayCore
public import SlipwayTracking

/// Artifacts as plain files below one folder, as `mlflow server --artifacts-destination` keeps them.
///
/// Symbolic links are neither followed nor listed: nothing below the folder leads out of it.
public struct FileArtifactStore: ArtifactStore {
    private let root: URL
    /// Where files are until they are whole; on the same file system as `root`.
    private let staging: URL

    public init(root: URL) throws {
        self.root = root
        self.staging = root.appending(path: ".staging")
        do {
            try FileManager.default.createDirectory(at: staging, withIntermediateDirectories: true)
            // What a crash left half-written was never visible and never will be.
            for name in try FileManager.default.contentsOfDirectory(atPath: staging.path) {
                try FileManager.default.removeItem(at: staging.appending(path: name))
            }
        } catch {
            throw PlatformError.wrapping(error, doing: "open the artifact folder", code: .unavailable)
        }
    }

    public func write(_ path: ArtifactPath) throws -> any ArtifactWriter {
        let target = try place(path)
        return try FileArtifactWriter(root: root, target: target, beside: staging.appending(path: UUID().uuidString))
    }

    public func read(_ path: ArtifactPath) throws -> any ArtifactReader {
        try FileArtifactReader(path: try place(path).path, name: path.text)
    }

    public func list(_ path: ArtifactPath?) throws -> [ArtifactListing] {
        let folder = try path.map { try place($0) } ?? root
        var isFolder: ObjCBool = false
        guard FileManager.default.fileExists(atPath: folder.path, isDirectory: &isFolder), isFolder.boolValue else { return [] }
        return try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted().compactMap { name in
            guard path != nil || name != staging.lastPathComponent else { return nil }
            let attributes = try FileManager.default.attributesOfItem(atPath: folder.appending(path: name).path)
            switch attributes[.type] as? FileAttributeType {
            case .typeDirectory: return ArtifactListing(name: name, isFolder: true, bytes: 0)
            case .typeRegular: return ArtifactListing(name: name, isFolder: false, bytes: (attributes[.size] as? Int64) ?? 0)
            default: return nil
            }
        }
    }

    public func delete(_ path: ArtifactPath) throws {
        let target = try place(path)
        guard FileManager.default.fileExists(atPath: target.path) else { return }
        do {
            try FileManager.default.removeItem(at: target)
        } catch {
            throw PlatformError.wrapping(error, doing: "delete artifact '\(path)'", code: .unavailable)
        }
    }

    /// The file's place, refused when a part of the way is a symbolic link.
    private func place(_ path: ArtifactPath) throws -> URL {
        var place = root
        for part in path.text.split(separator: "/") {
            place = place.appending(path: String(part))
            var status = stat()
            guard lstat(place.path, &status) == 0 else { continue }
            guard status.st_mode & S_IFMT != S_IFLNK else {
                throw PlatformError(.invalidArgument, "Invalid path: \(path)")
            }
        }
        guard path.text != staging.lastPathComponent, !path.text.hasPrefix("\(staging.lastPathComponent)/") else {
            throw PlatformError(.invalidArgument, "Invalid path: \(path)")
        }
        return place
    }
}

private final class FileArtifactWriter: ArtifactWriter, @unchecked Sendable {
    private let root: URL
    private let target: URL
    private let beside: URL
    private var descriptor: Int32

    init(root: URL, target: URL, beside: URL) throws {
        self.root = root
        self.target = target
        self.beside = beside
        descriptor = open(beside.path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw writeFailure() }
    }

    deinit {
        abandon()
    }

    func append(_ bytes: UnsafeRawBufferPointer) throws {
        var rest = bytes
        while !rest.isEmpty {
            let written = Foundation.write(descriptor, rest.baseAddress, rest.count)
            guard written > 0 else {
                if errno == EINTR { continue }
                throw writeFailure()
            }
            rest = UnsafeRawBufferPointer(rebasing: rest[written...])
        }
    }

    func commit() throws {
        guard fsync(descriptor) == 0 else { throw writeFailure() }
        close(descriptor)
        descriptor = -1
        let folder = target.deletingLastPathComponent()
        try makeFolder(folder)
        guard rename(beside.path, target.path) == 0 else { throw writeFailure() }
        try synchronize(folder)
    }

    /// Makes `folder` and those above it up to the root, each on disk before anything is put into it.
    private func makeFolder(_ folder: URL) throws {
        guard folder.path.count > root.path.count else { return }
        let parent = folder.deletingLastPathComponent()
        if mkdir(folder.path, 0o755) != 0 {
            guard errno != EEXIST else { return }
            guard errno == ENOENT else { throw writeFailure() }
            try makeFolder(parent)
            guard mkdir(folder.path, 0o755) == 0 || errno == EEXIST else { throw writeFailure() }
        }
        try synchronize(parent)
    }

    /// A name is on disk once its folder is.
    private func synchronize(_ folder: URL) throws {
        let descriptor = open(folder.path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw writeFailure() }
        defer { close(descriptor) }
        guard fsync(descriptor) == 0 else { throw writeFailure() }
    }

    func abandon() {
        if descriptor >= 0 {
            close(descriptor)
            descriptor = -1
        }
        unlink(beside.path)
    }

    private func writeFailure() -> PlatformError {
        let reason = POSIXError(POSIXErrorCode(rawValue: errno) ?? .EIO)
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

private final class FileArtifactReader: ArtifactReader, @unchecked Sendable {
    let byteCount: Int64
    private let descriptor: Int32

    init(path: String, name: String) throws {
        descriptor = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC)
        var status = stat()
        guard descriptor >= 0, fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            if descriptor >= 0 { close(descriptor) }
            throw PlatformError(.notFound, "No such artifact: '\(name)'")
        }
        byteCount = Int64(status.st_size)
    }

    deinit {
        close(descriptor)
    }

    func next(_ count: Int) throws -> [UInt8] {
        try [UInt8](unsafeUninitializedCapacity: count) { space, filled in
            let got = Foundation.read(descriptor, space.baseAddress, count)
            guard got >= 0 else { throw PlatformError(.unavailable, "the artifact could not be read") }
            filled = got
        }
    }
}
