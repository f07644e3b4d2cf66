public import SlipwayCore

/// A tracking server that an import reads from.
///
/// Reads only. Pages come in an order in which what is made meanwhile comes last. Every method throws
/// ``PlatformError``; what may pass (429, 503, a connection that broke) was tried again before.
public protocol TrackingSource: Sendable {
    /// Without credentials, for messages.
    var address: String { get }

    /// What answers there.
    func describe() async throws -> SourceServer
    /// All experiments, deleted ones too.
    func experiments(after token: String?) async throws -> Page<SourceExperiment>
    func experiment(id: String) async throws -> SourceExperiment
    /// All runs of an experiment, deleted ones too; some servers leave model inputs out here.
    func runs(experiment id: String, after token: String?) async throws -> Page<SourceRun>
    /// A run with everything but its metrics' histories.
    ///
    /// - Throws: `not_found`.
    func run(id: String) async throws -> SourceRun
    func metricHistory(runID: String, key: String, after token: String?) async throws -> Page<Metric>
    /// An experiment's logged models; none where the server has no such thing.
    func loggedModels(experiment id: String, after token: String?) async throws -> Page<SourceLoggedModel>
    /// - Throws: `not_found`, also where the server has no such thing.
    func loggedModel(id: String) async throws -> SourceLoggedModel
    /// Registered models; prompts are none.
    func registeredModels(after token: String?) async throws -> Page<RegisteredModel>
    /// Names of prompts, which servers keep among the models.
    func prompts(after token: String?) async throws -> Page<String>
    /// A model's versions, lowest first; ``ModelVersionRecord/storageLocation`` is empty.
    func modelVersions(of model: String, after token: String?) async throws -> Page<ModelVersionRecord>
    /// Where a version's artifacts are, as a URI.
    func location(ofVersion version: Int64, of model: String) async throws -> String

    /// All files below a folder.
    ///
    /// - Throws: `failed_precondition` for a folder that the server does not hand out.
    func files(in folder: SourceFolder) async throws -> [ArtifactEntry]
    /// Streams one file into what `begin` opens, anew for each attempt, and does not commit it.
    ///
    /// - Throws: `corrupt` when the bytes are not those that the server announced.
    func download(
        _ path: String,
        in folder: SourceFolder,
        into begin: @escaping @Sendable () throws -> any IncomingArtifact
    ) async throws -> ReceivedArtifact
}

/// What an import found at the other end.
public struct SourceServer: Sendable, Hashable {
    /// `3.17.2`; `nil` when it does not say.
    public let version: String?

    public init(version: String?) {
        self.version = version
    }
}

/// An experiment under the id that it has at the source, which need not be a number.
public struct SourceExperiment: Sendable, Hashable {
    public var id: String
    public var name: String
    public var artifactLocation: String
    public var stage: LifecycleStage
    public var created: Timestamp
    public var updated: Timestamp
    public var tags: [String: String]

    public init(
        id: String,
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

/// A run with the source's artifact URI; its ``Run/experimentID`` means nothing yet.
public struct SourceRun: Sendable, Hashable {
    public var experimentID: String
    public var run: Run

    public init(experimentID: String, run: Run) {
        self.experimentID = experimentID
        self.run = run
    }
}

/// A logged model with the source's artifact URI; its ``LoggedModel/experimentID`` means nothing yet.
public struct SourceLoggedModel: Sendable, Hashable {
    public var experimentID: String
    public var model: LoggedModel

    public init(experimentID: String, model: LoggedModel) {
        self.experimentID = experimentID
        self.model = model
    }
}

/// A folder of artifacts at the source: by its URI, and by whose it is where the server must read it for us.
public struct SourceFolder: Sendable, Hashable {
    public enum Owner: Sendable, Hashable {
        case run(String)
        case loggedModel(String)
        case none
    }

    public let uri: String
    public let owner: Owner

    public init(uri: String, owner: Owner) {
        self.uri = uri
        self.owner = owner
    }
}
