public import Foundation
public import SlipwayCore
public import SlipwayTracking

/// Brings what a version is served from, its graph and the weights beside it, from the registry to this machine, and
/// believes nothing but digests.
///
/// What was fetched once stays in `<folder>/<model>/<version>/files`, with its digests beside it; each use hashes it
/// again. A version's folder appears only when it is whole.
public struct VersionFetcher: Sendable {
    /// What is fetched, and how much of it is kept.
    public enum Limits {
        public static let filesMax = 1000
        /// Versions of a model that stay although nothing names them now: a rollback finds them here.
        public static let spareVersions = 5
    }

    /// One file: where it is among the artifacts, what it is called inside the version, and what it must be.
    private struct Part {
        let path: String
        let name: String
        let digest: Digest?
    }

    private let registry: any ModelRegistry
    private let folder: URL

    public init(registry: any ModelRegistry, folder: URL) {
        self.registry = registry
        self.folder = folder
    }

    /// - Returns: Path inside the version → file, for ``ModelServer/load(_:of:files:)``.
    /// - Throws: `corrupt` when a file's digest is not the one that `register` bound to the version.
    public func files(of version: ModelVersion, model: ModelName) async throws -> [String: String] {
        let place = place(version, model)
        // A version never changes: what was verified against the registry once is verified against the
        // digests noted then, so serving starts without the registry.
        if let files = try Self.kept(in: place) { return files }
        let record = try await registry.version(version, of: model)
        let parts = try await parts(of: record)
        let incoming = place.deletingLastPathComponent().appending(path: "\(Self.incomingPrefix)\(UUID().uuidString)")
        do {
            defer { try? FileManager.default.removeItem(at: incoming) }
            var digests: [String: JSONValue] = [:]
            for part in parts {
                let file = Self.file(part.name, in: incoming)
                try FileManager.default.createDirectory(at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
                digests[part.name] = .string(try await fetch(part, of: record, to: file).text)
            }
            try Data(JSONValue.object(digests).canonicalText.utf8).write(to: incoming.appending(path: Self.note))
            // What is there is damaged, or it would have been taken.
            try? FileManager.default.removeItem(at: place)
            guard rename(incoming.path, place.path) == 0 else {
                throw PlatformError(.exhausted, "version \(version) of '\(model)' could not be stored", remedy: "check the disk")
            }
        } catch {
            throw PlatformError.wrapping(error, doing: "fetch version \(version) of '\(model)'", code: .unavailable)
        }
        return Dictionary(uniqueKeysWithValues: parts.map { ($0.name, Self.file($0.name, in: place).path) })
    }

    /// Removes what nothing names any more, but for the newest ``Limits/spareVersions`` of each model.
    ///
    /// - Parameter named: What Git names or a run holds.
    public func prune(keeping named: [ModelName: Set<ModelVersion>]) throws {
        for model in try Self.names(in: folder) {
            let models = folder.appending(path: model)
            let kept = (try? ModelName(model)).flatMap { named[$0] } ?? []
            var spare: [(version: ModelVersion, place: URL)] = []
            for name in try Self.names(in: models) {
                let place = models.appending(path: name)
                if name.hasPrefix(Self.incomingPrefix) {
                    try FileManager.default.removeItem(at: place)
                } else if let version = try? ModelVersion(name), !kept.contains(version) {
                    spare.append((version, place))
                }
            }
            for old in spare.sorted(by: { $0.version > $1.version }).dropFirst(Limits.spareVersions) {
                try FileManager.default.removeItem(at: old.place)
            }
        }
    }

    // MARK: One version

    private func fetch(_ part: Part, of record: RegisteredVersion, to file: URL) async throws -> Digest {
        let digest = try await registry.downloadArtifact(part.path, of: record.version, model: record.model, toFile: file.path)
        if let expected = part.digest, digest != expected {
            throw PlatformError(
                .corrupt,
                "'\(part.path)' of version \(record.version) of '\(record.model)' has digest \(digest.hex.prefix(12))…, the registry bound \(expected.hex.prefix(12))…",
                remedy: "register the model again as a new version"
            )
        }
        return digest
    }

    private func parts(of record: RegisteredVersion) async throws -> [Part] {
        let paths: [String: Digest?]
        let graph: String
        if let path = record.tags[VersionTag.graph], let table = record.tags[VersionTag.digests] {
            let digests = try JSONValue(parsing: table).objectValue ?? [:]
            guard digests[path] != nil else {
                throw PlatformError(.corrupt, "version \(record.version) of '\(record.model)' has no digest for its graph '\(path)'")
            }
            paths = try digests.mapValues { try Digest($0.stringValue ?? "") }
            graph = path
        } else {
            // Registered by another client: no digests to hold the files against.
            let entries = try await registry.artifacts(of: record.version, model: record.model)
            paths = Dictionary(entries.map { ($0.path, nil) }, uniquingKeysWith: { first, _ in first })
            graph = try ServedArtifacts.graph(among: paths.keys)
        }
        let names = ServedArtifacts.names(of: paths.keys, graph: graph)
        guard names.count <= Limits.filesMax, names.values.allSatisfy(Self.isPlain) else {
            throw PlatformError(.corrupt, "version \(record.version) of '\(record.model)' has files that cannot be served from a folder")
        }
        return names.sorted { $0.key < $1.key }.map { Part(path: $0.key, name: $0.value, digest: paths[$0.key] ?? nil) }
    }

    /// The version's files, if all are there and are what they were.
    private static func kept(in place: URL) throws -> [String: String]? {
        guard let note = try? Data(contentsOf: place.appending(path: note)), let digests = try? JSONValue(parsing: note).objectValue,
            digests[ServedArtifacts.graphName] != nil, digests.keys.allSatisfy(isPlain)
        else { return nil }
        var files: [String: String] = [:]
        for (name, text) in digests {
            let file = file(name, in: place)
            guard let expected = try? Digest(text.stringValue ?? ""), FileManager.default.fileExists(atPath: file.path),
                try digest(of: file) == expected
            else { return nil }
            files[name] = file.path
        }
        return files
    }

    /// Whether the path stays inside the folder that it is in.
    private static func isPlain(_ path: String) -> Bool {
        path.split(separator: "/", omittingEmptySubsequences: false).allSatisfy { !$0.isEmpty && $0 != "." && $0 != ".." }
    }

    // MARK: Places

    private static let incomingPrefix = ".incoming-"
    private static let note = "digests.json"

    private func place(_ version: ModelVersion, _ model: ModelName) -> URL {
        folder.appending(path: "\(model)/\(version)")
    }

    private static func file(_ name: String, in place: URL) -> URL {
        place.appending(path: "files/\(name)")
    }

    /// What is in a folder; nothing where there is none.
    private static func names(in folder: URL) throws -> [String] {
        guard FileManager.default.fileExists(atPath: folder.path) else { return [] }
        return try FileManager.default.contentsOfDirectory(atPath: folder.path)
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
