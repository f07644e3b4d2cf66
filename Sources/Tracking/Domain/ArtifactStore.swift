/// Where artifact files are kept.
///
/// A file is there whole or not at all; what is written under a path that exists takes its place.
public protocol ArtifactStore: Sendable {
    /// Begins a file. It becomes visible with ``ArtifactWriter/commit()``.
    func write(_ path: ArtifactPath) throws -> any ArtifactWriter
    /// - Throws: `not_found` when there is no such file.
    func read(_ path: ArtifactPath) throws -> any ArtifactReader
    /// Files and folders directly below `path` (`nil`: the root), by name; empty when it does not exist.
    func list(_ path: ArtifactPath?) throws -> [ArtifactListing]
    /// Removes a file, or a folder with all that is in it. Nothing there is fine.
    func delete(_ path: ArtifactPath) throws
}

/// A file that is being written. Used by one task at a time.
public protocol ArtifactWriter: AnyObject, Sendable {
    func append(_ bytes: UnsafeRawBufferPointer) throws
    /// Puts the file in its place, on disk.
    func commit() throws
    /// Forgets what was written.
    func abandon()
}

/// A file that is being read. Used by one task at a time.
public protocol ArtifactReader: AnyObject, Sendable {
    var byteCount: Int64 { get }
    /// The next bytes, at most `count`; empty at the end.
    func next(_ count: Int) throws -> [UInt8]
}

public struct ArtifactListing: Sendable, Hashable {
    public let name: String
    public let isFolder: Bool
    public let bytes: Int64

    public init(name: String, isFolder: Bool, bytes: Int64) {
        self.name = name
        self.isFolder = isFolder
        self.bytes = bytes
    }
}
