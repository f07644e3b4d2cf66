import Foundation
import SlipwayCore
import SlipwayInference
import SlipwayReconciler
import SlipwayRelease
import SlipwayTracking

struct SimulatedRepository: ReleaseRepository {
    let world: SimulatedWorld
    var address: String { "simulated" }

    func head() async throws -> CommitID { try world.io(isEffect: false) { world.head } }

    func releaseFiles(of environment: EnvironmentName, at commit: CommitID) async throws -> [String: String] {
        let folder = "\(ReleaseFile.folder(of: environment))/"
        return try world.io(isEffect: false) { (world.commits[commit] ?? [:]).filter { $0.key.hasPrefix(folder) } }
    }

    func file(_ path: String, at commit: CommitID) async throws -> String? {
        try world.io(isEffect: false) { world.commits[commit]?[path] }
    }

    func commit(_ files: [String: String?], on parent: CommitID, message: String) async throws -> CommitID {
        try world.io { try world.commit(files, on: parent) }
    }

    func history(of path: String, limit: Int) async throws -> [CommitRecord] { [] }
}

struct SimulatedServer: ModelServer {
    let world: SimulatedWorld
    let address: String

    func load(_ version: ModelVersion, of model: ModelName, files: [String: String]) async throws {
        try world.load(version, model, on: address)
    }

    func unload(_ version: ModelVersion, of model: ModelName) async throws {
        try world.unload(version, model, on: address)
    }

    func index() async throws -> [ServedVersion] {
        try world.io(isEffect: false) {
            (world.servers[address] ?? [:]).flatMap { model, versions in
                versions.map { ServedVersion(model: model, version: $0, state: .ready) }
            }
        }
    }

    func infer(_ request: InferenceRequest, version: ModelVersion, of model: ModelName) async throws -> InferenceResponse {
        throw PlatformError(.unexpected, "the reconciler does not infer")
    }
}

struct SimulatedGateway: GatewayControl {
    let world: SimulatedWorld
    let address: String

    func reload(_ release: Release, commit: CommitID) async throws -> Int {
        try world.reload(release, commit, on: address)
    }

    func routes() async throws -> [ServingRoute] {
        try world.io(isEffect: false) { Array((world.routes[address] ?? [:]).values) }
    }

    func inFlight(model: ModelName, version: ModelVersion) async throws -> Int {
        try world.io(isEffect: false) { 0 }
    }
}

struct NoHolds: CandidateHolds {
    func held() async throws -> [ModelName: Set<ModelVersion>] { [:] }
}

/// A registry whose versions all have one small graph, bound by its digest.
struct SimulatedRegistry: ModelRegistry {
    let world: SimulatedWorld

    private static let graph = Array("graph".utf8)
    private static let unused = PlatformError(.unexpected, "the reconciler does not ask this")

    func version(_ version: ModelVersion, of model: ModelName) async throws -> RegisteredVersion {
        try world.io(isEffect: false) {
            guard version.number <= world.registered[model] ?? 0 else { throw PlatformError(.notFound, "there is no such version") }
            let digests = JSONValue.object(["model.onnx": .string(Digest(of: Self.graph).text)])
            return RegisteredVersion(
                model: model,
                version: version,
                source: "models:/m-1",
                runID: nil,
                tags: [VersionTag.graph: "model.onnx", VersionTag.digests: digests.canonicalText],
                created: Timestamp(milliseconds: 0)
            )
        }
    }

    func downloadArtifact(_ path: String, of version: ModelVersion, model: ModelName, toFile file: String) async throws -> Digest {
        try world.io(isEffect: false) {
            try Data(Self.graph).write(to: URL(filePath: file))
            return Digest(of: Self.graph)
        }
    }

    func aliases(of model: ModelName) async throws -> [Alias: ModelVersion] {
        try world.io(isEffect: false) {
            guard world.registered[model] != nil else { throw PlatformError(.notFound, "there is no such model") }
            return world.aliases[model] ?? [:]
        }
    }

    func setAlias(_ alias: Alias, to version: ModelVersion, of model: ModelName) async throws {
        try world.io {
            world.aliases[model, default: [:]][alias] = version
            world.aliasOrigins.append((alias, ChangeOrigin.current))
        }
    }

    func removeAlias(_ alias: Alias, of model: ModelName) async throws {
        try world.io {
            _ = world.aliases[model]?.removeValue(forKey: alias)
            world.aliasOrigins.append((alias, ChangeOrigin.current))
        }
    }

    func versions(of model: ModelName) async throws -> [RegisteredVersion] { throw Self.unused }
    func createRun(experiment: String, name: String, tags: [String: String]) async throws -> String { throw Self.unused }
    func run(id: String) async throws -> TrackedRun { throw Self.unused }
    func logMetrics(_ metrics: [String: Double], runID: String) async throws { throw Self.unused }
    func setRunTags(_ tags: [String: String], runID: String) async throws { throw Self.unused }
    func endRun(id: String, status: String) async throws { throw Self.unused }
    func uploadArtifact(runID: String, path: String, fromFile file: String) async throws { throw Self.unused }
    func downloadArtifact(_ path: String, ofRun id: String, toFile file: String) async throws -> Digest { throw Self.unused }
    func artifacts(ofLoggedModel id: String) async throws -> [ArtifactEntry] { throw Self.unused }
    func downloadArtifact(_ path: String, ofLoggedModel id: String, toFile file: String) async throws -> Digest { throw Self.unused }
    func createVersion(of model: ModelName, source: String, runID: String, tags: [String: String]) async throws -> RegisteredVersion { throw Self.unused }
    func setVersionTags(_ tags: [String: String], version: ModelVersion, of model: ModelName) async throws { throw Self.unused }
    func artifacts(of version: ModelVersion, model: ModelName) async throws -> [ArtifactEntry] { throw Self.unused }
    func importVersion(of model: ModelName, files: [String: String], tags: [String: String], description: String) async throws -> RegisteredVersion { throw Self.unused }
}
