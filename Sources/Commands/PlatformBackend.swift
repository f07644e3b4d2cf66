import SlipwayConsole
import SlipwayCore
import SlipwayPipeline
import SlipwayPipelineRunner
import SlipwayReconciler
import SlipwayRelease
import SlipwayStorage

/// What the console shows and starts: the pipeline engine and the reconciler.
actor PlatformBackend: ConsoleBackend {
    private let environment: EnvironmentName
    private let engine: PipelineEngine
    private let reconciler: Reconciler
    private let repository: any ReleaseRepository
    private var endpoints: Endpoints?

    init(environment: EnvironmentName, engine: PipelineEngine, reconciler: Reconciler, repository: any ReleaseRepository) {
        self.environment = environment
        self.engine = engine
        self.reconciler = reconciler
        self.repository = repository
    }

    func set(_ endpoints: Endpoints) {
        self.endpoints = endpoints
    }

    func status() async throws -> JSONValue {
        let models = try await reconciler.status().map { status -> JSONValue in
            let variants = (status.release?.variants ?? []).map { variant -> JSONValue in
                [
                    "alias": .string(variant.alias.text), "version": .int(Int64(variant.version.number)),
                    "weight": .double(Double(variant.weight.hundredths) / 100),
                ]
            }
            return [
                "model": .string(status.model.text), "sync": .string(status.sync.rawValue), "reason": .string(status.reason),
                "commit": status.commit.map { .string($0.text) } ?? .null,
                "lastGood": status.release?.lastGood.map { .int(Int64($0.number)) } ?? .null,
                "variants": .array(variants),
                "shadow": Self.shadow(of: status),
                "servers": .object(status.servers.mapValues { .array($0.map { .int(Int64($0.number)) }) }),
                "gateways": .object(status.gateways.mapValues { ["generation": .int(Int64($0.generation)), "commit": .string($0.commit.text)] }),
            ]
        }
        return [
            "environment": .string(environment.text), "repository": .string(repository.address),
            "problem": .string(await reconciler.currentProblem), "models": .array(models),
            "engines": .object((endpoints?.table ?? []).reduce(into: [:]) { $0[$1.0] = .string($1.1) }),
        ]
    }

    /// The shadow with the copies that all gateways counted; null without one.
    private static func shadow(of status: ReleaseStatus) -> JSONValue {
        guard let shadow = status.release?.shadow else { return .null }
        var counts: [String: Int] = [:]
        for route in status.gateways.values { counts.merge(route.shadow?.counts ?? [:]) { $0 + $1 } }
        var members = shadow.json
        members["mirrored"] = .bool(!status.gateways.isEmpty && status.gateways.values.allSatisfy { $0.shadow?.isMirrored == true })
        members["counts"] = .object(counts.mapValues { .int(Int64($0)) })
        return .object(members)
    }

    func submit(project: String, parameters: [String: String]) async throws -> RunID {
        try await engine.submit(project: project, parameters: parameters)
    }

    func promote(model: ModelName, from environment: EnvironmentName) async throws -> RunID {
        try await engine.promote(model: model, from: environment)
    }

    func runs(limit: Int) async throws -> [RunRecord] { try await engine.runs(limit: limit) }

    func run(_ id: RunID) async throws -> RunRecord { try await engine.run(id) }

    func events(of id: RunID) async throws -> AsyncStream<RunEvent> { try await engine.events(of: id) }

    func cancel(_ id: RunID) async throws { try await engine.cancel(id) }

    func reconcile() async throws { await reconciler.wake() }
}
