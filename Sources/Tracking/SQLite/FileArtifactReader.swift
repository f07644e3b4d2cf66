import Foundation
import SlipwayCore
import SlipwayTracking

/// Reads a file block by block, each compared with its digest before a byte of it is given out.
///
/// Keeps one block in memory. A file that is replaced meanwhile is read on as it was.
final class FileArtifactReader: ArtifactReader, @unchecked Sendable {
    let byteCount: Int64
    let digest: Digest
    private let path: ArtifactPath
    private let file: OpenFile
    private let record: DigestRecord
    private let recordFile: OpenFile
    private var position: Int64 = 0
    private var end: Int64
    private var block: [UInt8] = []
    private var blockIndex = -1

    init(file: OpenFile, record: OpenFile, path: ArtifactPath) throws {
        self.file = file
        self.path = path
        recordFile = record
        self.record = try DigestRecord(record)
        byteCount = try file.identity().bytes
        digest = self.record.digest
        end = byteCount
        guard self.record.bytes == byteCount, self.record.path == path else { throw corrupt() }
    }

    static func openFile(_ target: String, _ path: ArtifactPath) throws(PlatformError) -> OpenFile {
        if let file = OpenFile(reading: target) { return file }
        guard exists(target) else { throw PlatformError(.notFound, "No such artifact: '\(path)'") }
        throw PlatformError(.invalidArgument, "Artifact path refers to a directory, not a file: '\(path)'")
    }

    func select(_ range: Range<Int64>) throws {
        guard range.lowerBound >= 0, range.upperBound <= byteCount else {
            throw PlatformError(.invalidArgument, "artifact '\(path)' has \(byteCount) bytes")
        }
        position = range.lowerBound
        end = range.upperBound
    }

    func next(_ count: Int) throws -> [UInt8] {
        guard position < end, count > 0 else { return [] }
        let index = Int(position / Int64(ArtifactLimits.blockBytes))
        if index != blockIndex { try load(index) }
        let offset = Int(position % Int64(ArtifactLimits.blockBytes))
        let size = min(count, block.count - offset, Int(min(end - position, Int64(Int.max))))
        position += Int64(size)
        return size == block.count ? block : Array(block[offset..<offset + size])
    }

    private func load(_ index: Int) throws {
        blockIndex = -1
        let start = Int64(index) * Int64(ArtifactLimits.blockBytes)
        block = try file.read(at: start, count: Int(min(Int64(ArtifactLimits.blockBytes), byteCount - start)))
        var hasher = DigestHasher()
        hasher.update(block)
        let expected = try record.block(index, in: recordFile)
        guard Int64(block.count) == min(Int64(ArtifactLimits.blockBytes), byteCount - start), Array(hasher.finish().hex.utf8) == expected else {
            throw corrupt()
        }
        blockIndex = index
    }

    private func corrupt() -> PlatformError {
        PlatformError(
            .corrupt,
            "artifact '\(path)' is not the file that was stored: its SHA-256 differs",
            remedy: "delete it and upload it again, or restore it from a backup"
        )
    }
}
