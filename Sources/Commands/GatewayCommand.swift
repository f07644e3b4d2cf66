import ArgumentParser
import Foundation
import Logging
import ServiceLifecycle
import SlipwayApps
import SlipwayClients
import SlipwayCore
import SlipwayGateway
import SlipwayInference
import SlipwayRelease
import SlipwayStorage

struct GatewayCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "gateway",
        abstract: "The gateway alone: follows the releases in Git, calls a model server behind a URL.",
        discussion: """
            Each replica reads Git and asks the model server itself. The token for reloads is in <home>/token.
            Predictions, /models and /metrics need none: on another address than loopback, something in front
            decides who reaches it, as a NetworkPolicy does in a cluster.

              slipway gateway --upstream http://127.0.0.1:8000 --repository .slipway/release.git --env dev
            """
    )

    @Option(help: "The environment whose releases are followed.") var env: String = "dev"
    @Option(help: ArgumentHelp("A model server; may be repeated.", valueName: "url")) var upstream: [String] = []
    @Flag(help: "Each version is a model of its own there, MODEL-vVERSION, as 'slipway reconcile' and 'slipway step' load them.")
    var separateModels = false
    @Option(help: ArgumentHelp("The Git repository of the releases.", valueName: "url")) var repository: String
    @Option(help: "Its branch.") var branch: String = "main"
    @Option(help: ArgumentHelp("Feast's feature server, asked while Optional is attached.", valueName: "url")) var features: String?
    @Option(help: "Address to listen on; 0.0.0.0 for all of the machine's.") var host: String = "127.0.0.1"
    @Option(help: "0 picks a free port.") var port: Int = 8080
    @Option(help: "The same over gRPC. Without it: one above the port.") var grpcPort: Int?
    @Option(help: ArgumentHelp("Token, mirror and the chosen port.", valueName: "folder")) var home: String = ".slipway/gateway"
    @OptionGroup var clients: GatewayOptions
    @OptionGroup var logs: LogOptions

    func run() async throws {
        guard !upstream.isEmpty else {
            throw PlatformError(.invalidArgument, "no '--upstream' is given", remedy: "name at least one model server, such as http://127.0.0.1:8000")
        }
        let logger = try logs.logger("slipway.gateway")
        let environment = try EnvironmentName(env)
        let home = EnvironmentHome(root: URL(filePath: self.home).path, environment: environment)
        try home.create()
        let connections = HTTPConnections()
        let plane = UpstreamDataPlane(
            endpoints: try upstream.map { try UpstreamEndpoint(url: $0) },
            naming: separateModels ? .separateModels : .versions
        )
        let releases = try await PlatformHome(root: URL(filePath: home.folder)).repository(url: repository, branch: branch)
        let address = Locked(FeatureAddress.detached)
        let gateway = GatewayService(
            backend: .upstream(plane),
            source: GitReleaseSource(repository: releases, environment: environment, featuresURL: features, address: address),
            readiness: readiness(connections),
            token: try home.token(),
            features: SwitchedFeatures(environment: environment, address: address, connections: connections),
            admission: try clients.admission(),
            logger: logger
        )
        let listener = gateway.server(host: host, port: port)
        let grpc = gateway.grpcServer(host: host, port: grpcPort ?? portAbove(port))
        try await EngineProcess.run([("gateway", listener), ("grpc", grpc)], home: URL(filePath: home.folder), also: [gateway, plane], logger: logger)
        try await plane.shutDown()
        try await connections.close()
    }
}

extension GatewayCommand {
    /// Under the names that the servers use.
    private func readiness(_ connections: HTTPConnections) -> IndexReadiness {
        var indexes: [@Sendable () async throws -> [ServedVersion]] = []
        for url in upstream {
            if separateModels {
                let server = TritonModelServer(url: url, connections: connections)
                indexes.append { try await server.index() }
            } else {
                let server = ModelServerIndex(url: url, connections: connections)
                indexes.append { try await server.entries() }
            }
        }
        return IndexReadiness(indexes: indexes)
    }
}

/// What Git says, read by a gateway that has no reconciler beside it.
actor GitReleaseSource: ReleaseSource {
    private let repository: any ReleaseRepository
    private let environment: EnvironmentName
    private let featuresURL: String?
    private let address: Locked<FeatureAddress>
    private var accepted = AcceptedReleases()

    /// - Parameter address: Follows what Git says of Optional.
    init(repository: any ReleaseRepository, environment: EnvironmentName, featuresURL: String?, address: Locked<FeatureAddress>) {
        self.featuresURL = featuresURL
        self.address = address
        self.repository = repository
        self.environment = environment
    }

    func accepted() async throws -> AcceptedReleases {
        let head = try await repository.head()
        let files = try await repository.releaseFiles(of: environment, at: head)
        // Whether a version exists is for the model server to say: what it does not serve is not routed to.
        let isAttached = ReleaseFile.mayTakeFeatures(files) ? try await followOptional(at: head) : nil
        // After a start there is nothing to keep instead: such a release is taken up, and its requests refused.
        let hasFeatures = accepted.entries.isEmpty ? nil : isAttached
        accepted = ReleaseAcceptance(files: files, commit: head, previous: accepted, hasFeatures: hasFeatures) { _, _ in true }.accepted
        return accepted
    }

    private func followOptional(at head: CommitID) async throws -> Bool {
        let text = try await repository.file(OptionalSwitch.path(in: environment), at: head)
        let isAttached = try text.map { try OptionalSwitch.isAttached($0, in: environment) } ?? false
        let next: FeatureAddress =
            if !isAttached { .detached } else if let featuresURL { .serving(featuresURL) } else { .failing("no '--features' is given") }
        address.with { $0 = next }
        return isAttached
    }
}

/// Ready is what every server says is ready.
struct IndexReadiness: VersionReadiness {
    /// What each server lists.
    let indexes: [@Sendable () async throws -> [ServedVersion]]

    func readyVersions() async throws -> [ModelName: Set<ModelVersion>] {
        var common: [ModelName: Set<ModelVersion>]?
        for index in indexes {
            let ready = Dictionary(grouping: try await index().filter { $0.state == .ready }, by: \.model)
                .mapValues { Set($0.map(\.version)) }
            common = common.map { known in
                known.compactMapValues { $0 }.reduce(into: [:]) { $0[$1.key] = $1.value.intersection(ready[$1.key] ?? []) }
            } ?? ready
        }
        return common ?? [:]
    }
}
