import SlipwayCore
import SlipwayTracking
import SlipwayTrackingImport
import Synchronization

/// Lets a number of writes through, and none after them: what a killed process leaves behind.
final class WriteBudget: Sendable {
    private let left: Mutex<Int>

    init(_ writes: Int) {
        left = Mutex(writes)
    }

    func spend() throws {
        let isLeft = left.withLock { left in
            left -= 1
            return left >= 0
        }
        guard isLeft else { throw PlatformError(.unavailable, "cut off") }
    }
}

/// A store that writes as long as its budget lasts.
struct FaultyStore: TrackingImport {
    let store: any TrackingImport
    let budget: WriteBudget

    func importExperiment(_ experiment: SourceExperiment) async throws -> ExperimentPlace {
        try budget.spend()
        return try await store.importExperiment(experiment)
    }

    func importRun(_ run: Run) async throws -> ImportedEntity {
        try budget.spend()
        return try await store.importRun(run)
    }

    func importMetrics(_ metrics: [Metric], runID: String) async throws -> ImportOutcome {
        try budget.spend()
        return try await store.importMetrics(metrics, runID: runID)
    }

    func importLoggedModel(_ model: LoggedModel) async throws -> ImportedEntity {
        try budget.spend()
        return try await store.importLoggedModel(model)
    }

    func importRegisteredModel(_ model: RegisteredModel) async throws -> ImportOutcome {
        try budget.spend()
        return try await store.importRegisteredModel(model)
    }

    func importModelVersion(_ version: ModelVersionRecord) async throws -> ImportOutcome {
        try budget.spend()
        return try await store.importModelVersion(version)
    }

    func importAlias(_ alias: String, of model: String, version: Int64) async throws -> ImportOutcome {
        try budget.spend()
        return try await store.importAlias(alias, of: model, version: version)
    }

    func setMark(_ text: String, of item: ImportItem) async throws {
        try budget.spend()
        try await store.setMark(text, of: item)
    }

    func run(id: String) async throws -> Run { try await store.run(id: id) }
    func loggedModel(id: String) async throws -> LoggedModel { try await store.loggedModel(id: id) }
    func registeredModel(name: String) async throws -> RegisteredModel { try await store.registeredModel(name: name) }
    func modelVersion(name: String, version: String) async throws -> ModelVersionRecord {
        try await store.modelVersion(name: name, version: version)
    }
    func mark(of item: ImportItem) async throws -> String? { try await store.mark(of: item) }
}

/// An intake that writes as long as its budget lasts, and may keep other bytes than it was given.
struct FaultyIntake: ArtifactIntake {
    let intake: any ArtifactIntake
    let budget: WriteBudget
    /// The file that it spoils, by the end of its path.
    var spoils: String?

    func files(below folder: ArtifactPath) throws -> [String: Int64] { try intake.files(below: folder) }

    func begin(_ path: ArtifactPath) throws -> any IncomingArtifact {
        try budget.spend()
        let isSpoilt = spoils.map { path.text.hasSuffix($0) } ?? false
        return FaultyFile(file: try intake.begin(path), budget: budget, isSpoilt: isSpoilt)
    }

    func digest(of path: ArtifactPath) throws -> Digest { try intake.digest(of: path) }

    func remove(_ path: ArtifactPath) throws { try intake.remove(path) }
}

private final class FaultyFile: IncomingArtifact {
    private let file: any IncomingArtifact
    private let budget: WriteBudget
    private let isSpoilt: Bool

    init(file: any IncomingArtifact, budget: WriteBudget, isSpoilt: Bool) {
        self.file = file
        self.budget = budget
        self.isSpoilt = isSpoilt
    }

    func append(_ bytes: UnsafeRawBufferPointer) throws {
        try budget.spend()
        guard isSpoilt else { return try file.append(bytes) }
        try bytes.map { ~$0 }.withUnsafeBytes { try file.append($0) }
    }

    func finish() throws {
        try budget.spend()
        try file.finish()
    }

    func abandon() { file.abandon() }
}
