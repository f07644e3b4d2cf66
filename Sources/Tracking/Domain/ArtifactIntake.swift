public import SlipwayCore

/// Where an import puts files, and reads back what is there then.
public protocol ArtifactIntake: Sendable {
    /// The files below a folder, by their paths in it, with their sizes; empty when there is no such folder.
    func files(below folder: ArtifactPath) throws -> [String: Int64]
    /// Begins a file, which becomes visible when it is committed.
    func begin(_ path: ArtifactPath) throws -> any IncomingArtifact
    /// The digest of what is there now.
    ///
    /// - Throws: `not_found` when there is no such file.
    func digest(of path: ArtifactPath) throws -> Digest
    func remove(_ path: ArtifactPath) throws
}

/// A file on its way in. Used by one task at a time.
public protocol IncomingArtifact: AnyObject, Sendable {
    func append(_ bytes: UnsafeRawBufferPointer) throws
    func finish() throws
    func abandon()
}

/// A file that has come whole and waits to be committed.
public struct ReceivedArtifact: Sendable {
    public let file: any IncomingArtifact
    /// Of the bytes as they came.
    public let digest: Digest
    public let bytes: Int64

    public init(file: any IncomingArtifact, digest: Digest, bytes: Int64) {
        self.file = file
        self.digest = digest
        self.bytes = bytes
    }
}
