public import SlipwayCore

/// The soft-delete state that MLflow shows.
public enum LifecycleStage: String, Sendable, Hashable, CaseIterable {
    case active
    case deleted
}

/// Which stages a search looks at.
public enum ViewType: String, Sendable, Hashable, CaseIterable {
    case activeOnly = "ACTIVE_ONLY"
    case deletedOnly = "DELETED_ONLY"
    case all = "ALL"
}

public enum RunStatus: String, Sendable, Hashable, CaseIterable {
    case running = "RUNNING"
    case scheduled = "SCHEDULED"
    case finished = "FINISHED"
    case failed = "FAILED"
    case killed = "KILLED"
}

public struct Experiment: Sendable, Hashable {
    public var id: Int64
    public var name: String
    public var artifactLocation: String
    public var stage: LifecycleStage
    public var created: Timestamp
    public var updated: Timestamp
    public var tags: [String: String]

    public init(
        id: Int64,
        name: String,
        artifactLocation: String,
        stage: LifecycleStage,
        created: Timestamp,
        updated: Timestamp,
        tags: [String: String]
    ) {
        self.id = id
        self.name = name
        self.artifactLocation = artifactLocation
        self.stage = stage
        self.created = created
        self.updated = updated
        self.tags = tags
    }
}

/// A run with everything that `runs/get` answers.
public struct Run: Sendable, Hashable {
    public var id: String
    public var name: String
    public var experimentID: Int64
    public var user: String
    public var status: RunStatus
    public var started: Timestamp
    public var ended: Timestamp?
    public var stage: LifecycleStage
    public var artifactURI: String
    /// The last value of each metric: the highest step, then the latest time, then the greatest value.
    public var metrics: [Metric]
    public var parameters: [String: String]
    public var tags: [String: String]
    /// Dataset inputs as the client sent them.
    public var datasetInputs: [JSONValue]
    public var modelInputs: [String]
    public var modelOutputs: [ModelOutput]

    public init(
        id: String,
        name: String,
        experimentID: Int64,
        user: String,
        status: RunStatus,
        started: Timestamp,
        ended: Timestamp?,
        stage: LifecycleStage,
        artifactURI: String,
        metrics: [Metric] = [],
        parameters: [String: String] = [:],
        tags: [String: String] = [:],
        datasetInputs: [JSONValue] = [],
        modelInputs: [String] = [],
        modelOutputs: [ModelOutput] = []
    ) {
        self.id = id
        self.name = name
        self.experimentID = experimentID
        self.user = user
        self.status = status
        self.started = started
        self.ended = ended
        self.stage = stage
        self.artifactURI = artifactURI
        self.metrics = metrics
        self.parameters = parameters
        self.tags = tags
        self.datasetInputs = datasetInputs
        self.modelInputs = modelInputs
        self.modelOutputs = modelOutputs
    }
}

public struct ModelOutput: Sendable, Hashable {
    public let modelID: String
    public let step: Int64

    public init(modelID: String, step: Int64) {
        self.modelID = modelID
        self.step = step
    }
}

/// One value of a metric. NaN and the infinities are values too.
public struct Metric: Sendable, Hashable {
    public var key: String
    public var value: Double
    public var timestamp: Timestamp
    public var step: Int64
    /// The logged model it is about, if any.
    public var modelID: String?

    public init(key: String, value: Double, timestamp: Timestamp, step: Int64, modelID: String? = nil) {
        self.key = key
        self.value = value
        self.timestamp = timestamp
        self.step = step
        self.modelID = modelID
    }
}

/// An MLflow 3 logged model: `m-…`.
public struct LoggedModel: Sendable, Hashable {
    public var id: String
    public var experimentID: Int64
    public var name: String
    public var status: String
    public var artifactURI: String
    public var sourceRunID: String?
    public var modelType: String?
    public var created: Timestamp
    public var updated: Timestamp
    public var tags: [String: String]
    public var parameters: [String: String]
    public var metrics: [LoggedModelMetric]

    public init(
        id: String,
        experimentID: Int64,
        name: String,
        status: String,
        artifactURI: String,
        sourceRunID: String?,
        modelType: String?,
        created: Timestamp,
        updated: Timestamp,
        tags: [String: String],
        parameters: [String: String],
        metrics: [LoggedModelMetric]
    ) {
        self.id = id
        self.experimentID = experimentID
        self.name = name
        self.status = status
        self.artifactURI = artifactURI
        self.sourceRunID = sourceRunID
        self.modelType = modelType
        self.created = created
        self.updated = updated
        self.tags = tags
        self.parameters = parameters
        self.metrics = metrics
    }
}

public struct LoggedModelMetric: Sendable, Hashable {
    public let metric: Metric
    public let runID: String

    public init(metric: Metric, runID: String) {
        self.metric = metric
        self.runID = runID
    }
}

public struct RegisteredModel: Sendable, Hashable {
    public var name: String
    public var description: String
    public var created: Timestamp
    public var updated: Timestamp
    public var tags: [String: String]
    /// Alias → version.
    public var aliases: [String: Int64]
    /// The newest version of each stage.
    public var latestVersions: [ModelVersionRecord]

    public init(
        name: String,
        description: String,
        created: Timestamp,
        updated: Timestamp,
        tags: [String: String],
        aliases: [String: Int64],
        latestVersions: [ModelVersionRecord]
    ) {
        self.name = name
        self.description = description
        self.created = created
        self.updated = updated
        self.tags = tags
        self.aliases = aliases
        self.latestVersions = latestVersions
    }
}

/// A version as MLflow's registry shows it.
public struct ModelVersionRecord: Sendable, Hashable {
    public var name: String
    public var version: Int64
    public var created: Timestamp
    public var updated: Timestamp
    public var description: String
    public var user: String
    public var stage: String
    public var source: String
    /// Where its artifacts are: what `source` means once resolved.
    public var storageLocation: String
    public var runID: String
    public var runLink: String
    public var status: String
    public var modelID: String?
    public var tags: [String: String]
    public var aliases: [String]

    public init(
        name: String,
        version: Int64,
        created: Timestamp,
        updated: Timestamp,
        description: String,
        user: String,
        stage: String,
        source: String,
        storageLocation: String,
        runID: String,
        runLink: String,
        status: String,
        modelID: String?,
        tags: [String: String],
        aliases: [String]
    ) {
        self.name = name
        self.version = version
        self.created = created
        self.updated = updated
        self.description = description
        self.user = user
        self.stage = stage
        self.source = source
        self.storageLocation = storageLocation
        self.runID = runID
        self.runLink = runLink
        self.status = status
        self.modelID = modelID
        self.tags = tags
        self.aliases = aliases
    }
}

/// A page of a search, and where the next begins.
public struct Page<Item: Sendable>: Sendable {
    public let items: [Item]
    public let nextToken: String?

    public init(items: [Item], nextToken: String?) {
        self.items = items
        self.nextToken = nextToken
    }
}
