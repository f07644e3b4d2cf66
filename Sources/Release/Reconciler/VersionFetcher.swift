public import Foundation
public import SlipwayCore
public import SlipwayTracking

/// Brings a version's graph from the registry to this machine, and believes nothing but its digest.
///
/// What was fetched once stays in `folder`; each use hashes it again.
public struct VersionFetcher: Sendable {
    private let registry: any ModelRegistry
    private let folder: URL

    public init(registry: any ModelRegistry, folder: URL) {
        self.registry = registry
        self.folder = folder
    }

    /// - Returns: Path inside the version → file, for ``ModelServer/load(_:of:files:)``.
    /// - Throws: `corrupt` when a file's digest is not the one that `register` bound to the version.
    public func files(of version: ModelVersion, model: ModelName) async throws -> [String: String] {
        let place = folder.appending(path: "\(model)/\(version)")
        let file = place.appending(path: "model.onnx")
        let note = place.appending(path: "digest")
        // A version never changes: what was verified against the registry once is verified against the
        // digest noted then, so serving starts without the registry.
        if let text = try? String(contentsOf: note, encoding: .utf8), let expected = try? Digest(text),
            FileManager.default.fileExists(atPath: file.path), try Self.digest(of: file) == expected
        {
            return ["model.onnx": file.path]
        }
        let record = try await registry.version(version, of: model)
        let graph = try await graph(of: record)
        let incoming = place.appending(path: "incoming-\(UUID().uuidString)")
        do {
            try FileManager.default.createDirectory(at: place, withIntermediateDirectories: true)
            defer { try? FileManager.default.removeItem(at: incoming) }
            let digest = try await registry.downloadArtifact(graph.path, of: version, model: model, toFile: incoming.path)
            if let expected = graph.digest, digest != expected {
                throw PlatformError(
                    .corrupt,
                    "'\(graph.path)' of version \(version) of '\(model)' has digest \(digest.hex.prefix(12))…, the registry bound \(expected.hex.prefix(12))…",
                    remedy: "register the model again as a new version"
                )
            }
            guard rename(incoming.path, file.path) == 0 else {
                throw PlatformError(.exhausted, "version \(version) of '\(model)' could not be stored", remedy: "check the disk")
            }
            try Data(digest.text.utf8).write(to: note, options: .atomic)
        } catch {
            throw PlatformError.wrapping(error, doing: "fetch version \(version) of '\(model)'", code: .unavailable)
        }
        return ["model.onnx": file.path]
    }

    private func graph(of record: RegisteredVersion) async throws -> (path: String, digest: Digest?) {
        if let path = record.tags[VersionTag.graph], let table = record.tags[VersionTag.digests] {
            let digests = try JSONValue(parsing: table)
            guard let text = digests[path]?.stringValue else {
                throw PlatformError(.corrupt, "version \(record.version) of '\(record.model)' has no digest for its graph '\(path)'")
            }
            return (path, try Digest(text))
        }
        // Registered by another client: its only graph, with no digest to hold it against.
        let graphs = try await registry.artifacts(of: record.version, model: record.model).filter { $0.path.hasSuffix(".onnx") }
        guard graphs.count == 1, let graph = graphs.first else {
            throw PlatformError(
                .failedPrecondition,
                "version \(record.version) of '\(record.model)' has \(graphs.count) ONNX graphs; one is needed",
                remedy: "log the model with mlflow.onnx.log_model"
            )
        }
        return (graph.path, nil)
    }

    static func digest(of file: URL) throws -> Digest {
        let handle = try FileHandle(forReadingFrom: file)
        defer { try? handle.close() }
        var hasher = DigestHasher()
        while let chunk = try handle.read(upToCount: 1 << 20), !chunk.isEmpty {
            chunk.withUnsafeBytes { hasher.update($0) }
        }
        return hasher.finish()
    }
}
