import Foundation
import SlipwayCore
import SlipwayStorage

/// Our servers of a benchmark: a whole platform, and the engines alone.
struct Servers {
    private static let readySecondsMax = 120.0

    struct Running {
        let url: String
        let child: Child
        /// The port of its gRPC listener, if it has one.
        var grpcPort: Int?
    }

    let platform: PlatformUnderTest
    let home: URL
    let modelServer: String
    let serve: Child
    let grpcPort: Int?

    /// - Parameter models: What `Benchmarks/models.py` made.
    init(platform: PlatformUnderTest, home: URL, models: URL) throws {
        self.platform = platform
        self.home = home
        let running = try Self.startServe(home: home.appending(path: "serve-home"), repository: models.appending(path: "onnx"))
        modelServer = running.url
        serve = running.child
        grpcPort = running.grpcPort
    }

    var gateway: String { platform.endpoints.gateway ?? "" }
    var platformModelServer: String { platform.endpoints.modelServer ?? "" }

    /// `slipway serve`, ready with all models of a repository.
    static func startServe(home: URL, repository: URL) throws -> Running {
        let ports = ["http", "grpc", "metrics"].flatMap { ["--\($0)-port", "0"] }
        return try start(["serve", "--model-repository", repository.path, "--load-model", "*", "--home", home.path] + ports, home: home, port: "modelServer")
    }

    /// `slipway gateway` in front of ``modelServer``, with the platform's releases.
    func upstreamGateway() throws -> Running {
        let folder = home.appending(path: "gateway-home")
        let arguments = ["gateway", "--upstream", modelServer, "--repository", home.appending(path: "release.git").path, "--env", "dev", "--home", folder.path, "--port", "0"]
        let gateway = try Self.start(arguments, home: folder.appending(path: "dev"), port: "gateway")
        let began = Date()
        while true {
            let socket = try HTTPSocket(url: gateway.url)
            if try socket.send("GET", "/ready").status == 200 { return gateway }
            try require(Date().timeIntervalSince(began) < Self.readySecondsMax, "the gateway was not ready: \(gateway.child.text.suffix(1000))")
            Thread.sleep(forTimeInterval: 0.05)
        }
    }

    private static func start(_ arguments: [String], home: URL, port: String) throws -> Running {
        let log = FileManager.default.temporaryDirectory.appending(path: "slipway-\(UUID().uuidString).log")
        defer { try? FileManager.default.removeItem(at: log) }
        let child = try Child(PlatformUnderTest.program("slipway"), arguments, environment: PlatformUnderTest.childEnvironment, log: log)
        try child.start()
        let file = home.appending(path: "ports.json")
        let began = Date()
        while true {
            if let text = try? String(contentsOf: file, encoding: .utf8), let ports = try? JSONValue(parsing: text), let number = ports[port]?.intValue {
                return Running(url: "http://127.0.0.1:\(number)", child: child, grpcPort: ports["grpc"]?.intValue.map(Int.init))
            }
            try require(child.process.isRunning && Date().timeIntervalSince(began) < readySecondsMax, "'slipway \(arguments[0])' did not start: \(child.text.suffix(1000))")
            Thread.sleep(forTimeInterval: 0.05)
        }
    }
}
