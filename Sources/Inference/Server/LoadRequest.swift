import Foundation
import SlipwayCore
import SlipwayInference
import SlipwayInferenceMessages

/// A load as Triton's clients ask for it: by the model's name.
struct LoadRequest: Sendable {
    /// Instead of the repository's `config.pbtxt`.
    let config: Inference_ModelConfig?
    /// Path inside the model's folder → content, instead of everything in the repository.
    let files: [String: Data]

    /// - Parameter files: `file:<path>` → content.
    /// - Throws: Errors that begin with `failed to load`.
    init(model: String, config: String? = nil, files: [String: Data] = [:]) throws(PlatformError) {
        do {
            (self.config, self.files) = try Self.checked(model: model, config: config, files: files)
        } catch {
            throw error.failedLoad(of: model)
        }
    }

    private static func checked(
        model: String,
        config: String?,
        files: [String: Data]
    ) throws(PlatformError) -> (Inference_ModelConfig?, [String: Data]) {
        var parsed: Inference_ModelConfig?
        if let config { parsed = try ModelConfigText.parse(json: config, model: model) }
        guard files.isEmpty || config != nil else {
            throw PlatformError(.invalidArgument, "files are taken only together with 'config'")
        }
        guard files.count <= ServingLimits.loadFilesMax else {
            throw PlatformError(.exhausted, "a load carries at most \(ServingLimits.loadFilesMax) files")
        }
        var named: [String: Data] = [:]
        for (key, content) in files { named[try path(key)] = content }
        return (parsed, named)
    }

    private static func path(_ key: String) throws(PlatformError) -> String {
        let path = key.dropFirst(5)
        let parts = path.split(separator: "/", omittingEmptySubsequences: false)
        guard key.hasPrefix("file:"), !parts.contains(where: { $0.isEmpty || $0 == "." || $0 == ".." }), path.utf8.count <= 1024 else {
            throw PlatformError(.invalidArgument, "parameter '\(key.prefix(200))' is not 'file:<version>/<file name>'")
        }
        guard parts.allSatisfy({ $0.utf8.count <= Int(NAME_MAX) }) else {
            // As Triton answers it.
            throw PlatformError(.unexpected, "failed to poll from model repository: a name in '\(key.prefix(40))…' is longer than \(NAME_MAX) bytes")
        }
        return String(path)
    }

    /// The files in a folder of their own, for as long as `body` runs.
    func withFolder<Result>(
        model: String,
        in repository: ModelRepository,
        _ body: (ModelFolder) async throws -> Result
    ) async throws -> Result {
        guard !files.isEmpty else { return try await body(repository.model(model)) }
        let root = FileManager.default.temporaryDirectory.appending(path: "slipway-load-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: root) }
        let folder = ModelFolder(url: root.appending(path: model), model: model)
        do {
            for (path, content) in files {
                let place = folder.url.appending(path: path)
                try FileManager.default.createDirectory(at: place.deletingLastPathComponent(), withIntermediateDirectories: true)
                try content.write(to: place)
            }
        } catch {
            throw PlatformError.wrapping(error, doing: "keep the files of a load", code: .exhausted)
        }
        return try await body(folder)
    }
}

extension PlatformError {
    /// The same error in the words that Triton's clients look for: of a version, as
    /// ``ModelControl`` wrote it, or of the model before any version was tried.
    func failedLoad(of model: String) -> PlatformError {
        let prefix = "failed to load '\(model.prefix(200))'"
        guard !message.hasPrefix(prefix), !message.hasPrefix(Self.failedVersions(of: model)) else { return self }
        return PlatformError(code, "\(prefix), \(message)", remedy: remedy, cause: self)
    }

    /// How Triton begins what it says of versions that were tried.
    static func failedVersions(of model: String) -> String { "load failed for model '\(model.prefix(200))': " }
}
