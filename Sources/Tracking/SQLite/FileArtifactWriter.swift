import Foundation
import SlipwayCore
import SlipwayTracking

/// A file that is staged until it is whole.
final class FileArtifactWriter: ArtifactWriter, @unchecked Sendable {
    private let folder: ArtifactFolder
    private let path: ArtifactPath
    private let target: String
    private let staged: String
    private var file: OpenFile?
    private var measure: DigestMeasure

    init(folder: ArtifactFolder, path: ArtifactPath, target: String, staged: String, checks: ArtifactChecks) throws {
        self.folder = folder
        self.path = path
        self.target = target
        self.staged = staged
        measure = DigestMeasure(checks: checks)
        file = try OpenFile(creating: staged)
    }

    deinit {
        abandon()
    }

    func append(_ bytes: UnsafeRawBufferPointer) throws {
        guard let file else { preconditionFailure("a file that is committed or abandoned takes no more bytes") }
        guard measure.bytes + Int64(bytes.count) <= ArtifactLimits.fileBytesMax else {
            throw PlatformError(.exhausted, "artifact '\(path)' is larger than \(ArtifactLimits.fileBytesMax) bytes")
        }
        try file.append(bytes)
        measure.update(bytes)
    }

    @discardableResult
    func commit() throws -> Digest {
        do {
            let record = try measure.finish(path)
            try file?.synchronize()
            file = nil
            try record.write(to: staged + ArtifactFolder.recordSuffix)
            try folder.commit(staged, to: target, path)
            return record.digest
        } catch {
            abandon()
            throw error
        }
    }

    func abandon() {
        file = nil
        guard exists(staged) else { return }
        // The record first: alone it would say that the file is in its place.
        unlink(staged + ArtifactFolder.recordSuffix)
        unlink(staged)
    }
}
