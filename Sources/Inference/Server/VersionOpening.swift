import Foundation
import SlipwayCore
import SlipwayInference
import SlipwayInferenceMessages

/// What a version is made of.
struct VersionSource: Sendable {
    /// Who asked for it.
    enum Origin: Sendable {
        /// The platform, by its number: it alone unloads it.
        case number
        /// A load by the model's name: the next one may leave it out.
        case name
    }

    let folder: ModelFolder
    /// `nil`: what the folder's `config.pbtxt` says.
    let config: Inference_ModelConfig?
    /// Whether its files came with the load: then nothing tells whether they are the same.
    let isOverride: Bool
    let origin: Origin

    /// Whether opening it would make what serves already.
    ///
    /// A load by number never replaces: its caller unloads first.
    func isSame(as loaded: LoadedVersion) -> Bool {
        guard origin == .name else { return true }
        guard !isOverride, let config else { return false }
        return stamp(of: loaded.version, config: config, file: loaded.configuration.config.defaultModelFilename) == loaded.stamp
    }

    func stamp(of version: ModelVersion, config: Inference_ModelConfig, file name: String) -> VersionStamp {
        let file = isOverride ? nil : folder.file(name, of: version)
        return VersionStamp(config: config, file: file.map(folder.stamp) ?? UUID().uuidString)
    }
}

/// What a version was made of: equal stamps, equal versions.
struct VersionStamp: Sendable, Equatable {
    let config: Inference_ModelConfig
    let file: String
}

/// The way from a version's files to a session that is warm. Blocks; belongs on a thread of its own.
struct VersionOpening: Sendable {
    let key: ModelControl.Key
    let source: VersionSource
    let origin: VersionSource.Origin
    let backends: [ModelBackend]
    let budget: MemoryBudget
    let pools: RunPools

    /// - Parameter bytes: What its files have.
    func open(bytes: Int) throws -> LoadedVersion {
        let config = try source.config ?? source.folder.config()
        guard config.name.isEmpty || config.name == key.model else {
            throw PlatformError(
                .invalidArgument,
                "the configuration is of model '\(config.name.prefix(200))'; the folder's name is '\(key.model)'",
                remedy: "leave 'name' out, or make it the folder's name"
            )
        }
        try config.refuseUnsupported()
        let backend = try backend(config)
        let filename = config.defaultModelFilename.isEmpty ? backend.modelFilename : config.defaultModelFilename
        guard let file = source.folder.file(filename, of: key.version) else {
            throw PlatformError(.notFound, "version \(key.version) of '\(key.model)' has no '\(filename)'")
        }
        let stamp = source.stamp(of: key.version, config: config, file: filename)
        let before = budget.resident()
        let session = try backend.runtime.open(file: file.path, options: try config.sessionOptions)
        let configuration = try VersionConfiguration(
            config, graph: session.signature, model: key.model, backend: backend, filename: filename
        )
        var labels: [String: [String]] = [:]
        for output in config.output where !output.labelFilename.isEmpty {
            labels[output.name] = try source.folder.labels(output.labelFilename)
        }
        let seen = configuration.seen(session)
        try WarmUp(samples: config.modelWarmup, configuration: configuration, folder: source.folder).run(seen)
        let cost = WarmUp.rowNanoseconds(of: seen, signature: configuration.signature)
        try budget.checkAfterOpening(of: "version \(key.version) of '\(key.model)'")
        return LoadedVersion(
            model: key.model,
            version: key.version,
            session: seen,
            rowNanoseconds: cost,
            configuration: configuration,
            labels: labels,
            pools: pools,
            stamp: stamp,
            origin: origin,
            // Loads beside one another blur the difference; the files are the lower bound.
            bytes: max(bytes, budget.resident() - before)
        )
    }

    private func backend(_ config: Inference_ModelConfig) throws(PlatformError) -> ModelBackend {
        for text in [config.backend, config.platform] where !text.isEmpty {
            if let backend = backends.first(where: { $0.isCalled(text) }) { return backend }
            let known = backends.map { "'\($0.name)'" }.joined(separator: ", ")
            throw PlatformError(
                .invalidArgument,
                "backend '\(text.prefix(100))' is not supported: this server has \(known)",
                remedy: "export the model to ONNX and set backend to 'onnxruntime'"
            )
        }
        let found = backends.first { source.folder.file($0.modelFilename, of: key.version) != nil }
        guard let backend = found ?? backends.first else { throw PlatformError(.unexpected, "the server has no backend") }
        return backend
    }
}
