import Foundation
import SlipwayCore
import SlipwayPipeline

/// The folder of one run: its output, logs, and the files of candidate and champion.
struct RunFolder: Sendable {
    enum Part: String {
        /// What the user's steps write: `SLIPWAY_OUTPUT`.
        case output
        case logs
        /// The candidate as it was logged, or as the other environment has it.
        case model
        /// The candidate as the registry gives it back.
        case version
        case champion
        /// What is kept with the version: golden inputs, holdout, profile, policy.
        case evidence
    }

    /// The largest file that is read whole.
    static let readBytesMax = PipelineLimits.csvBytesMax

    let path: String

    init(_ id: RunID, in runsFolder: String) {
        path = "\(runsFolder)/\(id)"
    }

    func make() throws {
        for part in [Part.output, .logs, .evidence] { try makeFolder(folder(part)) }
    }

    func folder(_ part: Part) -> String { "\(path)/\(part.rawValue)" }

    /// - Throws: `invalid_argument` for a path that would lead out of the folder.
    func file(_ part: Part, _ name: String) throws -> String {
        let parts = name.split(separator: "/", omittingEmptySubsequences: false)
        guard !name.isEmpty, name.utf8.count <= 1_024, !name.utf8.contains(0),
            !parts.contains(where: { $0.isEmpty || $0 == "." || $0 == ".." })
        else {
            throw PlatformError(.invalidArgument, "'\(name.prefix(80))' is not a path inside a run's folder")
        }
        return "\(folder(part))/\(name)"
    }

    /// The file's path, with the folders above it made.
    func newFile(_ part: Part, _ name: String) throws -> String {
        let file = try file(part, name)
        try makeFolder((file as NSString).deletingLastPathComponent)
        return file
    }

    func has(_ part: Part, _ name: String) -> Bool {
        guard let file = try? file(part, name) else { return false }
        return FileManager.default.fileExists(atPath: file)
    }

    func read(_ part: Part, _ name: String, bytesMax: Int = readBytesMax) throws -> [UInt8] {
        try Self.read(try file(part, name), called: name, bytesMax: bytesMax)
    }

    static func read(_ file: String, called name: String, bytesMax: Int) throws -> [UInt8] {
        let attributes = try? FileManager.default.attributesOfItem(atPath: file)
        guard let attributes, let size = attributes[.size] as? Int else {
            throw PlatformError(.notFound, "there is no file '\(name)'")
        }
        guard attributes[.type] as? FileAttributeType == .typeRegular else {
            throw PlatformError(.invalidArgument, "'\(name)' is not a plain file")
        }
        guard size <= bytesMax else {
            throw PlatformError(.invalidArgument, "'\(name)' is larger than \(bytesMax >> 20) MiB")
        }
        guard let data = FileManager.default.contents(atPath: file) else {
            throw PlatformError(.unavailable, "'\(name)' cannot be read")
        }
        return [UInt8](data)
    }

    func write(_ bytes: [UInt8], _ part: Part, _ name: String) throws {
        do {
            try Data(bytes).write(to: URL(filePath: try newFile(part, name)), options: .atomic)
        } catch let error as PlatformError {
            throw error
        } catch {
            throw PlatformError(
                .exhausted,
                "could not write '\(name)' of the run",
                remedy: "check the disk's space",
                cause: error
            )
        }
    }

    /// Frees what can be had from the registry again; output, logs and evidence stay.
    func discardCopies() {
        for part in [Part.model, .version, .champion] {
            try? FileManager.default.removeItem(atPath: folder(part))
        }
    }

    private func makeFolder(_ path: String) throws {
        do {
            try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        } catch {
            throw PlatformError(
                .unavailable,
                "could not make the run's folder",
                remedy: "check the disk's space and rights",
                cause: error
            )
        }
    }
}

/// Digests of files, read in pieces.
enum FileDigest {
    private static let pieceBytes = 1 << 20

    static func of(_ file: String) throws -> Digest {
        guard let handle = FileHandle(forReadingAtPath: file) else {
            throw PlatformError(.notFound, "a file of the run is gone")
        }
        defer { try? handle.close() }
        var hasher = DigestHasher()
        while let piece = try handle.read(upToCount: pieceBytes), !piece.isEmpty {
            hasher.update([UInt8](piece))
        }
        return hasher.finish()
    }
}
