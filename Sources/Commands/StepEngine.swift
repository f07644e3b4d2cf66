import Foundation
import Logging
import SlipwayClients
import SlipwayCore
import SlipwayGit
import SlipwayNotifications
import SlipwayPipeline
import SlipwayPipelineRunner
import SlipwayProcesses
import SlipwayReconciler
import SlipwayRelease
import SlipwayStorage

/// The pipeline engine of one process that does one step, with every engine behind an address.
enum StepEngine {
    /// How long a loaded candidate is kept from the reconciler: longer than any rollout from `load` to `attach`.
    static let holdLimit = Duration.seconds(4 * 3600)

    static func make(
        _ home: EnvironmentHome,
        run: RunID,
        engines: EngineOptions,
        observe: ObserveOptions,
        connections: HTTPConnections,
        logger: Logger
    ) async throws -> PipelineEngine {
        let repository = try await engines.openRepository(home)
        var addresses = engines.engines()
        var source = try observe.source()
        if addresses.tracking == nil || addresses.modelServers.isEmpty || addresses.gateways.isEmpty || source == nil {
            let text = try await repository.file(PlatformFile.path(in: home.environment), at: try await repository.head())
            if let file = try text.map({ try PlatformFile.parse($0, environment: home.environment) }) {
                addresses = addresses.completed(by: file)
                source = source ?? file.prometheus
            }
        }
        let tracking = try addresses.requireTracking(home.environment)
        try addresses.requireReplicas(home.environment)
        let known = addresses
        let finder = ReplicaFinder(token: try home.token(), connections: connections) { known }
        let commands = ProcessGroupRunner()
        let environment = ProcessInfo.processInfo.environment
        // One of its own for each run: opening an outbox settles what another process may just be sending.
        let outbox = "\(home.runFolder(run))/outbox"
        try FileManager.default.createDirectory(atPath: outbox, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        let notifier = try await SlackNotifier.open(
            outbox: try FileOutbox(folder: outbox),
            settings: try SlackSettings(environment: environment),
            logger: logger
        )
        var settings = EngineSettings(
            environment: home.environment,
            runsFolder: home.runsFolder,
            trackingAddress: tracking,
            processEnvironment: Platform.projectEnvironment
        )
        settings.holdLimit = holdLimit
        return PipelineEngine(
            ports: EnginePorts(
                registry: MLflowRegistry(url: tracking, token: environment["MLFLOW_TRACKING_TOKEN"], connections: connections),
                servers: try await finder.find().servers,
                runtime: Runtime.onnx(),
                probe: CommandModelProbe(
                    commands: commands,
                    program: [Runtime.executable.path, "model", "probe", "--output", "json"],
                    environment: environment.merging(Runtime.libraryPath.map { ["SLIPWAY_ONNXRUNTIME": $0] } ?? [:]) { _, path in path }
                ),
                repository: repository,
                sync: ReplicaSync(environment: home.environment, repository: repository, replicas: finder.find),
                observer: ObserveOptions.observer(source, finder: finder, connections: connections),
                notifier: notifier,
                proofs: SharedProofLog(folder: home.proofsFolder, key: try home.signingKey()),
                store: FileRunStore(folder: home.runsFolder),
                commands: commands,
                origins: HomeOrigins(root: URL(filePath: home.root), repository: repository, connections: connections)
            ),
            settings: settings,
            logger: logger
        )
    }
}
