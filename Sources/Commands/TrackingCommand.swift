import ArgumentParser
import Foundation
import SlipwayCore
import Logging
import SlipwayHTTP
import SlipwayS3
import SlipwayStorage
import SlipwayTracking
import SlipwayTrackingBucket
import SlipwayTrackingServer

struct TrackingCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tracking",
        abstract: "The MLflow-compatible tracking and registry server alone; its tokens and backups.",
        discussion: """
            Without a subcommand it serves:

              slipway tracking --port 5000 --home .slipway/dev/tracking
              MLFLOW_TRACKING_URI=http://127.0.0.1:5000 python train.py
            """,
        subcommands: [TrackingServe.self, TrackingToken.self, TrackingBackupCommand.self, TrackingRestoreCommand.self, TrackingImportCommand.self],
        defaultSubcommand: TrackingServe.self
    )
}

struct TrackingServe: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve",
        abstract: "Serve until a signal ends it; what 'slipway tracking' does by itself.",
        discussion: """
            On loopback everybody on this machine may do everything. On another address it serves only with
            --require-token and at least one token:

              slipway tracking token create ci --scope write --home .slipway/tracking
              slipway tracking --host 0.0.0.0 --require-token --tls-certificate server.pem --tls-key server.key
              MLFLOW_TRACKING_TOKEN=slipway_… MLFLOW_TRACKING_URI=https://host:5000 python train.py

            With --artifacts the files are in a bucket of any S3, and clients notice nothing:

              AWS_ACCESS_KEY_ID=… AWS_SECRET_ACCESS_KEY=… AWS_ENDPOINT_URL=http://minio:9000 \\
                slipway tracking --artifacts s3://mlflow/artifacts
            """
    )

    @Option(help: "Address to listen on.") var host: String = "127.0.0.1"
    @Option(help: "0 picks a free port.") var port: Int = 5000
    @Option(help: ArgumentHelp("Keep artifacts in a bucket, s3://bucket/prefix, and not in the home.", valueName: "url"))
    var artifacts: String?
    @OptionGroup var home: TrackingHomeOption
    @OptionGroup var access: TrackingAccessOptions
    @OptionGroup var logs: LogOptions

    func run() async throws {
        let policy = try access.policy(host: host, home: home.folder)
        let tls = try access.tls()
        if tls == nil, !isLoopback(host) {
            Talk.note("warning: without --tls-certificate and --tls-key tokens travel in the clear; put TLS in front")
        }
        let logger = try logs.logger("slipway.tracking")
        guard let artifacts else { return try await serve(nil, policy, tls, logger) }
        let environment = ProcessInfo.processInfo.environment
        let place = try S3Place(artifacts, environment: environment)
        let client = S3Client(place.bucket, credentials: try S3Credentials.find(environment: environment))
        do {
            let store = try BucketArtifactStore(client: client, prefix: place.prefix, folder: home.folder.appending(path: "bucket"))
            try await store.probe()
            try await serve(store, policy, tls, logger)
        } catch {
            // The first error is the one to tell.
            try? await client.close()
            throw error
        }
        try await client.close()
    }

    private func serve(_ artifacts: (any ArtifactStore)?, _ policy: AccessPolicy, _ tls: ServerTLS?, _ logger: Logger) async throws {
        let server = try TrackingEngine.server(folder: home.folder, host: host, port: port, artifacts: artifacts, access: policy, tls: tls, logger: logger)
        try await EngineProcess.run([("tracking", server)], home: home.folder, logger: logger)
    }
}

/// Which tracking home; the same for every command below `slipway tracking`.
struct TrackingHomeOption: ParsableArguments {
    @Option(help: ArgumentHelp("Database, artifacts and tokens.", valueName: "folder")) var home: String = ".slipway/tracking"

    var folder: URL { URL(filePath: home, directoryHint: .isDirectory).standardizedFileURL.absoluteURL }
}

/// Who may use a tracking server.
struct TrackingAccessOptions: ParsableArguments {
    @Flag(help: "Every call needs a token of 'slipway tracking token create'.")
    var requireToken = false

    @Option(help: ArgumentHelp("Names in the Host header to answer to besides loopback, with commas: name, name:port, *.domain or *.", valueName: "hosts"))
    var allowedHosts: String?

    @Option(help: ArgumentHelp("Speak TLS with this certificate (PEM, then those above it).", valueName: "file"))
    var tlsCertificate: String?

    @Option(help: ArgumentHelp("The certificate's private key (PEM).", valueName: "file"))
    var tlsKey: String?

    /// - Throws: `invalid_argument` for an address that others reach without tokens being required,
    ///   `failed_precondition` when they are and there is none.
    func policy(host: String, home: URL) throws(PlatformError) -> AccessPolicy {
        guard requireToken || isLoopback(host) else {
            throw PlatformError(
                .invalidArgument,
                "'\(host)' is not a loopback address: without tokens everybody who reaches it could change everything",
                remedy: "slipway tracking token create NAME --scope write --home FOLDER, then add --require-token"
            )
        }
        let names = allowedHosts?.split(separator: ",").map { $0.trimmingCharacters(in: .whitespaces) }
        // A token in each request shows more than its Host header does; who names hosts wants them checked.
        let hosts: AllowedHosts? = if let names { try AllowedHosts(names) } else { isLoopback(host) ? .loopback : nil }
        guard requireToken else { return AccessPolicy(hosts: hosts) }
        let file = AccessTokenFile(folder: home.path)
        guard try !file.current().tokens.isEmpty else {
            throw PlatformError(
                .failedPrecondition,
                "--require-token, and there is no token yet: nobody could use the server",
                remedy: "slipway tracking token create NAME --scope write --home FOLDER"
            )
        }
        return AccessPolicy(hosts: hosts, tokens: file)
    }

    func tls() throws(PlatformError) -> ServerTLS? {
        switch (tlsCertificate, tlsKey) {
        case (nil, nil): return nil
        case (let certificate?, let key?): return try ServerTLS(certificateFile: certificate, keyFile: key)
        default: throw PlatformError(.invalidArgument, "TLS needs both --tls-certificate and --tls-key")
        }
    }
}
