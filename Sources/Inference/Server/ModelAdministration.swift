import Atomics
public import Foundation
public import SlipwayCore
public import SlipwayInference
public import SlipwayInferenceMessages

/// Everything a model server does besides `infer`, free of any wire format: HTTP and gRPC stand on it.
public struct ModelAdministration: Sendable {
    let server: EmbeddedModelServer
    private let mustServeDoes: @Sendable () -> Bool

    /// - Parameter isReady: Whether everything that must serve does. Without it the server is ready as
    ///   soon as one version is: an empty server never is.
    public init(server: EmbeddedModelServer, isReady: (@Sendable () -> Bool)? = nil) {
        self.server = server
        self.mustServeDoes = isReady ?? { !server.table.load(ordering: .acquiring).models.isEmpty }
    }

    // MARK: Health

    /// As long as it answers at all, draining included.
    public var isLive: Bool { true }
    /// Everything that must serve does, and the server is not on its way out.
    public var isReady: Bool { mustServeDoes() && !server.isDraining }

    /// A model or version that is unknown is not ready, and no error.
    public func isReady(model: String, version: ModelVersion?) -> Bool {
        guard !server.isDraining else { return false }
        return (try? server.table.load(ordering: .acquiring).version(version, of: model)) != nil
    }

    // MARK: Descriptions

    /// - Throws: `not_found` in Triton's words.
    public func description(model: String, version: ModelVersion?) throws(PlatformError) -> ModelDescription {
        let table = server.table.load(ordering: .acquiring)
        let loaded = try table.version(version, of: model)
        return ModelDescription(
            name: loaded.model,
            versions: version.map { [$0] } ?? table.models[model]?.versions.keys.sorted() ?? [],
            platform: loaded.configuration.platform,
            inputs: loaded.signature.inputs,
            outputs: loaded.signature.outputs
        )
    }

    /// The completed configuration. Its JSON in Triton's form: ``ModelConfigJSON``.
    public func config(model: String, version: ModelVersion?) throws(PlatformError) -> Inference_ModelConfig {
        try server.table.load(ordering: .acquiring).version(version, of: model).configuration.config
    }

    /// The statistics of one version, of all ready versions of a model, or of all models (`model` empty).
    public func statistics(model: String, version: ModelVersion?) throws(PlatformError) -> [VersionStatistics] {
        let table = server.table.load(ordering: .acquiring)
        guard !model.isEmpty else { return table.all.map(VersionStatistics.init) }
        let one = try table.version(version, of: model)
        guard version == nil else { return [VersionStatistics(one)] }
        return table.all.filter { $0.model == model }.map(VersionStatistics.init)
    }

    /// Names of the models that have a ready version.
    public var readyModels: [String] { server.table.load(ordering: .acquiring).models.keys.sorted() }

    // MARK: Repository

    public func index(onlyReady: Bool) async throws -> [RepositoryEntry] {
        let known = await server.control.index()
        var entries = known.filter { !onlyReady || $0.state == .ready }.map {
            RepositoryEntry(name: $0.model, version: "\($0.version)", state: $0.state.rawValue, reason: $0.reason)
        }
        guard !onlyReady else { return entries }
        let names = Set(known.map(\.model))
        for model in try await server.control.repository.names() where !names.contains(model) {
            entries.append(RepositoryEntry(name: model, version: "", state: "", reason: ""))
        }
        return entries
    }

    /// Loads the versions that the configuration's policy chooses.
    ///
    /// - Parameters:
    ///   - config: JSON of a model configuration, instead of the repository's `config.pbtxt`.
    ///   - files: `file:<version>/<path>` → content, instead of the repository's files; only with `config`.
    /// - Throws: Errors whose message begins with `failed to load '<model>'`, or with `load failed for model '<model>'` where versions were tried.
    public func load(model: String, config: String? = nil, files: [String: Data] = [:]) async throws {
        try await server.control.load(model: model, try LoadRequest(model: model, config: config, files: files))
    }

    /// Unloads every version. A model that is not loaded is fine.
    ///
    /// - Parameter withDependents: Accepted; no model here has dependents, as ensembles are not served.
    public func unload(model: String, withDependents: Bool = false) async throws {
        try await server.control.unload(model: model)
    }
}

/// What the server is: the same over every protocol.
public enum ServerDescription {
    public static let name = "slipway"
    public static let version = "0.1.0"
    /// Exactly what is supported.
    public static let extensions = [
        "classification", "model_repository", "model_repository(unload_dependents)", "schedule_policy", "model_configuration",
        "binary_tensor_data", "parameters", "statistics",
    ]
}

/// A model as its metadata tells it.
public struct ModelDescription: Sendable, Equatable {
    public let name: String
    public let versions: [ModelVersion]
    public let platform: String
    /// Shapes with the batch dimension, which is -1.
    public let inputs: [TensorSpec]
    public let outputs: [TensorSpec]
}

/// A line of the repository index; a model that was never loaded has neither version nor state.
public struct RepositoryEntry: Sendable, Equatable {
    public let name: String
    public let version: String
    public let state: String
    public let reason: String
}
