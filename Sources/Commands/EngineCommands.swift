import ArgumentParser
import Foundation
import Logging
import ServiceLifecycle
import SlipwayCore
import SlipwayGRPC
import SlipwayHTTP
import SlipwayInferenceServer
import SlipwayModelBucket
import SlipwayS3
import SlipwayTracking
import SlipwayTrackingServer
import SlipwayTrackingSQLite
import UnixSignals

struct ServeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve",
        abstract: "The model server alone: Open Inference Protocol v2 over HTTP and gRPC, explicit model control.",
        discussion: """
            The repository has Triton's layout, <model>/<version>/model.onnx. Nothing is loaded at start but
            what --load-model names; '*' loads everything.

              slipway serve --model-repository models --load-model '*'
              curl -X POST localhost:8000/v2/repository/models/tumor/load

            The repository may be in a bucket of any S3; AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and
            AWS_ENDPOINT_URL say who and where. A load then brings the model to <home>/models first:

              slipway serve --model-repository s3://models/dev --load-model '*'
            """
    )

    @Option(help: "Address to listen on.") var host: String = "127.0.0.1"
    @Option(help: "0 picks a free port.") var httpPort: Int = 8000
    @Option(help: "Without it: one above the HTTP port. 0 picks a free port.") var grpcPort: Int?
    @Option(help: "0 picks a free port.") var metricsPort: Int = 8002
    @Option(help: ArgumentHelp("Models, in Triton's layout: a folder, or s3://bucket/prefix.", valueName: "folder or url")) var modelRepository: String = "models"
    @Option(help: ArgumentHelp("A model to load at start; may be repeated.", valueName: "name")) var loadModel: [String] = []
    @Option(help: ArgumentHelp("Resident memory in MiB over which no further model is loaded; what could be unloaded is said.", valueName: "MiB"))
    var memoryMaxMb: Int?
    @Option(help: ArgumentHelp("Where the chosen ports are written.", valueName: "folder")) var home: String = ".slipway/serve"
    @OptionGroup var pyfunc: PyfuncOptions
    @OptionGroup var logs: LogOptions

    /// - Throws: `invalid_argument` for a limit under which nothing could be loaded.
    private func memoryBytesMax() throws(PlatformError) -> Int? {
        guard let memoryMaxMb else { return nil }
        guard memoryMaxMb > 0, memoryMaxMb <= Int.max >> 20 else {
            throw PlatformError(.invalidArgument, "'--memory-max-mb' is \(memoryMaxMb)", remedy: "give it in MiB, such as 2048")
        }
        return memoryMaxMb << 20
    }

    func run() async throws {
        try requireLoopback(host)
        guard S3Place.isOne(modelRepository) else { return try await serve(ModelRepository(folder: URL(filePath: modelRepository))) }
        let environment = ProcessInfo.processInfo.environment
        let place = try S3Place(modelRepository, environment: environment)
        let client = S3Client(place.bucket, credentials: try S3Credentials.find(environment: environment))
        do {
            let source = BucketModelSource(client: client, prefix: place.prefix)
            // Said now rather than at the first load.
            _ = try await source.models()
            try await serve(ModelRepository(folder: URL(filePath: home).appending(path: "models"), source: source))
        } catch {
            // The first error is the one to tell.
            try? await client.close()
            throw error
        }
        try await client.close()
    }

    private func serve(_ repository: ModelRepository) async throws {
        let logger = try logs.logger("slipway.serve")
        let models = EmbeddedModelServer(
            repository: repository,
            runtime: Runtime.onnx(),
            backends: [PyfuncOptions.backend(python: pyfunc.python, logger: logger)],
            memoryBytesMax: try memoryBytesMax()
        )
        try await models.loadAtStart(loadModel)
        let ports = InferenceEngine.Ports(http: httpPort, grpc: grpcPort ?? portAbove(httpPort), metrics: metricsPort)
        let servers = InferenceEngine.servers(models, host: host, ports: ports, isReady: nil, logger: logger)
        try await EngineProcess.run(
            [("modelServer", servers.api), ("grpc", servers.grpc), ("metrics", servers.metrics)],
            home: URL(filePath: home),
            logger: logger
        ) {
            models.startDraining()
        }
        await models.stop()
    }
}

enum TrackingEngine {
    /// - Parameters:
    ///   - reconcilerSecret: What shows that a caller is the reconciler; `nil` where there is none.
    ///   - protected: The aliases that only the reconciler moves.
    ///   - artifacts: Where artifacts are; `nil`: in the folder.
    /// - Throws: `failed_precondition` when another server, or a restore, uses the folder.
    static func server(
        folder: URL,
        host: String,
        port: Int,
        reconcilerSecret: String? = nil,
        protected: @escaping @Sendable () -> ProtectedAliases = { .none },
        artifacts: (any ArtifactStore)? = nil,
        access: AccessPolicy = .loopback,
        tls: ServerTLS? = nil,
        logger: Logger
    ) throws -> HTTPServer {
        let home = TrackingHome(folder: folder)
        let store = try SQLiteTrackingStore(path: home.database.path, protected: protected, lock: try home.lock())
        let artifacts = try artifacts ?? FileArtifactStore(root: home.artifacts)
        return TrackingRoutes(store: store, artifacts: artifacts, reconcilerSecret: reconcilerSecret, access: access, logger: logger)
            .server(host: host, port: port, tls: tls, logger: logger)
    }
}

enum InferenceEngine {
    static func servers(
        _ models: EmbeddedModelServer,
        host: String,
        ports: Ports,
        isReady: (@Sendable () -> Bool)?,
        logger: Logger
    ) -> (api: HTTPServer, grpc: GRPCServer, metrics: HTTPServer) {
        let administration = ModelAdministration(server: models, isReady: isReady)
        return (
            InferenceRoutes(administration).server(host: host, port: ports.http, logger: logger),
            InferenceGRPC(administration).server(host: host, port: ports.grpc, logger: logger),
            InferenceMetrics(server: models).server(host: host, port: ports.metrics, logger: logger)
        )
    }

    /// 0 picks a free one.
    struct Ports {
        let http: Int
        let grpc: Int
        let metrics: Int
    }
}

/// One engine as a process: listeners, their ports on stdout and in a file, a stop that drains.
enum EngineProcess {
    static let shutdownSecondsMax = 20

    static func run(
        _ servers: [(name: String, server: any Listener)],
        home: URL,
        also services: [any Service] = [],
        logger: Logger,
        onStop: @escaping @Sendable () -> Void = {}
    ) async throws {
        var configuration = ServiceGroupConfiguration(
            services: servers.map { .init(service: $0.server) } + services.map { .init(service: $0) } + [.init(service: StopWatch(onStop: onStop))],
            gracefulShutdownSignals: [.sigterm, .sigint],
            logger: logger
        )
        configuration.maximumGracefulShutdownDuration = .seconds(shutdownSecondsMax)
        let group = ServiceGroup(configuration: configuration)
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask { try await group.run() }
            tasks.addTask {
                var ports: [String: JSONValue] = [:]
                for (name, server) in servers { ports[name] = .int(Int64(try await server.boundPort())) }
                let text = JSONValue.object(ports).canonicalText
                try FileManager.default.createDirectory(at: home, withIntermediateDirectories: true)
                try Data(text.utf8).write(to: home.appending(path: "ports.json"), options: .atomic)
                Talk.data(text)
            }
            try await tasks.waitForAll()
        }
    }
}

/// What listens on a port of its own.
protocol Listener: Service {
    func boundPort() async throws -> Int
}

extension HTTPServer: Listener {}
extension GRPCServer: Listener {}

/// Calls back when a graceful shutdown begins, before the services in front of it stop.
private struct StopWatch: Service {
    let onStop: @Sendable () -> Void

    func run() async throws {
        try? await gracefulShutdown()
        onStop()
    }
}
