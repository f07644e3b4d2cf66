/// A store as an import needs it: it writes with the ids, numbers and times of another server.
///
/// Each write is one transaction and may be repeated. What is here and not at the source stays; where both have
/// something, what an import brings is laid over it.
public protocol TrackingImport: Sendable {
    /// Finds the experiment's place: its own id when free, another one, or an experiment of the same name.
    func importExperiment(_ experiment: SourceExperiment) async throws -> ExperimentPlace
    /// A run without its metrics' histories.
    ///
    /// - Parameter run: With the ``Run/experimentID`` that it has here; its artifact URI is not looked at.
    /// - Returns: Also where its artifacts belong.
    func importRun(_ run: Run) async throws -> ImportedEntity
    /// Values of a run's metrics, each once however often it comes.
    func importMetrics(_ metrics: [Metric], runID: String) async throws -> ImportOutcome
    /// - Parameter model: With the ``LoggedModel/experimentID`` that it has here; its artifact URI is not looked at.
    func importLoggedModel(_ model: LoggedModel) async throws -> ImportedEntity
    /// - Returns: ``ImportOutcome/refused(_:)`` when another model has this name.
    func importRegisteredModel(_ model: RegisteredModel) async throws -> ImportOutcome
    /// A version under its own number.
    func importModelVersion(_ version: ModelVersionRecord) async throws -> ImportOutcome
    /// Points an alias at a version, unless it was moved here since an import set it.
    func importAlias(_ alias: String, of model: String, version: Int64) async throws -> ImportOutcome

    /// - Throws: `not_found`, as the other reads.
    func run(id: String) async throws -> Run
    func loggedModel(id: String) async throws -> LoggedModel
    func registeredModel(name: String) async throws -> RegisteredModel
    func modelVersion(name: String, version: String) async throws -> ModelVersionRecord

    /// What ``setMark(_:of:)`` noted last.
    func mark(of item: ImportItem) async throws -> String?
    /// Notes that all of this is here.
    func setMark(_ text: String, of item: ImportItem) async throws
}

/// Something that an import has brought whole.
public struct ImportItem: Sendable, Hashable {
    public enum Kind: String, Sendable, Hashable, CaseIterable {
        case run
        case loggedModel = "logged model"
        case model
        case version
        case alias
    }

    public let kind: Kind
    public let id: String

    public init(_ kind: Kind, _ id: String) {
        self.kind = kind
        self.id = id
    }
}

public enum ImportOutcome: Sendable, Hashable {
    case copied
    /// It was here, and something of it has changed.
    case updated
    case unchanged
    /// It stays as it is here, for this reason.
    case refused(String)
}

/// A run or logged model after its import.
public struct ImportedEntity: Sendable, Hashable {
    public let outcome: ImportOutcome
    public let artifactURI: String

    public init(outcome: ImportOutcome, artifactURI: String) {
        self.outcome = outcome
        self.artifactURI = artifactURI
    }
}

/// Where an experiment of the source is here.
public struct ExperimentPlace: Sendable, Hashable {
    public let id: Int64
    public let artifactLocation: String
    public let outcome: ImportOutcome

    public init(id: Int64, artifactLocation: String, outcome: ImportOutcome) {
        self.id = id
        self.artifactLocation = artifactLocation
        self.outcome = outcome
    }
}
