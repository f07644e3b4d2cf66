import Foundation
import Logging
import ServiceLifecycle
import SlipwayClients
import SlipwayConsole
import SlipwayCore
import SlipwayGRPC
import SlipwayGateway
import SlipwayGit
import SlipwayHTTP
import SlipwayInference
import SlipwayInferenceServer
import SlipwayNotifications
import SlipwayPipeline
import SlipwayPipelineRunner
import SlipwayProcesses
import SlipwayReconciler
import SlipwayRelease
import SlipwayStorage
import SlipwayTracking
import UnixSignals

/// One environment's engines in this process, wired together.
///
/// In two stages, because the later needs the earlier's ports: the engines that others call (tracking,
/// model server), then those that call (reconciler, gateway, pipeline engine, console). A stop goes the
/// other way round, so that nothing loses what it stands on.
struct Platform {
    struct Settings {
        let environment: EnvironmentName
        let root: URL
        let host: String
        let ports: PortOptions.Ports
        let repository: String?
        /// Serves pyfunc models; `nil`: they are refused.
        let python: String?
        let logger: Logger
    }

    private let settings: Settings
    private let home: EnvironmentHome
    private let lock: HomeLock
    private let token: String
    private let repository: GitReleaseRepository
    private let tracking: HTTPServer
    private let models: EmbeddedModelServer
    private let inference: (api: HTTPServer, grpc: GRPCServer, metrics: HTTPServer)
    private let required: RequiredVersions
    private let features = Locked(FeatureAddress.detached)
    private let protection: AliasProtection
    private let started = ContinuousClock.now

    var repositoryAddress: String { repository.address }

    /// Takes the home's lock and opens everything that needs no port.
    static func start(_ settings: Settings) async throws -> Platform {
        let home = EnvironmentHome(root: settings.root.path, environment: settings.environment)
        try home.create()
        let lock = try home.lock()
        return try await Platform(settings: settings, home: home, lock: lock)
    }

    private init(settings: Settings, home: EnvironmentHome, lock: HomeLock) async throws {
        self.settings = settings
        self.home = home
        self.lock = lock
        token = try home.token()
        repository = try await PlatformHome(root: settings.root).repository(url: settings.repository)
        // Before anybody can ask: what was protected stays so until Git says otherwise.
        let protection = try AliasProtection(home: home)
        self.protection = protection
        tracking = try TrackingEngine.server(
            folder: URL(filePath: home.trackingFolder),
            host: settings.host,
            port: settings.ports.tracking,
            reconcilerSecret: try home.reconcilerSecret(),
            protected: { protection.current },
            logger: settings.logger
        )
        models = EmbeddedModelServer(
            repository: ModelRepository(folder: URL(filePath: home.modelsFolder)),
            runtime: Runtime.onnx(),
            backends: [PyfuncOptions.backend(python: settings.python, logger: settings.logger)]
        )
        let models = models
        let required = RequiredVersions()
        self.required = required
        inference = InferenceEngine.servers(
            models,
            host: settings.host,
            ports: .init(http: settings.ports.modelServer, grpc: settings.ports.modelServerGRPC, metrics: settings.ports.metrics),
            isReady: { required.allServe { models.isReady($1, of: $0) } },
            logger: settings.logger
        )
    }

    /// Runs until SIGTERM or SIGINT.
    ///
    /// - Parameter onReady: Gets the addresses, and the seconds it took, once everything listens and what
    ///   Git says serves.
    func run(onReady: @escaping @Sendable (Endpoints, Double) throws -> Void) async throws {
        let engines = ServiceGroup(
            configuration: .init(services: [tracking, inference.api, inference.grpc, inference.metrics], logger: settings.logger)
        )
        let connections = HTTPConnections()
        do {
            try await withThrowingTaskGroup(of: Void.self) { tasks in
                tasks.addTask { try await engines.run() }
                tasks.addTask {
                    try await self.runUpper(connections, onReady: onReady)
                    await engines.triggerGracefulShutdown()
                }
                // The first failure (a port in use) ends the rest.
                try await tasks.waitForAll()
            }
        } catch {
            await close(connections)
            throw error
        }
        await close(connections)
    }

    /// What the steps of training projects inherit: with the virtual environment `.venv` of the working
    /// folder in front of `PATH`, unless another one is active.
    static var projectEnvironment: [String: String] {
        var environment = ProcessInfo.processInfo.environment
        let bin = "\(FileManager.default.currentDirectoryPath)/.venv/bin"
        guard environment["VIRTUAL_ENV"] == nil, FileManager.default.isExecutableFile(atPath: "\(bin)/python") else { return environment }
        environment["PATH"] = "\(bin):\(environment["PATH"] ?? "/usr/bin:/bin")"
        return environment
    }

    private func close(_ connections: HTTPConnections) async {
        await models.stop()
        // At the end of the process: whoever reads a stale file sees that its process is gone, and idle
        // connections that do not close cleanly lose nothing.
        try? home.removeEndpoints()
        try? await connections.close()
        withExtendedLifetime(lock) {}
    }

    private func runUpper(
        _ connections: HTTPConnections,
        onReady: @escaping @Sendable (Endpoints, Double) throws -> Void
    ) async throws {
        let logger = settings.logger
        let trackingURL = "http://\(settings.host):\(try await tracking.boundPort())"
        let registry = MLflowRegistry(url: trackingURL, connections: connections)
        let proofs = try FileProofLog(folder: home.proofsFolder, key: try home.signingKey())
        let holds = Late<PipelineEngine>()
        let source = Late<Reconciler>()

        let gateway = GatewayService(
            backend: .embedded(models),
            source: source,
            readiness: ModelServerReadiness([models]),
            token: token,
            features: SwitchedFeatures(environment: settings.environment, address: features, connections: connections),
            logger: logger
        )
        let listener = gateway.server(host: settings.host, port: settings.ports.gateway)
        let grpc = gateway.grpcServer(host: settings.host, port: settings.ports.gatewayGRPC)
        let reconciler = Reconciler(
            environment: settings.environment,
            ports: Reconciler.Ports(
                repository: repository,
                registry: MLflowRegistry(url: trackingURL, reconcilerSecret: try home.reconcilerSecret(), connections: connections),
                fetcher: VersionFetcher(registry: registry, folder: URL(filePath: home.folder).appending(path: "versions")),
                servers: [models],
                gateways: [gateway],
                holds: holds,
                state: required.watching(home.acceptedState),
                proofs: proofs,
                platform: protection.watching(home.platformState)
            ),
            logger: logger
        )
        source.set(reconciler)
        let commands = ProcessGroupRunner()
        let notifier = try await SlackNotifier.open(
            outbox: try FileOutbox(folder: home.outboxFolder),
            settings: try SlackSettings(environment: ProcessInfo.processInfo.environment),
            logger: logger
        )
        let engine = PipelineEngine(
            ports: EnginePorts(
                registry: registry,
                servers: [models],
                runtime: Runtime.onnx(),
                probe: CommandModelProbe(
                    commands: commands,
                    program: [Runtime.executable.path, "model", "probe", "--output", "json"],
                    environment: ProcessInfo.processInfo.environment.merging(
                        Runtime.libraryPath.map { ["SLIPWAY_ONNXRUNTIME": $0] } ?? [:]
                    ) { _, path in path }
                ),
                repository: repository,
                sync: reconciler,
                observer: gateway,
                notifier: notifier,
                proofs: proofs,
                store: try SQLiteRunStore(file: home.runsDatabase),
                commands: commands,
                origins: HomeOrigins(root: settings.root, repository: repository, connections: connections)
            ),
            settings: EngineSettings(
                environment: settings.environment,
                runsFolder: home.runsFolder,
                trackingAddress: trackingURL,
                processEnvironment: Self.projectEnvironment
            ),
            logger: logger
        )
        holds.set(engine)
        let featureStore = FeatureStoreService(
            home: home, repository: repository, connections: connections, address: features, logger: logger
        )
        let recovered = try await engine.recover()
        if !recovered.isEmpty { logger.notice("runs taken up again", metadata: ["runs": .string("\(recovered)")]) }

        let backend = PlatformBackend(environment: settings.environment, engine: engine, reconciler: reconciler, repository: repository)
        let console = ConsoleRoutes(backend: backend, token: token, metrics: PlatformMetrics(reconciler: reconciler, notifier: notifier, engine: engine).page)
            .server(host: settings.host, port: settings.ports.console, logger: logger)

        var configuration = ServiceGroupConfiguration(
            services: [
                .init(service: reconciler), .init(service: listener), .init(service: grpc), .init(service: gateway), .init(service: notifier),
                .init(service: engine), .init(service: console), .init(service: featureStore),
            ],
            gracefulShutdownSignals: [.sigterm, .sigint],
            logger: logger
        )
        configuration.maximumGracefulShutdownDuration = .seconds(EngineProcess.shutdownSecondsMax)
        let group = ServiceGroup(configuration: configuration)
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask { try await group.run() }
            tasks.addTask {
                let endpoints = Endpoints(
                    tracking: trackingURL,
                    modelServer: "http://\(settings.host):\(try await inference.api.boundPort())",
                    modelServerGRPC: "\(settings.host):\(try await inference.grpc.boundPort())",
                    metrics: "http://\(settings.host):\(try await inference.metrics.boundPort())/metrics",
                    gateway: "http://\(settings.host):\(try await listener.boundPort())",
                    gatewayGRPC: "\(settings.host):\(try await grpc.boundPort())",
                    console: "http://\(settings.host):\(try await console.boundPort())",
                    pid: ProcessInfo.processInfo.processIdentifier
                )
                await reconciler.pass()
                await backend.set(endpoints)
                try home.publish(endpoints)
                try onReady(endpoints, (ContinuousClock.now - started).seconds)
            }
            try await tasks.waitForAll()
        }
    }
}

/// Other environments of the same machine, found through their homes.
struct HomeOrigins: PromotionOrigins {
    let root: URL
    let repository: any ReleaseRepository
    let connections: HTTPConnections

    func origin(_ environment: EnvironmentName) async throws -> PromotionOrigin {
        let endpoints = try EnvironmentHome(root: root.path, environment: environment).endpoints()
        guard let tracking = endpoints.tracking else {
            throw PlatformError(.unavailable, "environment '\(environment)' has no tracking server")
        }
        return PromotionOrigin(registry: MLflowRegistry(url: tracking, connections: connections), repository: repository)
    }
}
