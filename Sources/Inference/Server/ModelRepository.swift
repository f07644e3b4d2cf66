public import Foundation
import SlipwayCore
public import SlipwayInference

/// The folder of models, in Triton's layout: `<model>/<version>/model.onnx`.
///
/// A version appears whole or not at all: it is written beside its place and renamed.
public struct ModelRepository: Sendable {
    public let folder: URL
    /// Asked before each load; `nil`: the folder is all there is.
    private let source: (any ModelSource)?

    public init(folder: URL, source: (any ModelSource)? = nil) {
        self.folder = folder
        self.source = source
    }

    /// Brings a model here as it is at the source.
    func refresh(_ model: String) async throws {
        try await source?.bring(model, to: folder.appending(path: model).path)
    }

    /// Every model that could be loaded.
    func names() async throws -> [String] {
        let local = try scan()
        guard let source else { return local.sorted() }
        return Set(local).union(try await source.models()).sorted()
    }

    func model(_ name: String) -> ModelFolder {
        ModelFolder(url: folder.appending(path: name), model: name)
    }

    /// Whether there is a folder of that name.
    func holds(_ name: String) -> Bool {
        var isFolder: ObjCBool = false
        return FileManager.default.fileExists(atPath: folder.appending(path: name).path, isDirectory: &isFolder) && isFolder.boolValue
    }

    /// The name of every model's folder.
    func scan() throws(PlatformError) -> [String] {
        do {
            guard FileManager.default.fileExists(atPath: folder.path) else { return [] }
            return try FileManager.default.contentsOfDirectory(atPath: folder.path).filter { (try? ModelName($0)) != nil && holds($0) }
        } catch {
            throw .wrapping(error, doing: "read the model repository", code: .unavailable)
        }
    }

    /// Puts `files` (path inside the version → file) in as one version, in place of what was there.
    func put(_ files: [String: String], version: ModelVersion, model: String) throws(PlatformError) {
        let place = versionFolder(version, model)
        let beside = folder.appending(path: model).appending(path: ".\(version)-\(UUID().uuidString)")
        do {
            try FileManager.default.createDirectory(at: beside, withIntermediateDirectories: true)
            for (path, source) in files {
                guard path.utf8.first != UInt8(ascii: "/"), !path.pathParts.contains("..") else {
                    throw PlatformError(.invalidArgument, "'\(path)' leads out of the version's folder")
                }
                let target = beside.appending(path: path)
                try FileManager.default.createDirectory(
                    at: target.deletingLastPathComponent(),
                    withIntermediateDirectories: true
                )
                try FileManager.default.copyItem(at: URL(filePath: source), to: target)
            }
            if FileManager.default.fileExists(atPath: place.path) { try FileManager.default.removeItem(at: place) }
            try FileManager.default.moveItem(at: beside, to: place)
        } catch {
            try? FileManager.default.removeItem(at: beside)
            throw .wrapping(error, doing: "store version \(version) of '\(model)' in the model repository", code: .exhausted)
        }
    }

    func remove(_ version: ModelVersion, model: String) {
        // What stays behind is only disk space; the next put replaces it.
        try? FileManager.default.removeItem(at: versionFolder(version, model))
    }

    private func versionFolder(_ version: ModelVersion, _ model: String) -> URL {
        folder.appending(path: model).appending(path: "\(version)")
    }
}
