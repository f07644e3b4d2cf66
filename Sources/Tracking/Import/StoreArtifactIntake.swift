public import SlipwayCore
public import SlipwayTracking

/// An artifact store as where an import puts files.
public struct StoreArtifactIntake: ArtifactIntake {
    private let store: any ArtifactStore

    private static let chunkBytes = 1 << 20
    private static let depthMax = 64

    public init(_ store: any ArtifactStore) {
        self.store = store
    }

    public func files(below folder: ArtifactPath) throws -> [String: Int64] {
        var files: [String: Int64] = [:]
        var folders = [(path: "", depth: 0)]
        while let next = folders.popLast() {
            guard next.depth <= Self.depthMax else {
                throw PlatformError(.exhausted, "the folders below '\(folder)' stand deeper than \(Self.depthMax)")
            }
            for entry in try store.list(next.path.isEmpty ? folder : folder.appending(next.path)) {
                let path = next.path.isEmpty ? entry.name : "\(next.path)/\(entry.name)"
                if entry.isFolder { folders.append((path, next.depth + 1)) } else { files[path] = entry.bytes }
            }
        }
        return files
    }

    public func begin(_ path: ArtifactPath) throws -> any IncomingArtifact {
        StoreWriter(try store.write(path))
    }

    public func digest(of path: ArtifactPath) throws -> Digest {
        let reader = try store.read(path)
        var hasher = DigestHasher()
        while true {
            let bytes = try reader.next(Self.chunkBytes)
            guard !bytes.isEmpty else { return hasher.finish() }
            hasher.update(bytes)
        }
    }

    public func remove(_ path: ArtifactPath) throws {
        try store.delete(path)
    }
}

private final class StoreWriter: IncomingArtifact {
    private let writer: any ArtifactWriter

    init(_ writer: any ArtifactWriter) {
        self.writer = writer
    }

    func append(_ bytes: UnsafeRawBufferPointer) throws { try writer.append(bytes) }

    func finish() throws { _ = try writer.commit() }

    func abandon() { writer.abandon() }
}
