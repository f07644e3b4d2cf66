import Foundation
import SlipwayCore

/// The file calls of backup and restore.
enum BackupFiles {
    private static let chunkBytes = 1 << 20
    private static let depthMax = 64

    /// The plain files below `folder`, relative, in order; symbolic links are not followed and not listed.
    ///
    /// A folder that goes away meanwhile is passed over.
    static func list(below folder: String, skipping: Set<String>) throws -> [String] {
        var files: [String] = []
        var pending: [(path: String, depth: Int)] = [("", 0)]
        while let (path, depth) = pending.popLast() {
            let names: [String]
            do {
                names = try FileManager.default.contentsOfDirectory(atPath: path.isEmpty ? folder : "\(folder)/\(path)")
            } catch let error as CocoaError where error.code == .fileReadNoSuchFile {
                continue
            }
            for name in names where !(depth == 0 && skipping.contains(name)) {
                let entry = path.isEmpty ? name : "\(path)/\(name)"
                var status = stat()
                guard lstat("\(folder)/\(entry)", &status) == 0 else { continue }
                switch status.st_mode & S_IFMT {
                case S_IFDIR:
                    guard depth < depthMax else {
                        throw PlatformError(.exhausted, "the artifact folders are nested deeper than \(depthMax)")
                    }
                    pending.append((entry, depth + 1))
                case S_IFREG: files.append(entry)
                default: break
                }
                guard files.count < BackupManifest.filesMax else {
                    throw PlatformError(.exhausted, "there are more than \(BackupManifest.filesMax) files")
                }
            }
        }
        return files.sorted()
    }

    enum Transfer {
        case linked
        case copied
        /// The source is not there any more.
        case gone
    }

    /// Gives `source` the second name `target`, or copies it where that cannot be.
    static func transfer(_ source: String, to target: String, copies: Bool) throws -> Transfer {
        if !copies {
            if link(source, target) == 0 { return .linked }
            guard errno != ENOENT else { return .gone }
        }
        let input = open(source, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
        guard input >= 0 else {
            guard errno != ENOENT else { return .gone }
            throw FileFailure(call: "open", code: errno)
        }
        defer { _ = close(input) }
        let output = open(target, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard output >= 0 else { throw FileFailure(call: "create", code: errno) }
        defer { _ = close(output) }
        try chunks(of: input) { chunk in
            var offset = 0
            while offset < chunk.count {
                let count = Foundation.write(output, chunk.baseAddress.map { $0 + offset }, chunk.count - offset)
                guard count > 0 || errno == EINTR else { throw FileFailure(call: "write", code: errno) }
                offset += max(0, count)
            }
        }
        guard fsync(output) == 0 else { throw FileFailure(call: "fsync", code: errno) }
        return .copied
    }

    static func digest(of path: String) throws -> (digest: Digest, bytes: Int64) {
        let file = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
        guard file >= 0 else { throw FileFailure(call: "open", code: errno) }
        defer { _ = close(file) }
        var hasher = DigestHasher()
        var bytes: Int64 = 0
        try chunks(of: file) { chunk in
            hasher.update(UnsafeRawBufferPointer(chunk))
            bytes += Int64(chunk.count)
        }
        return (hasher.finish(), bytes)
    }

    private static func chunks(of file: Int32, _ body: (UnsafeRawBufferPointer) throws -> Void) throws {
        try withUnsafeTemporaryAllocation(byteCount: chunkBytes, alignment: 16) { buffer in
            while true {
                let count = read(file, buffer.baseAddress, buffer.count)
                guard count >= 0 else {
                    guard errno == EINTR else { throw FileFailure(call: "read", code: errno) }
                    continue
                }
                guard count > 0 else { return }
                try body(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
            }
        }
    }

    static func write(_ bytes: [UInt8], to path: String) throws {
        guard FileManager.default.createFile(atPath: path, contents: Data(bytes), attributes: [.posixPermissions: 0o600]) else {
            throw FileFailure(call: "create", code: errno)
        }
        try sync(path)
    }

    /// Waits until the file, or the folder's names, are on the disk.
    static func sync(_ path: String) throws {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { throw FileFailure(call: "open", code: errno) }
        defer { _ = close(file) }
        guard fsync(file) == 0 else { throw FileFailure(call: "fsync", code: errno) }
    }

    /// The folders below `root` that a list of files needs.
    struct Folders {
        let root: String
        private var made: Set<String> = []

        init(root: String) {
            self.root = root
        }

        mutating func make(for path: String) throws {
            try make((path as NSString).deletingLastPathComponent)
        }

        mutating func make(_ folder: String) throws {
            guard !made.contains(folder) else { return }
            try FileManager.default.createDirectory(
                atPath: folder.isEmpty ? root : "\(root)/\(folder)", withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700]
            )
            var parent = folder
            while made.insert(parent).inserted, !parent.isEmpty { parent = (parent as NSString).deletingLastPathComponent }
        }

        func sync() throws {
            for folder in made { try BackupFiles.sync(folder.isEmpty ? root : "\(root)/\(folder)") }
        }
    }

    static func rename(_ path: String, to target: String) throws {
        guard Foundation.rename(path, target) == 0 else { throw FileFailure(call: "rename", code: errno) }
    }

    static func failure(_ error: any Error, doing: String) -> PlatformError {
        switch (error as? FileFailure)?.code {
        case ENOSPC, EDQUOT: PlatformError(.exhausted, "could not \(doing): the disk is full", remedy: "free some space", cause: error)
        case ELOOP: PlatformError(.corrupt, "could not \(doing): there is a symbolic link where a file must be", cause: error)
        case .some: PlatformError(.unavailable, "could not \(doing)", remedy: "check the disk and who owns the folders", cause: error)
        case nil: .wrapping(error, doing: doing, code: .unavailable)
        }
    }
}
