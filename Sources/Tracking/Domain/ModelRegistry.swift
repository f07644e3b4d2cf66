public import SlipwayCore

/// What the platform itself asks of a tracking server: runs, versions, aliases, artifacts.
///
/// One adapter speaks MLflow REST to the embedded server and to a real one alike. Every method throws
/// ``PlatformError``: `not_found` for what does not exist, `unavailable` when nothing answers in time.
/// Every write may be repeated: a second call with the same arguments changes nothing.
public protocol ModelRegistry: Sendable {
    /// Makes a run in `experiment` (made too if it is missing) and answers its MLflow run id.
    func createRun(experiment: String, name: String, tags: [String: String]) async throws -> String
    func run(id: String) async throws -> TrackedRun
    func logMetrics(_ metrics: [String: Double], runID: String) async throws
    func setRunTags(_ tags: [String: String], runID: String) async throws
    /// Ends the run; `FINISHED`, `FAILED` or `KILLED`.
    func endRun(id: String, status: String) async throws

    /// Stores a file as an artifact of the run, streamed, under `path`.
    func uploadArtifact(runID: String, path: String, fromFile file: String) async throws
    /// Writes an artifact of the run to `file`, streamed, and answers the digest of what was written.
    func downloadArtifact(_ path: String, ofRun id: String, toFile file: String) async throws -> Digest
    /// All files of a logged model (`m-…`), by their path inside it.
    func artifacts(ofLoggedModel id: String) async throws -> [ArtifactEntry]
    /// Writes one file of a logged model to `file`, streamed, and answers the digest of what was written.
    func downloadArtifact(_ path: String, ofLoggedModel id: String, toFile file: String) async throws -> Digest

    /// Makes the version in the registry, and the model if it is missing. Moves no alias.
    ///
    /// - Parameter source: `models:/<logged model id>`.
    func createVersion(
        of model: ModelName,
        source: String,
        runID: String,
        tags: [String: String]
    ) async throws -> RegisteredVersion
    func version(_ version: ModelVersion, of model: ModelName) async throws -> RegisteredVersion
    /// All versions, lowest first; empty when the model does not exist.
    func versions(of model: ModelName) async throws -> [RegisteredVersion]
    /// Those of ``versions(of:)`` that have this tag; asks for no more than these.
    func versions(of model: ModelName, tag: String, value: String) async throws -> [RegisteredVersion]
    func setVersionTags(_ tags: [String: String], version: ModelVersion, of model: ModelName) async throws

    /// Empty when the model does not exist.
    func aliases(of model: ModelName) async throws -> [Alias: ModelVersion]
    func setAlias(_ alias: Alias, to version: ModelVersion, of model: ModelName) async throws
    func removeAlias(_ alias: Alias, of model: ModelName) async throws

    /// All files of a version, by their path inside it.
    func artifacts(of version: ModelVersion, model: ModelName) async throws -> [ArtifactEntry]
    /// Writes one file of a version to `file`, streamed, and answers the digest of what was written.
    func downloadArtifact(
        _ path: String,
        of version: ModelVersion,
        model: ModelName,
        toFile file: String
    ) async throws -> Digest
    /// Copies a version from files on disk: a logged model with these artifacts, then a version of it.
    ///
    /// - Parameter files: The path inside the model → the file to read.
    func importVersion(
        of model: ModelName,
        files: [String: String],
        tags: [String: String],
        description: String
    ) async throws -> RegisteredVersion
}

extension ModelRegistry {
    public func versions(of model: ModelName, tag: String, value: String) async throws -> [RegisteredVersion] {
        try await versions(of: model).filter { $0.tags[tag] == value }
    }
}

/// An MLflow run, as far as the platform needs it.
public struct TrackedRun: Sendable, Equatable {
    public let id: String
    public let experimentID: String
    public let status: String
    /// The last value of each metric.
    public let metrics: [String: Double]
    public let parameters: [String: String]
    public let tags: [String: String]
    /// Ids of the logged models that are the run's outputs (`m-…`), in the order they were logged.
    public let loggedModelIDs: [String]

    public init(
        id: String,
        experimentID: String,
        status: String,
        metrics: [String: Double],
        parameters: [String: String],
        tags: [String: String],
        loggedModelIDs: [String]
    ) {
        self.id = id
        self.experimentID = experimentID
        self.status = status
        self.metrics = metrics
        self.parameters = parameters
        self.tags = tags
        self.loggedModelIDs = loggedModelIDs
    }
}

/// A version in the registry.
public struct RegisteredVersion: Sendable, Equatable {
    public let model: ModelName
    public let version: ModelVersion
    /// `models:/m-…`, or what another client wrote.
    public let source: String
    public let runID: String?
    public let tags: [String: String]
    public let created: Timestamp

    public init(
        model: ModelName,
        version: ModelVersion,
        source: String,
        runID: String?,
        tags: [String: String],
        created: Timestamp
    ) {
        self.model = model
        self.version = version
        self.source = source
        self.runID = runID
        self.tags = tags
        self.created = created
    }
}

/// One file of an artifact folder.
public struct ArtifactEntry: Sendable, Equatable, Hashable {
    /// With `/` between its parts, relative to the folder that was asked for.
    public let path: String
    public let bytes: Int64

    public init(path: String, bytes: Int64) {
        self.path = path
        self.bytes = bytes
    }
}
