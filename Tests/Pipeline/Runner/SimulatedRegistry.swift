import Foundation
import SlipwayCore
import SlipwayTracking
import Synchronization

/// A registry in memory: enough of MLflow for a run's road.
final class SimulatedRegistry: ModelRegistry {
    struct State {
        var runs:
            [String: (
                tags: [String: String], loggedModels: [String], metrics: [String: Double], status: String
            )] = [:]
        var runArtifacts: [String: [UInt8]] = [:]
        var loggedModels: [String: [String: [UInt8]]] = [:]
        var versions: [RegisteredVersion] = []
        var sources: [Int: String] = [:]
        var failure: PlatformError?
    }

    let state = Mutex(State())

    private func read<Result: Sendable>(_ body: @Sendable (inout State) throws -> Result) throws -> Result {
        try state.withLock { state in
            if let failure = state.failure { throw failure }
            return try body(&state)
        }
    }

    /// What the training's MLflow client does.
    func logModel(_ files: [String: [UInt8]], run: String) {
        state.withLock { state in
            let id = "m-\(state.loggedModels.count + 1)"
            state.loggedModels[id] = files
            state.runs[run]?.loggedModels.append(id)
        }
    }

    func corrupt(_ path: String) {
        state.withLock { state in
            for id in state.loggedModels.keys { state.loggedModels[id]?[path]?.append(0) }
        }
    }

    var versionNumbers: [Int] { state.withLock { $0.versions.map(\.version.number) } }

    func createRun(experiment: String, name: String, tags: [String: String]) async throws -> String {
        try read { state in
            let id = "run-\(state.runs.count + 1)"
            state.runs[id] = (tags, [], [:], "RUNNING")
            return id
        }
    }

    func run(id: String) async throws -> TrackedRun {
        try read { state in
            guard let run = state.runs[id] else { throw PlatformError(.notFound, "no run '\(id)'") }
            return TrackedRun(
                id: id,
                experimentID: "1",
                status: run.status,
                metrics: run.metrics,
                parameters: [:],
                tags: run.tags,
                loggedModelIDs: run.loggedModels
            )
        }
    }

    func logMetrics(_ metrics: [String: Double], runID: String) async throws {
        try read { $0.runs[runID]?.metrics.merge(metrics) { $1 } }
    }

    func setRunTags(_ tags: [String: String], runID: String) async throws {
        try read { $0.runs[runID]?.tags.merge(tags) { $1 } }
    }

    func endRun(id: String, status: String) async throws {
        try read { $0.runs[id]?.status = status }
    }

    func uploadArtifact(runID: String, path: String, fromFile file: String) async throws {
        let bytes = [UInt8](try Data(contentsOf: URL(filePath: file)))
        try read { $0.runArtifacts["\(runID)/\(path)"] = bytes }
    }

    func downloadArtifact(_ path: String, ofRun id: String, toFile file: String) async throws -> Digest {
        try write(try read { $0.runArtifacts["\(id)/\(path)"] }, to: file)
    }

    func artifacts(ofLoggedModel id: String) async throws -> [ArtifactEntry] {
        try read {
            ($0.loggedModels[id] ?? [:]).map { ArtifactEntry(path: $0.key, bytes: Int64($0.value.count)) }
        }
    }

    func downloadArtifact(
        _ path: String,
        ofLoggedModel id: String,
        toFile file: String
    ) async throws -> Digest {
        try write(try read { $0.loggedModels[id]?[path] }, to: file)
    }

    private func write(_ bytes: [UInt8]?, to file: String) throws -> Digest {
        guard let bytes else { throw PlatformError(.notFound, "no such artifact") }
        try Data(bytes).write(to: URL(filePath: file))
        return Digest(of: bytes)
    }

    func createVersion(
        of model: ModelName,
        source: String,
        runID: String,
        tags: [String: String]
    ) async throws -> RegisteredVersion {
        try read { state in
            let number = state.versions.count + 1
            let version = RegisteredVersion(
                model: model,
                version: try ModelVersion(number),
                source: source,
                runID: runID,
                tags: tags,
                created: Timestamp(milliseconds: 0)
            )
            state.versions.append(version)
            state.sources[number] = String(source.dropFirst("models:/".count))
            return version
        }
    }

    func version(_ version: ModelVersion, of model: ModelName) async throws -> RegisteredVersion {
        try read { state in
            guard let found = state.versions.first(where: { $0.version == version }) else {
                throw PlatformError(.notFound, "no version \(version)")
            }
            return found
        }
    }

    func versions(of model: ModelName) async throws -> [RegisteredVersion] { try read { $0.versions } }

    func setVersionTags(_ tags: [String: String], version: ModelVersion, of model: ModelName) async throws {
        try read { state in
            guard let index = state.versions.firstIndex(where: { $0.version == version }) else { return }
            let old = state.versions[index]
            state.versions[index] = RegisteredVersion(
                model: old.model,
                version: old.version,
                source: old.source,
                runID: old.runID,
                tags: old.tags.merging(tags) { $1 },
                created: old.created
            )
        }
    }

    func aliases(of model: ModelName) async throws -> [Alias: ModelVersion] { [:] }
    func setAlias(_ alias: Alias, to version: ModelVersion, of model: ModelName) async throws {}
    func removeAlias(_ alias: Alias, of model: ModelName) async throws {}

    func artifacts(of version: ModelVersion, model: ModelName) async throws -> [ArtifactEntry] {
        try await artifacts(ofLoggedModel: try read { $0.sources[version.number] ?? "" })
    }

    func downloadArtifact(
        _ path: String,
        of version: ModelVersion,
        model: ModelName,
        toFile file: String
    ) async throws -> Digest {
        try await downloadArtifact(
            path,
            ofLoggedModel: try read { $0.sources[version.number] ?? "" },
            toFile: file
        )
    }

    func importVersion(
        of model: ModelName,
        files: [String: String],
        tags: [String: String],
        description: String
    ) async throws -> RegisteredVersion {
        var contents: [String: [UInt8]] = [:]
        for (path, file) in files { contents[path] = [UInt8](try Data(contentsOf: URL(filePath: file))) }
        let imported = contents
        let id = try read { state in
            let id = "m-\(state.loggedModels.count + 1)"
            state.loggedModels[id] = imported
            return id
        }
        return try await createVersion(of: model, source: "models:/\(id)", runID: "", tags: tags)
    }
}
