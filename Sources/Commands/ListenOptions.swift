import ArgumentParser
import Logging
import SlipwayCore

/// The ports of an environment's engines.
struct PortOptions: ParsableArguments {
    @Option(name: .long, help: "Address to listen on; anything but loopback is refused for now.")
    var host: String = "127.0.0.1"

    @Option(help: "MLflow REST. 0 picks a free port.")
    var trackingPort: Int?

    @Option(help: "Open Inference Protocol over HTTP.")
    var modelServerPort: Int?

    @Option(help: "The same over gRPC. Without it: one above the model server's port.")
    var grpcPort: Int?

    @Option(help: "The model server's Prometheus page.")
    var metricsPort: Int?

    @Option(help: "The gateway.")
    var gatewayPort: Int?

    @Option(help: "The gateway over gRPC. Without it: one above the gateway's port.")
    var gatewayGrpcPort: Int?

    @Option(help: "The console and control API.")
    var consolePort: Int?

    /// With the environment's defaults: dev as documented, prod 10,000 higher.
    func resolved(for environment: EnvironmentName) throws -> Ports {
        try requireLoopback(host)
        let base: Int
        switch environment.text {
        case "dev": base = 0
        case "prod": base = 10_000
        default:
            guard [trackingPort, modelServerPort, metricsPort, gatewayPort, consolePort].allSatisfy({ $0 != nil }) else {
                throw PlatformError(.invalidArgument, "environment '\(environment)' has no default ports", remedy: "give every --…-port; 0 picks a free one")
            }
            base = 0
        }
        let (modelServer, gateway) = (modelServerPort ?? 8000 + base, gatewayPort ?? 8080 + base)
        return Ports(
            tracking: trackingPort ?? 5000 + base,
            modelServer: modelServer,
            modelServerGRPC: grpcPort ?? portAbove(modelServer),
            metrics: metricsPort ?? 8002 + base,
            gateway: gateway,
            gatewayGRPC: gatewayGrpcPort ?? portAbove(gateway),
            console: consolePort ?? 7070 + base
        )
    }

    struct Ports {
        let tracking: Int
        let modelServer: Int
        let modelServerGRPC: Int
        let metrics: Int
        let gateway: Int
        let gatewayGRPC: Int
        let console: Int
    }
}

/// The gRPC port that goes with an HTTP port: the next one, as Triton's 8001 beside 8000, or a free one where
/// the other is free to choose.
func portAbove(_ port: Int) -> Int { port == 0 ? 0 : port + 1 }

/// Without access control, a listener that others reach would hand them everything.
func requireLoopback(_ host: String) throws(PlatformError) {
    guard isLoopback(host) else {
        throw PlatformError(
            .invalidArgument,
            "'\(host)' is not a loopback address, and this command has no access control",
            remedy: "listen on 127.0.0.1 and put an authenticating proxy in front"
        )
    }
}

func isLoopback(_ host: String) -> Bool {
    ["127.0.0.1", "::1", "localhost"].contains(host)
}

struct LogOptions: ParsableArguments {
    @Option(help: "trace, debug, info, notice, warning or error.")
    var logLevel: String = "notice"

    func logger(_ label: String) throws(PlatformError) -> Logger {
        guard let level = Logger.Level(rawValue: logLevel) else {
            throw PlatformError(.invalidArgument, "'\(logLevel)' is no log level", remedy: "use trace, debug, info, notice, warning or error")
        }
        var logger = Logger(label: label) { JSONLogHandler(label: $0) }
        logger.logLevel = level
        return logger
    }
}
