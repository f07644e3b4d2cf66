public import SlipwayCore

/// Where artifact files are kept, each with its SHA-256.
///
/// A file is there whole or not at all; what is written under a path that exists takes its place. The calls
/// block on the disk: a server makes them away from its event loops.
public protocol ArtifactStore: Sendable {
    /// Begins a file. It becomes visible with ``ArtifactWriter/commit()``.
    func write(_ path: ArtifactPath, expecting checks: ArtifactChecks) throws -> any ArtifactWriter
    /// - Throws: `not_found` when there is no such file, `corrupt` when it is not the one that was stored.
    func read(_ path: ArtifactPath) throws -> any ArtifactReader
    /// Files and folders directly below `path` (`nil`: the root), by name; empty when it does not exist.
    func list(_ path: ArtifactPath?) throws -> [ArtifactListing]
    /// Removes a file, or a folder with all that is in it. Nothing there is fine.
    func delete(_ path: ArtifactPath) throws
    /// Files that come in parts.
    var uploads: any MultipartStore { get }
}

extension ArtifactStore {
    public func write(_ path: ArtifactPath) throws -> any ArtifactWriter {
        try write(path, expecting: ArtifactChecks())
    }
}

/// What whoever sends a file says about its bytes.
public struct ArtifactChecks: Sendable, Hashable {
    public var sha256: Digest?
    /// 64 bytes.
    public var sha512: [UInt8]?
    /// 16 bytes.
    public var md5: [UInt8]?

    public init(sha256: Digest? = nil, sha512: [UInt8]? = nil, md5: [UInt8]? = nil) {
        self.sha256 = sha256
        self.sha512 = sha512
        self.md5 = md5
    }
}

/// A file that is being written. Used by one task at a time.
public protocol ArtifactWriter: AnyObject, Sendable {
    func append(_ bytes: UnsafeRawBufferPointer) throws
    /// Puts the file in its place, on disk, and says what it is.
    ///
    /// - Throws: `invalid_argument` when it is not what was announced; nothing is visible then.
    @discardableResult func commit() throws -> Digest
    /// Forgets what was written.
    func abandon()
}

/// A file that is being read. Used by one task at a time.
public protocol ArtifactReader: AnyObject, Sendable {
    var byteCount: Int64 { get }
    /// The digest that it was stored with.
    var digest: Digest { get }
    /// Goes on with these bytes, and ends with them.
    func select(_ range: Range<Int64>) throws
    /// The next bytes, at most `count`; empty at the end. Each was compared with its digest before.
    ///
    /// - Throws: `corrupt` instead of giving bytes that are not the ones stored.
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
