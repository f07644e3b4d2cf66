import Foundation
import SlipwayApps
import SlipwayClients
import SlipwayCore
import SlipwayStorage

/// How the Applications do on one machine, where embedded engines stand for them.
///
/// | application | stands for it | healthy |
/// |---|---|---|
/// | mlflow | the tracking server | `GET /health` is 200 |
/// | triton | the model server | `GET /v2/health/ready` is 200 |
/// | gateway | the gateway | `GET /ready` is 200 |
/// | airflow | the pipeline engine | the console answers |
/// | feast, redis | the child processes of `slipway up` | they serve |
///
/// Nothing stands for Baseline: folders, log lines and `/metrics` need no process. It is missing, as it
/// would be in a cluster without it.
struct MachineState {
    let root: URL

    func statuses(of tree: AppTree, in place: GitOpsTree) async throws -> [String: AppStatus] {
        let connections = HTTPConnections()
        let probe = EngineProbe(connections: connections)
        var statuses: [String: AppStatus] = [:]
        do {
            for application in tree.applications where application.role == .app {
                let synced = try SyncedState.load(application.name, root: root)
                let isSynced = try synced.map { try $0.inputs == place.inputs(of: application) } ?? false
                let (health, message) = await health(of: application, probe)
                statuses[application.name] = AppStatus(sync: isSynced ? .synced : .outOfSync, health: health, message: message)
            }
        } catch {
            try? await connections.close()
            throw error
        }
        try await connections.close()
        return statuses
    }

    private func health(of application: Application, _ probe: EngineProbe) async -> (AppHealth, String) {
        guard let environment = try? EnvironmentName(application.environment) else { return (.unknown, "") }
        let home = EnvironmentHome(root: root.path, environment: environment)
        let name = application.name.dropLast(application.environment.count + 1)
        guard let endpoints = try? home.endpoints() else {
            return (.missing, application.layer == "baseline" ? Self.noProcess : "the platform of '\(environment)' does not run")
        }
        let url: String?
        switch name {
        case "mlflow": url = endpoints.tracking.map { "\($0)/health" }
        case "triton": url = endpoints.modelServer.map { "\($0)/v2/health/ready" }
        case "gateway": url = endpoints.gateway.map { "\($0)/ready" }
        case "airflow": url = endpoints.console
        case "feast": url = FeatureStoreState.load(home)?.url.map { "\($0)/health" }
        case "redis":
            let isUp = FeatureStoreState.load(home)?.url != nil
            return isUp ? (.healthy, "") : (.missing, "Redis does not run")
        default: return (.missing, Self.noProcess)
        }
        guard let url else { return (.missing, "it does not run") }
        switch await probe.status(of: url) {
        case 200: return (.healthy, "")
        case .some(let status): return (.progressing, "it answers \(status)")
        case nil: return (.degraded, "it does not answer")
        }
    }

    private static let noProcess = "one machine has no process for it"

    /// Lets the running platforms of these environments look at Git now.
    func wake(_ environments: Set<String>) async {
        for text in environments.sorted() {
            guard let environment = try? EnvironmentName(text) else { continue }
            let home = EnvironmentHome(root: root.path, environment: environment)
            guard let console = (try? home.endpoints())?.console, let token = try? home.existingToken() else { continue }
            let connections = HTTPConnections()
            do {
                _ = try await ControlClient(url: console, token: token, connections: connections).post("reconcile", [:])
            } catch {
                Talk.note("the platform of '\(environment)' could not be told: \(PlatformError.wrapping(error, doing: "reach it").message)")
            }
            try? await connections.close()
        }
    }
}
