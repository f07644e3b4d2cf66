import Foundation
import SlipwayApps
import SlipwayClients
import SlipwayCore
import SlipwayGit
import SlipwayPipeline
import SlipwayProcesses
import SlipwayProof
import SlipwayStorage

/// What can be seen of a platform on one machine.
struct MachineFacts {
    let options: EnvironmentOptions
    let home: EnvironmentHome
    let tree: GitOpsTree

    /// - Parameters:
    ///   - body: What is sent to the gateway; nothing is when it is left out.
    ///   - model: Whom it is for.
    func observe(body: [UInt8]?, model: String?) async throws -> [String: JSONValue] {
        let applications = try await tree.applications().tree
        let conditions = applications.conditions(exists: tree.exists)
        var facts: [String: JSONValue] = [
            "shape": "machine",
            "applications": .array(applications.applications.map { Self.json($0, conditions[$0.name] ?? []) }),
        ]
        try await PlatformConnection.with(options) { platform in
            let status = try await platform.control.get("status")
            facts["models"] = status["models"] ?? []
            let connections = HTTPConnections()
            do {
                facts["engines"] = await engines(platform.endpoints, EngineProbe(connections: connections))
                facts["optional"] = try await optional(EngineProbe(connections: connections))
                if let body, let gateway = platform.endpoints.gateway {
                    facts["predictions"] = try await predictions(body, model, status, GatewayCaller(url: gateway, connections: connections))
                }
            } catch {
                try? await connections.close()
                throw error
            }
            try await connections.close()
        }
        let report = try ProofFolder(home.proofsFolder).verify(key: try home.verifyingKey(), expectations: ProofExpectations(environment: home.environment))
        facts["proofs"] = [
            "holds": .bool(report.holds), "count": .int(Int64(report.count)),
            "head": report.head.map { .string($0.text) } ?? .null, "failure": report.failure.map { .string($0.description) } ?? .null,
        ]
        return facts
    }

    static func json(_ application: Application, _ conditions: [AppCondition], _ status: AppStatus? = nil) -> JSONValue {
        var members: [String: JSONValue] = [
            "name": .string(application.name), "role": .string(application.role.rawValue), "layer": .string(application.layer),
            "env": .string(application.environment), "project": .string(application.project), "wave": .int(Int64(application.wave)),
            "conditions": .array(conditions.map { ["type": .string($0.kind.rawValue), "message": .string($0.message)] }),
        ]
        if let status {
            members["sync"] = .string(status.sync.rawValue)
            members["health"] = .string(status.health.rawValue)
        }
        return .object(members)
    }

    private func engines(_ endpoints: Endpoints, _ probe: EngineProbe) async -> JSONValue {
        let urls = [
            "mlflow": endpoints.tracking.map { "\($0)/health" }, "triton": endpoints.modelServer.map { "\($0)/v2/health/ready" },
            "gateway": endpoints.gateway.map { "\($0)/ready" }, "airflow": endpoints.console,
        ]
        var statuses: [String: JSONValue] = [:]
        for (name, url) in urls {
            guard let url, let status = await probe.status(of: url) else {
                statuses[name] = .null
                continue
            }
            statuses[name] = .int(Int64(status))
        }
        return .object(statuses)
    }

    private func optional(_ probe: EngineProbe) async throws -> JSONValue {
        let repository = try await PlatformHome(root: options.root).repository()
        let text = try await repository.file(OptionalSwitch.path(in: home.environment), at: try await repository.head())
        let isAttached = try text.map { try OptionalSwitch.isAttached($0, in: home.environment) } ?? false
        let state = FeatureStoreState.load(home) ?? FeatureStoreState(phase: .detached)
        var health: Int?
        if let url = state.url { health = await probe.status(of: "\(url)/health") }
        return ["git": .bool(isAttached), "phase": .string(state.phase.rawValue), "health": health.map { .int(Int64($0)) } ?? .null]
    }

    private static let predictionsCount = 20

    private func predictions(_ body: [UInt8], _ model: String?, _ status: JSONValue, _ caller: GatewayCaller) async throws -> JSONValue {
        let names = (status["models"]?.arrayValue ?? []).compactMap { $0["model"]?.stringValue }
        guard let model = model ?? (names.count == 1 ? names[0] : nil) else {
            throw PlatformError(.invalidArgument, "\(names.count) models are released", remedy: "name the one that the body is for with --model")
        }
        var answers: [JSONValue] = []
        for _ in 0..<Self.predictionsCount {
            let answer = try await caller.predict(body, model: model)
            answers.append([
                "status": .int(Int64(answer.status)), "model": answer.model.map { .string($0) } ?? .null,
                "version": answer.version.map { .string($0) } ?? .null, "variant": answer.variant.map { .string($0) } ?? .null,
            ])
        }
        return .array(answers)
    }
}

/// What a run's record and its proofs say.
struct RunFacts {
    private static let runsMax = 10_000

    let home: EnvironmentHome

    func observe(_ id: String?) async throws -> JSONValue {
        let runs = try await SQLiteRunStore(file: home.runsDatabase).runs(limit: Self.runsMax)
        let found = id.map { id in runs.first { $0.id.text == id } } ?? runs.first { $0.state == .succeeded }
        guard let run = found else {
            throw PlatformError(.notFound, id.map { "there is no run '\($0)'" } ?? "no run has succeeded yet", remedy: "slipway run PROJECT")
        }
        let report = try ProofFolder(home.proofsFolder).verify(
            key: try home.verifyingKey(),
            expectations: ProofExpectations(environment: home.environment, runs: [run.id], envelopes: try run.proofs.map { try Digest($0) })
        )
        return [
            "id": .string(run.id.text), "model": .string(run.model.text), "state": .string(run.state.rawValue), "summary": .string(run.summary),
            "conditions": .array(run.conditions.map(\.rawValue).sorted().map { .string($0) }),
            "version": run.candidate.map { .int(Int64($0.number)) } ?? .null,
            "proven": .bool(report.holds), "proofFailure": report.failure.map { .string($0.description) } ?? .null,
        ]
    }
}

/// What can be seen of a cluster, through kubectl: Argo CD's Applications, and the engines through the API
/// server's proxy.
struct ClusterFacts {
    let tree: GitOpsTree
    let environment: EnvironmentName

    /// Application → port and health route of its Service.
    private static let engines = [
        ("mlflow", "mlflow", 5000, "health"), ("triton", "triton", 8000, "v2/health/ready"), ("gateway", "gateway", 8080, "ready"),
        ("airflow", "airflow-api-server", 8080, "api/v2/monitor/health"),
    ]

    func observe(body: [UInt8]?, model: String?) async throws -> [String: JSONValue] {
        let cluster = try tree.cluster(context: nil, namespace: "argocd")
        let statuses = try await cluster.statuses()
        let applications = try await tree.applications().tree
        let conditions = applications.conditions(exists: tree.exists)
        let live = applications.applications.filter { statuses[$0.name] != nil || $0.layer != "optional" }
        var engines: [String: JSONValue] = [:]
        for (name, service, port, path) in Self.engines {
            let isUp = try await cluster.proxied(service, port: port, path: path, namespace: "\(name)-\(environment)") != nil
            engines[name] = isUp ? .int(200) : .null
        }
        var optional: [String: JSONValue] = ["git": .bool(try tree.attached().contains(environment))]
        let feast = statuses["feast-\(environment)"]
        optional["phase"] = .string(feast == nil ? "detached" : feast?.health == .healthy ? "serving" : "starting")
        optional["health"] = feast?.health == .healthy ? .int(200) : .null
        let gateway = "gateway-\(environment)"
        let models = try await cluster.proxied("gateway", port: 8080, path: "models", namespace: gateway).map { try JSONValue(parsing: $0) }?["models"] ?? []
        var predictions: [JSONValue] = []
        if let body, let model = model ?? models.arrayValue?.first?["model"]?.stringValue {
            let answer = try await cluster.posted(body, to: "gateway", port: 8080, path: "models/\(model)/predict", namespace: gateway)
            let version = try answer.map { try JSONValue(parsing: $0) }?["version"]
            predictions = [["status": answer == nil ? .null : 200, "model": .string(model), "version": version ?? .null]]
        }
        return [
            "shape": "cluster", "models": models, "predictions": .array(predictions),
            "applications": .array(live.filter { $0.environment == environment.text }.map {
                MachineFacts.json($0, conditions[$0.name] ?? [], statuses[$0.name] ?? AppStatus(sync: .outOfSync, health: .missing))
            }),
            "engines": .object(engines), "optional": .object(optional),
        ]
    }
}
