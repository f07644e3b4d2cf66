import Foundation
import SlipwayCore
import SlipwayTracking

/// One folder of files with their digests: the artifacts, or the parts of unfinished ones.
///
/// A file and its ``DigestRecord`` change place together, seen from outside. Both are first written and
/// synchronised below `.staging`; then, under the path's lock, the file is renamed, and the record after it.
/// A crash between the two leaves a record without its file in `.staging`: opening the folder finishes that.
struct ArtifactFolder: Sendable {
    static let staging = ".staging"
    static let digests = ".digests"
    static let uploads = ".uploads"
    private static let reserved: Set<String> = [staging, digests, uploads]
    static let recordSuffix = ".digest"

    let root: String
    private let locks = PathLocks()

    init(root: String) throws {
        self.root = root
        for name in [Self.staging, Self.digests] {
            try FileManager.default.createDirectory(atPath: "\(root)/\(name)", withIntermediateDirectories: true)
        }
        try recover()
    }

    func write(_ path: ArtifactPath, expecting checks: ArtifactChecks = ArtifactChecks()) throws -> FileArtifactWriter {
        try FileArtifactWriter(folder: self, path: path, target: try place(path), staged: stagedName(), checks: checks)
    }

    /// A reader of the file as it was stored.
    ///
    /// One that has no record, because an older version stored it, is digested first: that reads all of it.
    func read(_ path: ArtifactPath) throws -> FileArtifactReader {
        let target = try place(path)
        if let reader = try open(path, target) { return reader }
        try digest(path, target)
        guard let reader = try open(path, target) else {
            throw PlatformError(.unavailable, "artifact '\(path)' is being changed", remedy: "try again")
        }
        return reader
    }

    private func open(_ path: ArtifactPath, _ target: String) throws -> FileArtifactReader? {
        try locks.with(path) {
            let file = try FileArtifactReader.openFile(target, path)
            guard let record = OpenFile(reading: recordPlace(path)) else { return nil }
            return try FileArtifactReader(file: file, record: record, path: path)
        }
    }

    private func digest(_ path: ArtifactPath, _ target: String) throws {
        let file = try FileArtifactReader.openFile(target, path)
        let before = try file.identity()
        let record = try DigestRecord.measuring(file, path)
        let staged = stagedName() + Self.recordSuffix
        try record.write(to: staged)
        do {
            try locks.with(path) {
                // Another file at this path has a record of its own.
                guard let now = OpenFile(reading: target), try now.identity() == before else {
                    unlink(staged)
                    return
                }
                try placeRecord(staged, path)
            }
        } catch {
            unlink(staged)
            throw error
        }
    }

    func list(_ path: ArtifactPath?) throws -> [ArtifactListing] {
        let folder = try path.map { try place($0) } ?? root
        guard let stream = opendir(folder) else {
            guard errno == ENOENT || errno == ENOTDIR else { throw DiskFailure.error(errno) }
            return []
        }
        defer { closedir(stream) }
        var entries: [ArtifactListing] = []
        while let entry = readdir(stream) {
            let name = withUnsafeBytes(of: entry.pointee.d_name) { bytes in
                String(validating: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            guard let name, name != ".", name != "..", path != nil || !Self.reserved.contains(name) else { continue }
            var status = stat()
            // What was removed since is not there.
            guard fstatat(dirfd(stream), name, &status, AT_SYMLINK_NOFOLLOW) == 0 else { continue }
            switch status.st_mode & S_IFMT {
            case S_IFDIR: entries.append(ArtifactListing(name: name, isFolder: true, bytes: 0))
            case S_IFREG: entries.append(ArtifactListing(name: name, isFolder: false, bytes: Int64(status.st_size)))
            default: continue
            }
            guard entries.count <= ArtifactLimits.listingMax else {
                throw PlatformError(.exhausted, "the folder has more than \(ArtifactLimits.listingMax) entries")
            }
        }
        return entries.sorted { $0.name < $1.name }
    }

    func delete(_ path: ArtifactPath) throws {
        let target = try place(path)
        let record = recordPlace(path)
        try locks.withAll {
            do {
                // The file first: a record without its file is nothing, a file without its record is unchecked.
                for place in [target, record] where exists(place) { try FileManager.default.removeItem(atPath: place) }
                let folder = parent(target)
                if exists(folder) { try synchronize(folder) }
            } catch {
                throw PlatformError.wrapping(error, doing: "delete artifact '\(path)'", code: .unavailable)
            }
        }
    }

    /// Puts a whole, synchronised file and its record in their places.
    func commit(_ staged: String, to target: String, _ path: ArtifactPath) throws {
        try synchronize("\(root)/\(Self.staging)")
        try locks.with(path) {
            try makeFolder(parent(target))
            guard rename(staged, target) == 0 else { throw DiskFailure.error(errno) }
            try synchronize(parent(target))
            try placeRecord(staged + Self.recordSuffix, path)
        }
    }

    /// Puts a record in its place. What stands in the way belongs to a file that is gone.
    ///
    /// Not synchronised: until the disk has the new name it has the old one, and ``recover()`` does this again.
    private func placeRecord(_ staged: String, _ path: ArtifactPath) throws {
        let place = recordPlace(path)
        if rename(staged, place) == 0 { return }
        var way = "\(root)/\(Self.digests)"
        for part in path.text.pathParts.dropLast() {
            way += "/\(part)"
            if mkdir(way, 0o755) == 0 { continue }
            guard isPlainFile(way) else { continue }
            unlink(way)
            guard mkdir(way, 0o755) == 0 else { throw DiskFailure.error(errno) }
        }
        if exists(place) { try FileManager.default.removeItem(atPath: place) }
        guard rename(staged, place) == 0 else { throw DiskFailure.error(errno) }
    }

    /// Finishes the commits that a crash cut short, and removes what was never whole.
    private func recover() throws {
        let staging = "\(root)/\(Self.staging)"
        let names = try FileManager.default.contentsOfDirectory(atPath: staging)
        let present = Set(names)
        for name in names where name.hasSuffix(Self.recordSuffix) {
            guard !present.contains(String(name.dropLast(Self.recordSuffix.count))) else { continue }
            // Only when it is true: the file may have been replaced by a later commit.
            guard let file = OpenFile(reading: "\(staging)/\(name)"), let record = try? DigestRecord(file),
                let target = try? place(record.path), let content = OpenFile(reading: target),
                try content.identity().bytes == record.bytes, try DigestRecord.measuring(content, record.path).digest == record.digest
            else { continue }
            try placeRecord("\(staging)/\(name)", record.path)
        }
        for name in try FileManager.default.contentsOfDirectory(atPath: staging) {
            try FileManager.default.removeItem(atPath: "\(staging)/\(name)")
        }
    }

    /// The file's place, refused when a part of the way is a symbolic link.
    func place(_ path: ArtifactPath) throws(PlatformError) -> String {
        var place = root
        for (index, part) in path.text.pathParts.enumerated() {
            // Some file systems take no notice of case.
            guard index > 0 || !Self.reserved.contains(part.lowercased()) else { throw Self.invalid(path) }
            place += "/\(part)"
            var status = stat()
            guard lstat(place, &status) == 0 else { continue }
            guard status.st_mode & S_IFMT != S_IFLNK else { throw Self.invalid(path) }
        }
        return place
    }

    private static func invalid(_ path: ArtifactPath) -> PlatformError {
        PlatformError(.invalidArgument, "Invalid path", remedy: "'\(path)' leads through a symbolic link or a reserved folder")
    }

    private func recordPlace(_ path: ArtifactPath) -> String {
        "\(root)/\(Self.digests)/\(path)"
    }

    private func stagedName() -> String {
        "\(root)/\(Self.staging)/\(UUID().uuidString)"
    }

    /// Makes `folder` and those above it up to the root, each on disk before anything is put into it.
    private func makeFolder(_ folder: String) throws {
        guard folder.utf8.count > root.utf8.count else { return }
        if mkdir(folder, 0o755) != 0 {
            guard errno != EEXIST else { return }
            guard errno == ENOENT else { throw DiskFailure.error(errno) }
            try makeFolder(parent(folder))
            guard mkdir(folder, 0o755) == 0 || errno == EEXIST else { throw DiskFailure.error(errno) }
        }
        try synchronize(parent(folder))
    }
}

/// Locks by path, a fixed number of them.
final class PathLocks: Sendable {
    private let locks = (0..<ArtifactLimits.locks).map { _ in NSLock() }

    func with<Result>(_ path: ArtifactPath, _ body: () throws -> Result) rethrows -> Result {
        try locks[Int(UInt(bitPattern: path.hashValue) % UInt(locks.count))].withLock(body)
    }

    /// For what concerns many paths; always in one order.
    func withAll<Result>(_ body: () throws -> Result) rethrows -> Result {
        for lock in locks { lock.lock() }
        defer { for lock in locks { lock.unlock() } }
        return try body()
    }
}
