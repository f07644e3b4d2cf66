import Foundation
import SlipwayCore
import SlipwayTracking
import SlipwayTrackingSQLite

/// Files that were fetched, by their digests; those read longest ago go first.
struct ArtifactCache: Sendable {
    private let store: FileArtifactStore
    private let folder: URL
    private let bytesMax: Int64
    private static let copiedBytes = 1 << 20

    init(folder: URL, bytesMax: Int64) throws {
        self.folder = folder
        self.bytesMax = bytesMax
        store = try FileArtifactStore(root: folder)
    }

    /// `nil` when it is not here; what is damaged here is as good as not here.
    func read(_ digest: Digest) throws -> (any ArtifactReader)? {
        guard let reader = try? store.read(try ArtifactPath(digest.hex)), reader.digest == digest else { return nil }
        try? FileManager.default.setAttributes([.modificationDate: Date()], ofItemAtPath: folder.appending(path: digest.hex).path)
        return reader
    }

    /// - Parameter fetch: Writes the file to a place, and says what its digest is.
    func fetch(_ fetch: (_ file: String) throws -> Digest) throws -> any ArtifactReader {
        let file = folder.appending(path: ".staging/fetched-\(UUID().uuidString)").path
        defer { try? FileManager.default.removeItem(atPath: file) }
        let digest = try fetch(file)
        let path = try ArtifactPath(digest.hex)
        let writer = try store.write(path, expecting: ArtifactChecks(sha256: digest))
        guard let handle = FileHandle(forReadingAtPath: file) else { throw PlatformError(.unavailable, "a fetched artifact could not be read again") }
        defer { try? handle.close() }
        while let bytes = try handle.read(upToCount: Self.copiedBytes), !bytes.isEmpty {
            try bytes.withUnsafeBytes { try writer.append($0) }
        }
        try writer.commit()
        let reader = try store.read(path)
        makeRoom(keeping: digest.hex)
        return reader
    }

    /// Whoever reads a file that goes has it open, and reads on.
    private func makeRoom(keeping kept: String) {
        let keys: Set<URLResourceKey> = [.fileSizeKey, .contentModificationDateKey, .isRegularFileKey]
        let files = (try? FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: Array(keys), options: .skipsHiddenFiles)) ?? []
        var known: [(name: String, bytes: Int64, date: Date)] = []
        for file in files {
            guard let values = try? file.resourceValues(forKeys: keys), values.isRegularFile == true else { continue }
            known.append((file.lastPathComponent, Int64(values.fileSize ?? 0), values.contentModificationDate ?? .distantPast))
        }
        var total = known.reduce(0) { $0 + $1.bytes }
        for old in known.sorted(by: { $0.date < $1.date }) where total > bytesMax && old.name != kept {
            guard let path = try? ArtifactPath(old.name), (try? store.delete(path)) != nil else { continue }
            total -= old.bytes
        }
    }
}
