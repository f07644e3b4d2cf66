import Foundation
import SlipwayCore
import SlipwayTracking

/// What is known of a stored file: its SHA-256, and that of each block of 1 MiB.
///
/// The blocks let any part of the file be checked before it is given out, without reading the rest. On disk
/// it is one line of JSON, then 64 hex digits and a newline for each block.
struct DigestRecord {
    let path: ArtifactPath
    let bytes: Int64
    let digest: Digest
    /// As on disk; empty when it was read only as far as the header.
    private var blocks: [UInt8] = []
    private var headerBytes = 0

    static let blockLineBytes = 65

    init(path: ArtifactPath, bytes: Int64, digest: Digest, blocks: [UInt8]) {
        self.path = path
        self.bytes = bytes
        self.digest = digest
        self.blocks = blocks
    }

    /// Reads the header.
    ///
    /// - Throws: `corrupt`.
    init(_ file: OpenFile) throws {
        let start = try file.read(at: 0, count: ArtifactLimits.recordHeaderBytesMax)
        guard let end = start.firstIndex(of: UInt8(ascii: "\n")), let header = try? JSONValue(parsing: start[..<end]),
            let text = header["path"]?.stringValue, let path = try? ArtifactPath(text), let bytes = header["bytes"]?.intValue,
            let hex = header["sha256"]?.stringValue, let digest = try? Digest(hex),
            header["check"]?.stringValue == Self.check(path, bytes, digest)
        else { throw PlatformError(.corrupt, "the digest kept for an artifact is damaged", remedy: "upload the artifact again") }
        self.path = path
        self.bytes = bytes
        self.digest = digest
        headerBytes = end + 1
    }

    /// Reads all of a file to make its record.
    static func measuring(_ file: OpenFile, _ path: ArtifactPath) throws -> DigestRecord {
        var measure = DigestMeasure(checks: ArtifactChecks())
        while true {
            let bytes = try file.read(at: measure.bytes, count: ArtifactLimits.blockBytes)
            guard !bytes.isEmpty else { break }
            bytes.withUnsafeBytes { measure.update($0) }
        }
        return try measure.finish(path)
    }

    /// The hex digits of a block, from the file that this was read from.
    func block(_ index: Int, in file: OpenFile) throws -> [UInt8] {
        try file.read(at: Int64(headerBytes + index * Self.blockLineBytes), count: Self.blockLineBytes - 1)
    }

    /// A new file, on disk.
    func write(to place: String) throws {
        let header: JSONValue = [
            "path": .string(path.text), "bytes": .int(bytes), "sha256": .string(digest.hex), "blockBytes": .int(Int64(ArtifactLimits.blockBytes)),
            "check": .string(Self.check(path, bytes, digest)),
        ]
        let file = try OpenFile(creating: place)
        try (header.canonicalBytes + [UInt8(ascii: "\n")] + blocks).withUnsafeBytes { try file.append($0) }
        try file.synchronize()
    }

    private static func check(_ path: ArtifactPath, _ bytes: Int64, _ digest: Digest) -> String {
        Digest(of: "\(path)\n\(bytes)\n\(digest.hex)\n\(ArtifactLimits.blockBytes)".utf8).hex
    }
}
