import ArgumentParser
import Foundation
import Logging
import SlipwayClients
import SlipwayCore
import SlipwayGit
import SlipwayInference
import SlipwayReconciler
import SlipwayRelease
import SlipwayStorage

/// Where the engines are, for the commands that are processes of their own beside them.
///
/// An option wins over its variable, and that over `envs/<env>/platform.yaml` in Git.
struct EngineOptions: ParsableArguments {
    @Option(help: ArgumentHelp("The Git repository of the releases, else SLIPWAY_REPOSITORY.", valueName: "url"))
    var repository: String?
    @Option(help: "Its branch, else SLIPWAY_BRANCH, else main.")
    var branch: String?
    @Option(help: ArgumentHelp("The tracking server, else SLIPWAY_TRACKING.", valueName: "url"))
    var tracking: String?
    @Option(help: ArgumentHelp("A model server; may be repeated. Every address of its name is a replica. Else SLIPWAY_MODEL_SERVERS, with commas.", valueName: "url"))
    var modelServer: [String] = []
    @Option(help: ArgumentHelp("A gateway; may be repeated, in the same way. Else SLIPWAY_GATEWAYS.", valueName: "url"))
    var gateway: [String] = []

    /// The releases, through a mirror in the home.
    func openRepository(_ home: EnvironmentHome) async throws -> GitReleaseRepository {
        let environment = ProcessInfo.processInfo.environment
        guard let url = repository ?? environment["SLIPWAY_REPOSITORY"].flatMap({ $0.isEmpty ? nil : $0 }) else {
            throw PlatformError(.invalidArgument, "no repository of the releases is given", remedy: "give '--repository URL' or set SLIPWAY_REPOSITORY")
        }
        let branch = branch ?? environment["SLIPWAY_BRANCH"].flatMap { $0.isEmpty ? nil : $0 } ?? "main"
        return try await PlatformHome(root: URL(filePath: home.folder)).repository(url: url, branch: branch)
    }

    /// The addresses that need no file: what options and variables say.
    func engines(_ environment: [String: String] = ProcessInfo.processInfo.environment) -> EngineAddresses {
        func list(_ name: String) -> [String] {
            (environment[name] ?? "").split(separator: ",").map { $0.trimmingCharacters(in: .whitespaces) }.filter { !$0.isEmpty }
        }
        return EngineAddresses(
            tracking: tracking ?? list("SLIPWAY_TRACKING").first,
            modelServers: modelServer.isEmpty ? list("SLIPWAY_MODEL_SERVERS") : modelServer,
            gateways: gateway.isEmpty ? list("SLIPWAY_GATEWAYS") : gateway
        )
    }
}

/// Where the engines are.
struct EngineAddresses: Sendable, Hashable {
    var tracking: String?
    var modelServers: [String]
    var gateways: [String]

    /// With what the file says where nothing else does.
    func completed(by file: PlatformFile) -> EngineAddresses {
        EngineAddresses(
            tracking: tracking ?? file.tracking,
            modelServers: modelServers.isEmpty ? file.modelServers : modelServers,
            gateways: gateways.isEmpty ? file.gateways : gateways
        )
    }

    func requireTracking(_ environment: EnvironmentName) throws -> String {
        guard let tracking else { throw Self.missing("tracking server", "--tracking URL", "spec.tracking.url", environment) }
        return tracking
    }

    func requireReplicas(_ environment: EnvironmentName) throws {
        guard !modelServers.isEmpty else { throw Self.missing("model server", "--model-server URL", "spec.modelServers", environment) }
        guard !gateways.isEmpty else { throw Self.missing("gateway", "--gateway URL", "spec.gateways", environment) }
    }

    private static func missing(_ what: String, _ option: String, _ key: String, _ environment: EnvironmentName) -> PlatformError {
        PlatformError(
            .invalidArgument,
            "nothing says where the \(what) of '\(environment)' is",
            remedy: "give '\(option)', or write \(key) in '\(PlatformFile.path(in: environment))'"
        )
    }
}

/// The replicas behind the addresses, as they are now.
struct ReplicaFinder: Sendable {
    let token: String
    let connections: HTTPConnections
    let addresses: @Sendable () throws -> EngineAddresses

    func find() async throws -> Replicas {
        let addresses = try addresses()
        var servers: [TritonModelServer] = []
        for url in addresses.modelServers {
            servers += try await HostAddresses.urls(of: url).map { TritonModelServer(url: $0, connections: connections) }
        }
        return Replicas(servers: servers, gateways: try await gateways())
    }

    func gateways() async throws -> [HTTPGatewayControl] {
        var gateways: [HTTPGatewayControl] = []
        for url in try addresses().gateways {
            gateways += try await HostAddresses.urls(of: url).map {
                HTTPGatewayControl(url: $0, token: token, connections: connections)
            }
        }
        return gateways
    }
}

/// What all gateways that are there now have counted, added up.
struct FoundObserver: VariantCounting {
    let finder: ReplicaFinder

    func counters(of model: ModelName) async throws -> [ModelVersion: VariantCounters] {
        try await HTTPVariantObserver(try await finder.gateways()).counters(of: model)
    }
}
