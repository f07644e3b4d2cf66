import ArgumentParser
import Foundation
import Logging
import ServiceLifecycle
import SlipwayClients
import SlipwayCore
import SlipwayGit
import SlipwayHTTP
import SlipwayReconciler
import SlipwayRelease
import SlipwayStorage

struct ReconcileCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "reconcile",
        abstract: "The reconciler alone: makes model servers, gateways and aliases equal to what Git says.",
        discussion: """
            Looks every few seconds, and carries on where it was after a stop. One process an environment, which
            its home sees to. /health, /ready, /status and /metrics are answered on --port. The gateways' token is
            in <home>/<env>/token. With --once it makes one pass, says how everything stands and ends: 0 when that
            is what Git says, else 7.

              slipway reconcile --env dev --repository .slipway/release.git --tracking http://127.0.0.1:5000 \\
                --model-server http://127.0.0.1:8000 --gateway http://127.0.0.1:8080
            """
    )

    @OptionGroup var options: EnvironmentOptions
    @OptionGroup var engines: EngineOptions
    @Option(help: "Address to listen on; 0.0.0.0 for all of the machine's.") var host: String = "127.0.0.1"
    @Option(help: "0 picks a free port.") var port: Int = 8081
    @Flag(help: "One pass, then its outcome as exit code.") var once = false
    @OptionGroup var logs: LogOptions

    func run() async throws {
        let logger = try logs.logger("slipway.reconciler")
        let environment = try options.environmentName()
        let home = EnvironmentHome(root: options.root.path, environment: environment)
        try home.create()
        let lock = try home.lock()
        defer { withExtendedLifetime(lock) {} }
        let connections = HTTPConnections()
        do {
            let reconciler = try await reconciler(home, connections, logger)
            if once {
                try await passOnce(reconciler)
            } else {
                let listener = ReconcilerRoutes(reconciler).server(host: host, port: port, logger: logger)
                let folder = URL(filePath: home.folder).appending(path: "reconciler")
                try await EngineProcess.run([("reconciler", listener)], home: folder, also: [reconciler], logger: logger)
            }
        } catch {
            // The first error is the one to tell.
            try? await connections.close()
            throw error
        }
        try await connections.close()
    }

    private func reconciler(_ home: EnvironmentHome, _ connections: HTTPConnections, _ logger: Logger) async throws -> Reconciler {
        let environment = home.environment
        let repository = try await engines.openRepository(home)
        let given = engines.engines()
        let file = Locked(try await platformFile(home, repository))
        let addresses = given.completed(by: file.with { $0 })
        let tracking = try addresses.requireTracking(environment)
        try addresses.requireReplicas(environment)
        let finder = ReplicaFinder(token: try home.token(), connections: connections) {
            given.completed(by: file.with { $0 })
        }
        let state = home.platformState
        let registry = MLflowRegistry(
            url: tracking,
            token: ProcessInfo.processInfo.environment["MLFLOW_TRACKING_TOKEN"],
            reconcilerSecret: try home.reconcilerSecret(),
            connections: connections
        )
        return Reconciler(
            environment: environment,
            ports: Reconciler.Ports(
                repository: repository,
                registry: registry,
                fetcher: VersionFetcher(registry: registry, folder: URL(filePath: home.folder).appending(path: "versions")),
                servers: [],
                gateways: [],
                holds: RegistryHolds(registry: registry, replicas: finder.find),
                state: home.acceptedState,
                proofs: SharedProofLog(folder: home.proofsFolder, key: try home.signingKey()),
                platform: PlatformState(
                    load: state.load,
                    save: { next in
                        try state.save(next)
                        file.with { $0 = next }
                    }
                ),
                replicas: finder.find
            ),
            logger: logger
        )
    }

    /// What Git says now; where it does not answer, what it said last.
    private func platformFile(_ home: EnvironmentHome, _ repository: any ReleaseRepository) async throws -> PlatformFile {
        do {
            let text = try await repository.file(PlatformFile.path(in: home.environment), at: try await repository.head())
            return try text.map { try PlatformFile.parse($0, environment: home.environment) } ?? PlatformFile()
        } catch let error as PlatformError where error.code == .unavailable {
            return try home.platformState.load()
        }
    }

    private func passOnce(_ reconciler: Reconciler) async throws {
        await reconciler.pass()
        let status = try await reconciler.statusJSON()
        let problem = await reconciler.currentProblem
        if options.output == .json {
            Talk.data(status.canonicalText)
        } else {
            for model in try await reconciler.status() {
                Talk.data("\(model.model.text.padding(to: 20)) \(model.sync.rawValue.padding(to: 12)) \(model.reason)")
            }
        }
        guard problem.isEmpty else {
            throw PlatformError(.unavailable, "what serves is not what Git says: \(problem)", remedy: "repair that; the next pass tries again")
        }
    }
}
