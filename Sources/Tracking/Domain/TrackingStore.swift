public import SlipwayCore

/// Where experiments, runs, logged models and the registry are kept.
///
/// Every method throws ``PlatformError`` in the words that MLflow's clients show to people. A write that
/// has returned survives the process.
public protocol TrackingStore: ExperimentStore, RunStoring, LoggedModelStore, RegistryStore, AliasLedger {}

public protocol ExperimentStore: Sendable {
    func createExperiment(name: String, artifactLocation: String?, tags: [String: String]) async throws -> Experiment
    func experiment(id: String) async throws -> Experiment
    func experiment(name: String) async throws -> Experiment
    func renameExperiment(id: String, to name: String) async throws
    /// Deletes or restores the experiment and its runs with it.
    func setStage(_ stage: LifecycleStage, experiment id: String) async throws
    func setExperimentTag(id: String, key: String, value: String?) async throws
    func searchExperiments(_ search: Search) async throws -> Page<Experiment>
    /// The datasets that runs of these experiments were given, each once for each use.
    func datasets(experiments: [String], limit: Int) async throws -> [DatasetSummary]
}

public protocol RunStoring: Sendable {
    func createRun(experiment: String, name: String?, user: String, started: Timestamp?, tags: [String: String]) async throws -> Run
    func run(id: String) async throws -> Run
    func updateRun(id: String, status: RunStatus?, ended: Timestamp?, name: String?) async throws -> Run
    func setStage(_ stage: LifecycleStage, run id: String) async throws
    /// Logs everything or nothing.
    func log(runID: String, metrics: [Metric], parameters: [String: String], tags: [String: String]) async throws
    func deleteRunTag(runID: String, key: String) async throws
    func metricHistory(runID: String, key: String, limit: Int, after: SearchCursor?) async throws -> Page<Metric>
    /// At most `limit` values, evenly spread over the history (of these steps), with its first and its last.
    func metricSamples(runID: String, key: String, steps: ClosedRange<Int64>?, limit: Int) async throws -> [Metric]
    func logInputs(runID: String, datasets: [JSONValue], models: [String]) async throws
    func logOutputs(runID: String, models: [ModelOutput]) async throws
    /// - Parameter experiments: Ids; none finds nothing.
    func searchRuns(experiments: [String], _ search: Search) async throws -> Page<Run>
}

public protocol LoggedModelStore: Sendable {
    func createLoggedModel(
        experiment: String,
        name: String?,
        sourceRunID: String?,
        modelType: String?,
        tags: [String: String],
        parameters: [String: String]
    ) async throws -> LoggedModel
    func loggedModel(id: String) async throws -> LoggedModel
    func finalizeLoggedModel(id: String, status: String) async throws -> LoggedModel
    func setLoggedModelTags(id: String, tags: [String: String]) async throws -> LoggedModel
    func deleteLoggedModelTag(id: String, key: String) async throws
    func logLoggedModelParameters(id: String, parameters: [String: String]) async throws
    func deleteLoggedModel(id: String) async throws
    func searchLoggedModels(experiments: [String], _ search: Search) async throws -> Page<LoggedModel>
}

public protocol RegistryStore: Sendable {
    func createRegisteredModel(name: String, description: String, tags: [String: String]) async throws -> RegisteredModel
    func registeredModel(name: String) async throws -> RegisteredModel
    func updateRegisteredModel(name: String, description: String) async throws -> RegisteredModel
    func renameRegisteredModel(name: String, to newName: String) async throws -> RegisteredModel
    func deleteRegisteredModel(name: String) async throws
    func setRegisteredModelTag(name: String, key: String, value: String?) async throws
    func searchRegisteredModels(_ search: Search) async throws -> Page<RegisteredModel>

    func createModelVersion(_ draft: ModelVersionDraft) async throws -> ModelVersionRecord
    func modelVersion(name: String, version: String) async throws -> ModelVersionRecord
    func updateModelVersion(name: String, version: String, description: String) async throws -> ModelVersionRecord
    func transitionModelVersion(name: String, version: String, stage: String, archivesExisting: Bool) async throws -> ModelVersionRecord
    func deleteModelVersion(name: String, version: String) async throws
    func setModelVersionTag(name: String, version: String, key: String, value: String?) async throws
    func searchModelVersions(_ search: Search) async throws -> Page<ModelVersionRecord>

    func setAlias(name: String, alias: String, version: String) async throws
    func deleteAlias(name: String, alias: String) async throws
    func modelVersion(name: String, alias: String) async throws -> ModelVersionRecord
}

public struct ModelVersionDraft: Sendable {
    public var name: String
    public var source: String
    public var runID: String
    public var runLink: String
    public var description: String
    public var tags: [String: String]
    public var modelID: String?

    public init(
        name: String,
        source: String,
        runID: String,
        runLink: String,
        description: String,
        tags: [String: String],
        modelID: String?
    ) {
        self.name = name
        self.source = source
        self.runID = runID
        self.runLink = runLink
        self.description = description
        self.tags = tags
        self.modelID = modelID
    }
}

/// What any search asks.
public struct Search: Sendable {
    public var filter: Filter
    public var order: [SortTerm]
    public var view: ViewType
    public var limit: Int
    /// Where the page before this one ended; nil for the first.
    public var after: SearchCursor?

    public init(
        filter: Filter = .everything,
        order: [SortTerm] = [],
        view: ViewType = .activeOnly,
        limit: Int,
        after: SearchCursor? = nil
    ) {
        self.filter = filter
        self.order = order
        self.view = view
        self.limit = limit
        self.after = after
    }
}
