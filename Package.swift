// swift-tools-version: 6.2
import Foundation
import PackageDescription

// The whole architecture is this table. A module may use only modules of a lower layer, never its own,
// and only the outside packages that its layer allows: an edge that breaks either rule stops the build
// right here, with a sentence.

enum Layer: Int {
    case core, domain, adapter, service, command, tool
}

struct Module {
    var name: String
    var layer: Layer
    var path: String
    var purpose: String
    var uses: [String] = []
    var outside: [Outside] = []
    /// Files in its folder that are not its source.
    var exclude: [String] = []
    /// Files of its folder that are compiled in as bytes.
    var embeds: [String] = []
    /// The unit-test target's folder under `Tests/`, if there is one.
    var tests: Tests?
}

struct Tests {
    var path: String
    var uses: [String] = []
    var outside: [Outside] = []
    var exclude: [String] = []
    var resources: [String] = []
}

enum Outside: String, CaseIterable {
    case argumentParser = "ArgumentParser"
    case asyncHTTPClient = "AsyncHTTPClient"
    case atomics = "Atomics"
    case crypto = "Crypto"
    case grdb = "GRDB"
    /// SQLite itself, as GRDB links it.
    case grdbSQLite = "GRDBSQLite"
    case httpTypes = "HTTPTypes"
    case hummingbird = "Hummingbird"
    case hummingbirdCore = "HummingbirdCore"
    case hummingbirdTLS = "HummingbirdTLS"
    case logging = "Logging"
    case nioConcurrencyHelpers = "NIOConcurrencyHelpers"
    case nioCore = "NIOCore"
    case nioEmbedded = "NIOEmbedded"
    case nioFoundationCompat = "NIOFoundationCompat"
    case nioHPACK = "NIOHPACK"
    case nioHTTP1 = "NIOHTTP1"
    case nioHTTP2 = "NIOHTTP2"
    case nioHTTPTypes = "NIOHTTPTypes"
    case nioHTTPTypesHTTP1 = "NIOHTTPTypesHTTP1"
    case nioPosix = "NIOPosix"
    case serviceLifecycle = "ServiceLifecycle"
    case subprocess = "Subprocess"
    case swiftProtobuf = "SwiftProtobuf"
    case systemPackage = "SystemPackage"
    case unixSignals = "UnixSignals"
    case yams = "Yams"

    var package: String {
        switch self {
        case .argumentParser: "swift-argument-parser"
        case .asyncHTTPClient: "async-http-client"
        case .atomics: "swift-atomics"
        case .crypto: "swift-crypto"
        case .grdb, .grdbSQLite: "GRDB.swift"
        case .httpTypes: "swift-http-types"
        case .hummingbird, .hummingbirdCore, .hummingbirdTLS: "hummingbird"
        case .logging: "swift-log"
        case .nioConcurrencyHelpers, .nioCore, .nioEmbedded, .nioFoundationCompat, .nioHTTP1, .nioPosix: "swift-nio"
        case .nioHPACK, .nioHTTP2: "swift-nio-http2"
        case .nioHTTPTypes, .nioHTTPTypesHTTP1: "swift-nio-extras"
        case .serviceLifecycle, .unixSignals: "swift-service-lifecycle"
        case .subprocess: "swift-subprocess"
        case .swiftProtobuf: "swift-protobuf"
        case .systemPackage: "swift-system"
        case .yams: "Yams"
        }
    }

    /// The only layers in which a source file may import this product.
    var allowed: [Layer] {
        switch self {
        case .argumentParser: [.command, .tool]
        case .unixSignals: [.command]
        case .crypto: [.core, .domain, .adapter]
        case .yams: [.core]
        case .grdb, .grdbSQLite, .asyncHTTPClient, .subprocess, .systemPackage: [.adapter]
        case .logging, .serviceLifecycle: [.adapter, .service, .command]
        case .atomics, .nioConcurrencyHelpers: [.adapter, .service]
        case .hummingbirdTLS, .nioHPACK, .nioHTTP2: [.adapter]
        case .swiftProtobuf: [.domain, .adapter, .service]
        case .httpTypes, .hummingbird, .hummingbirdCore, .nioCore, .nioEmbedded, .nioFoundationCompat, .nioHTTP1,
            .nioHTTPTypes, .nioHTTPTypesHTTP1, .nioPosix:
            [.adapter, .service]
        }
    }

    var product: Target.Dependency { .product(name: rawValue, package: package) }
}

let modules: [Module] = [
    Module(
        name: "SlipwayCore",
        layer: .core,
        path: "Core",
        purpose: "Errors, names, limits, digests, canonical JSON, strict YAML and time.",
        outside: [.crypto, .yams],
        tests: Tests(path: "Core")
    ),

    // What a model's life means. No clock, no socket, no file.
    Module(
        name: "SlipwayTracking",
        layer: .domain,
        path: "Tracking/Domain",
        purpose: "Experiments, runs, models, versions and aliases; the ports to where they are kept.",
        uses: ["SlipwayCore"],
        tests: Tests(path: "Tracking/Domain")
    ),
    Module(
        name: "SlipwayInference",
        layer: .domain,
        path: "Inference/Domain",
        purpose: "Tensors, the Open Inference Protocol's bodies, and the ports to runtimes and servers.",
        uses: ["SlipwayCore"],
        tests: Tests(path: "Inference/Domain", uses: ["SlipwayInferenceMessages"], outside: [.swiftProtobuf])
    ),
    Module(
        name: "SlipwayInferenceMessages",
        layer: .domain,
        path: "Inference/Messages",
        purpose: "Triton's gRPC messages and model configuration, generated from the .proto files beside them.",
        outside: [.swiftProtobuf],
        exclude: ["health.proto", "inference.proto", "model_config.proto"]
    ),
    Module(
        name: "SlipwayRouting",
        layer: .domain,
        path: "Gateway/Routing",
        purpose: "Decides which variant answers a request.",
        uses: ["SlipwayCore"],
        tests: Tests(path: "Gateway/Routing")
    ),
    Module(
        name: "SlipwayRelease",
        layer: .domain,
        path: "Release/Domain",
        purpose: "Release files, what they ask for, and the plan that makes it so.",
        uses: ["SlipwayCore"],
        tests: Tests(path: "Release/Domain")
    ),
    Module(
        name: "SlipwayApps",
        layer: .domain,
        path: "Release/Apps",
        purpose: "The Applications that the repository makes of itself, as Argo CD would see them; Optional's switch.",
        uses: ["SlipwayCore"],
        tests: Tests(path: "Release/Apps", uses: ["SlipwayProcesses"], exclude: ["Snapshots"])
    ),
    Module(
        name: "SlipwayPipeline",
        layer: .domain,
        path: "Pipeline/Domain",
        purpose: "The road of a model: its steps, gates, policy and states.",
        uses: ["SlipwayCore"],
        tests: Tests(path: "Pipeline/Domain")
    ),
    Module(
        name: "SlipwayProof",
        layer: .domain,
        path: "Proof/Domain",
        purpose: "Statements, envelopes, the chain, and offline verification.",
        uses: ["SlipwayCore"],
        outside: [.crypto],
        tests: Tests(path: "Proof/Domain", exclude: ["Snapshots"])
    ),

    Module(
        name: "SlipwayFeatures",
        layer: .domain,
        path: "Features/Domain",
        purpose: "What features a request is joined with, and which of them are stale or missing.",
        uses: ["SlipwayCore"],
        tests: Tests(path: "Features/Domain")
    ),

    // What touches the world. Decides nothing.
    Module(
        name: "SlipwayHTTP",
        layer: .adapter,
        path: "Platform/HTTP",
        purpose: "What every server shares: the listener, its fast path, error bodies, request ids, metrics pages.",
        uses: ["SlipwayCore", "CZlib"],
        outside: [
            .hummingbird, .hummingbirdCore, .hummingbirdTLS, .httpTypes, .logging, .nioCore, .nioConcurrencyHelpers, .nioHTTP1,
            .nioHTTPTypes, .nioHTTPTypesHTTP1, .nioPosix, .serviceLifecycle,
        ],
        tests: Tests(
            path: "Platform/HTTP",
            outside: [.nioCore, .nioPosix, .nioEmbedded, .nioHTTP1, .nioHTTPTypes, .nioHTTPTypesHTTP1, .httpTypes, .hummingbird, .logging]
        )
    ),
    Module(
        name: "SlipwayGRPC",
        layer: .adapter,
        path: "Platform/GRPC",
        purpose: "gRPC over HTTP/2: the listener, its framing, its statuses, and the inference protocol's messages.",
        uses: ["SlipwayCore", "SlipwayInference", "SlipwayInferenceMessages", "CZlib"],
        outside: [
            .logging, .nioCore, .nioConcurrencyHelpers, .nioHPACK, .nioHTTP1, .nioHTTP2, .nioPosix, .serviceLifecycle,
            .swiftProtobuf,
        ],
        tests: Tests(path: "Platform/GRPC", outside: [.nioCore, .nioEmbedded, .nioHPACK, .nioHTTP2])
    ),
    Module(
        name: "SlipwayClients",
        layer: .adapter,
        path: "Platform/Clients",
        purpose: "Clients of the wire protocols: MLflow's registry, a v2 model server, a gateway, the console.",
        uses: ["SlipwayCore", "SlipwayTracking", "SlipwayInference", "SlipwayRelease", "SlipwayFeatures"],
        outside: [.asyncHTTPClient, .logging, .nioCore, .nioFoundationCompat, .nioHTTP1, .nioPosix],
        tests: Tests(
            path: "Platform/Clients",
            uses: [
                "SlipwayHTTP", "SlipwayTracking", "SlipwayTrackingServer", "SlipwayTrackingSQLite", "SlipwayInference",
                "SlipwayInferenceServer", "SlipwayONNXRuntime", "SlipwayRelease", "SlipwayRouting", "SlipwayGateway", "SlipwayFeatures",
                "SlipwayPipeline",
            ],
            outside: [.hummingbird, .httpTypes, .logging, .nioCore, .nioHTTP1, .nioPosix]
        )
    ),
    Module(
        name: "SlipwayNotifications",
        layer: .adapter,
        path: "Platform/Notifications",
        purpose: "The outbox, and Slack.",
        uses: ["SlipwayCore", "SlipwayPipeline"],
        outside: [
            .asyncHTTPClient, .logging, .nioCore, .nioFoundationCompat, .nioHTTP1, .nioPosix, .serviceLifecycle,
        ],
        tests: Tests(
            path: "Platform/Notifications",
            uses: ["SlipwayHTTP", "SlipwayPipeline", "SlipwayStorage"],
            outside: [.hummingbird, .httpTypes, .logging, .nioCore, .nioPosix]
        )
    ),
    Module(
        name: "SlipwayStorage",
        layer: .adapter,
        path: "Platform/Storage",
        purpose: "Files that are whole or absent, the home folder and its lock, keys, the proof log, the run store.",
        uses: ["SlipwayCore", "SlipwayPipeline", "SlipwayProof", "SlipwayTracking"],
        outside: [.grdb],
        tests: Tests(path: "Platform/Storage", uses: ["SlipwayPipeline", "SlipwayProof", "SlipwayTracking"])
    ),
    Module(
        name: "SlipwayS3",
        layer: .adapter,
        path: "Platform/S3",
        purpose: "Objects in a bucket of any S3: signed requests, streamed bodies, uploads in parts.",
        uses: ["SlipwayCore"],
        outside: [.asyncHTTPClient, .crypto, .nioCore, .nioHTTP1, .nioPosix],
        tests: Tests(path: "Platform/S3")
    ),
    Module(
        name: "SlipwayProcesses",
        layer: .adapter,
        path: "Platform/Processes",
        purpose: "Commands as process groups: streamed, bounded, and ended as a whole; helm and kubectl.",
        uses: ["SlipwayCore", "SlipwayPipeline", "SlipwayApps"],
        outside: [.subprocess, .systemPackage],
        tests: Tests(path: "Platform/Processes", uses: ["SlipwayApps"])
    ),
    Module(
        name: "SlipwayTrackingSQLite",
        layer: .adapter,
        path: "Tracking/SQLite",
        purpose: "The tracking store on SQLite and the artifacts in a folder.",
        uses: ["SlipwayCore", "SlipwayTracking"],
        outside: [.crypto, .grdb, .grdbSQLite],
        tests: Tests(path: "Tracking/SQLite", uses: ["SlipwayTracking"], outside: [.grdb])
    ),
    Module(
        name: "SlipwayTrackingBucket",
        layer: .service,
        path: "Tracking/Bucket",
        purpose: "The artifacts in a bucket of any S3.",
        uses: ["SlipwayCore", "SlipwayTracking", "SlipwayTrackingSQLite", "SlipwayS3"],
        tests: Tests(path: "Tracking/Bucket", uses: ["SlipwayTracking", "SlipwayS3"])
    ),
    Module(
        name: "SlipwayModelBucket",
        layer: .service,
        path: "Inference/Bucket",
        purpose: "Models in a bucket of any S3.",
        uses: ["SlipwayCore", "SlipwayInference", "SlipwayS3"],
        tests: Tests(path: "Inference/Bucket", uses: ["SlipwayInference", "SlipwayInferenceServer", "SlipwayONNXRuntime", "SlipwayS3"])
    ),
    Module(
        name: "SlipwayPyfunc",
        layer: .adapter,
        path: "Inference/Pyfunc",
        purpose: "MLflow's Python models in supervised processes behind the port.",
        uses: ["SlipwayCore", "SlipwayInference"],
        embeds: ["worker.py"],
        tests: Tests(
            path: "Inference/Pyfunc",
            uses: ["SlipwayInference", "SlipwayInferenceServer", "SlipwayHTTP"],
            outside: [.hummingbird, .logging]
        )
    ),
    Module(
        name: "SlipwayONNXRuntime",
        layer: .adapter,
        path: "Inference/ONNXRuntime",
        purpose: "ONNX Runtime, opened at run time.",
        uses: ["SlipwayCore", "SlipwayInference", "CONNXRuntime"],
        tests: Tests(path: "Inference/ONNXRuntime")
    ),
    Module(
        name: "SlipwayGit",
        layer: .adapter,
        path: "Release/Git",
        purpose: "The desired state in a Git repository: read at a commit, written by compare-and-swap.",
        uses: ["SlipwayCore", "SlipwayRelease"],
        outside: [.subprocess, .systemPackage],
        tests: Tests(path: "Release/Git")
    ),

    // What runs. Each sees the others only through the domain's ports.
    Module(
        name: "SlipwayTrackingServer",
        layer: .service,
        path: "Tracking/Server",
        purpose: "The MLflow-compatible tracking and registry server.",
        uses: ["SlipwayCore", "SlipwayTracking", "SlipwayHTTP"],
        outside: [.hummingbird, .httpTypes, .logging, .nioCore, .nioPosix],
        tests: Tests(
            path: "Tracking/Server",
            uses: ["SlipwayTrackingSQLite", "SlipwayTracking", "SlipwayHTTP", "SlipwayClients"],
            outside: [.hummingbird, .httpTypes, .nioCore, .logging]
        )
    ),
    Module(
        name: "SlipwayTrackingImport",
        layer: .service,
        path: "Tracking/Import",
        purpose: "Copies another tracking server into this one, as often as it takes.",
        uses: ["SlipwayCore", "SlipwayTracking"],
        tests: Tests(
            path: "Tracking/Import",
            uses: ["SlipwayTracking", "SlipwayTrackingSQLite", "SlipwayTrackingServer", "SlipwayHTTP", "SlipwayClients"],
            outside: [.hummingbird, .httpTypes, .logging, .nioCore, .nioPosix]
        )
    ),
    Module(
        name: "SlipwayInferenceServer",
        layer: .service,
        path: "Inference/Server",
        purpose: "The model server: repository, sessions, the v2 protocol.",
        uses: ["SlipwayCore", "SlipwayInference", "SlipwayInferenceMessages", "SlipwayHTTP", "SlipwayGRPC"],
        outside: [
            .hummingbird, .httpTypes, .logging, .nioCore, .nioPosix, .nioConcurrencyHelpers, .atomics, .swiftProtobuf,
        ],
        tests: Tests(
            path: "Inference/Server",
            uses: ["SlipwayInference", "SlipwayInferenceMessages", "SlipwayONNXRuntime", "SlipwayHTTP", "SlipwayGRPC"],
            outside: [.hummingbird, .httpTypes, .nioCore, .nioPosix, .nioConcurrencyHelpers, .atomics, .logging]
        )
    ),
    Module(
        name: "SlipwayGateway",
        layer: .service,
        path: "Gateway/Server",
        purpose: "Routes each request to a variant, swaps routes, measures variants.",
        uses: [
            "SlipwayCore", "SlipwayInference", "SlipwayInferenceMessages", "SlipwayRouting", "SlipwayRelease", "SlipwayFeatures",
            "SlipwayHTTP", "SlipwayGRPC",
        ],
        outside: [
            .hummingbird, .httpTypes, .logging, .nioCore, .nioPosix, .nioHTTP1, .nioConcurrencyHelpers, .atomics,
            .serviceLifecycle,
        ],
        tests: Tests(
            path: "Gateway/Server",
            uses: ["SlipwayRouting", "SlipwayInference", "SlipwayInferenceMessages", "SlipwayRelease", "SlipwayFeatures", "SlipwayHTTP", "SlipwayGRPC"],
            outside: [.hummingbird, .httpTypes, .nioCore, .nioPosix, .nioHTTP1, .logging, .swiftProtobuf]
        )
    ),
    Module(
        name: "SlipwayReconciler",
        layer: .service,
        path: "Release/Reconciler",
        purpose: "Makes what serves equal to what Git says, again and again.",
        uses: ["SlipwayCore", "SlipwayRelease", "SlipwayTracking", "SlipwayInference", "SlipwayProof", "SlipwayHTTP", "SlipwayApps"],
        outside: [.hummingbird, .httpTypes, .logging, .serviceLifecycle],
        tests: Tests(
            path: "Release/Reconciler",
            uses: ["SlipwayRelease", "SlipwayTracking", "SlipwayInference", "SlipwayProof", "SlipwayHTTP"],
            outside: [.logging]
        )
    ),
    Module(
        name: "SlipwayPipelineRunner",
        layer: .service,
        path: "Pipeline/Runner",
        purpose: "Carries a run down the road, step by step, and back when it must.",
        uses: [
            "SlipwayCore", "SlipwayPipeline", "SlipwayTracking", "SlipwayInference", "SlipwayRelease", "SlipwayProof",
        ],
        outside: [.logging, .serviceLifecycle],
        tests: Tests(
            path: "Pipeline/Runner",
            uses: [
                "SlipwayPipeline", "SlipwayTracking", "SlipwayInference", "SlipwayRelease", "SlipwayProof",
                "SlipwayStorage", "SlipwayProcesses",
            ],
            outside: [.logging]
        )
    ),
    Module(
        name: "SlipwayConsole",
        layer: .service,
        path: "Platform/Console",
        purpose: "The control API that the command line and a browser use.",
        uses: ["SlipwayCore", "SlipwayPipeline", "SlipwayRelease", "SlipwayHTTP"],
        outside: [.hummingbird, .httpTypes, .logging, .nioCore],
        tests: Tests(
            path: "Platform/Console",
            uses: ["SlipwayPipeline", "SlipwayHTTP"],
            outside: [.hummingbird, .httpTypes, .logging, .nioCore]
        )
    ),

    Module(
        name: "SlipwayCommands",
        layer: .command,
        path: "Commands",
        purpose: "Every subcommand, as a library so that tests can call it; wires adapters into services.",
        uses: [
            "SlipwayCore", "SlipwayTracking", "SlipwayInference", "SlipwayRouting", "SlipwayRelease",
            "SlipwayPipeline", "SlipwayProof", "SlipwayHTTP", "SlipwayGRPC", "SlipwayClients", "SlipwayNotifications",
            "SlipwayStorage", "SlipwayProcesses", "SlipwayTrackingSQLite", "SlipwayONNXRuntime", "SlipwayPyfunc", "SlipwayGit",
            "SlipwayTrackingServer", "SlipwayTrackingImport", "SlipwayTrackingBucket", "SlipwayModelBucket", "SlipwayS3", "SlipwayInferenceServer", "SlipwayGateway",
            "SlipwayReconciler", "SlipwayPipelineRunner", "SlipwayConsole", "SlipwayApps", "SlipwayFeatures",
        ],
        outside: [.argumentParser, .logging, .serviceLifecycle, .unixSignals],
        tests: Tests(path: "Commands", uses: ["SlipwayTrackingImport", "SlipwayApps", "SlipwayProcesses", "SlipwayProof"], outside: [.argumentParser])
    ),
]

let settings: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
    .enableUpcomingFeature("InferIsolatedConformances"),
    .treatAllWarnings(as: .error),
]

/// Stops the build.
///
/// A plain exit, because `fatalError` would bury the sentence under a backtrace.
func refuse(_ sentence: String) -> Never {
    FileHandle.standardError.write(Data("Package.swift: \(sentence)\n".utf8))
    exit(1)
}

/// Outside this table because they are C: the few entries of ONNX Runtime's table that are used, and zlib.
let shims = ["CONNXRuntime", "CZlib"]

let layers = Dictionary(uniqueKeysWithValues: modules.map { ($0.name, $0.layer) })
for module in modules {
    for used in module.uses where !shims.contains(used) {
        guard let layer = layers[used] else {
            refuse("\(module.name) uses \(used), which is not in the table")
        }
        guard layer.rawValue < module.layer.rawValue else {
            refuse("\(module.name) (\(module.layer)) may not use \(used) (\(layer)): only lower layers")
        }
    }
    for outside in module.outside where !outside.allowed.contains(module.layer) {
        refuse("\(module.name) (\(module.layer)) may not use \(outside.rawValue)")
    }
}

// `SLIPWAY_ONLY=SlipwayGit,SlipwayStorage swift build --build-tests` builds those modules, what they use
// and their tests: an inner loop that does not wait for the rest.
let only = ProcessInfo.processInfo.environment["SLIPWAY_ONLY"].map { $0.split(separator: ",").map(String.init) }
let wanted: Set<String>
if let only {
    let table = Dictionary(uniqueKeysWithValues: modules.map { ($0.name, $0) })
    var pending = only
    var seen: Set<String> = []
    while let name = pending.popLast() {
        guard let module = table[name] else {
            guard shims.contains(name) else { refuse("SLIPWAY_ONLY names '\(name)', which is not in the table") }
            continue
        }
        guard seen.insert(name).inserted else { continue }
        pending += module.uses
        if only.contains(name) { pending += module.tests?.uses ?? [] }
    }
    wanted = seen
} else {
    wanted = Set(modules.map(\.name))
}
let built = modules.filter { wanted.contains($0.name) }
let tested = built.filter { only?.contains($0.name) ?? true }

func testName(_ module: Module) -> String { "\(module.name)Tests" }

var targets: [Target] = built.map { module in
    .target(
        name: module.name,
        dependencies: module.uses.map { .init(stringLiteral: $0) } + module.outside.map(\.product),
        path: "Sources/\(module.path)",
        exclude: module.exclude,
        resources: module.embeds.map { .embedInCode($0) },
        swiftSettings: settings
    )
}
targets.append(.target(name: "CONNXRuntime", path: "Sources/Inference/CONNXRuntime"))
targets.append(.systemLibrary(name: "CZlib", path: "Sources/Platform/CZlib", providers: [.apt(["zlib1g-dev"])]))
targets.append(
    .target(
        name: "SlipwayTesting",
        dependencies: ["SlipwayCore"],
        path: "Sources/Testing",
        swiftSettings: settings
    )
)
for module in tested {
    guard let tests = module.tests else { continue }
    let uses = ["SlipwayCore", "SlipwayTesting", module.name].filter { $0 != "SlipwayCore" || module.name != "SlipwayCore" }
    targets.append(
        .testTarget(
            name: testName(module),
            dependencies: (uses + tests.uses.filter { !uses.contains($0) }).map { .init(stringLiteral: $0) }
                + tests.outside.map(\.product),
            path: "Tests/\(tests.path)",
            exclude: tests.exclude,
            resources: tests.resources.map { .copy($0) },
            swiftSettings: settings
        )
    )
}
// Tests of several modules together.
if only?.contains("SlipwayReconciler") ?? true {
    targets.append(
        .testTarget(
            name: "SimulationTests",
            dependencies: [
                "SlipwayCore", "SlipwayTesting", "SlipwayTracking", "SlipwayInference", "SlipwayRelease", "SlipwayReconciler",
                "SlipwayProof", "SlipwayHTTP", Outside.logging.product,
            ],
            path: "Tests/Simulation",
            swiftSettings: settings
        )
    )
}
// Every parser of outside bytes, with what must hold for any input. In the tests the kept corpus goes through
// them; `SLIPWAY_FUZZ=1`, for `make fuzz`, builds libFuzzer's loop around the same files instead.
let fuzzed = [
    "SlipwayTrackingServer", "SlipwayTrackingSQLite", "SlipwayTracking", "SlipwayInference", "SlipwayInferenceMessages",
    "SlipwayInferenceServer", "SlipwayGateway", "SlipwayHTTP", "SlipwayRelease", "SlipwayPipeline", "SlipwayProof",
]
let isFuzzing = ProcessInfo.processInfo.environment["SLIPWAY_FUZZ"] != nil
if fuzzed.allSatisfy(wanted.contains) {
    let parts: [Outside] = [.grdb, .httpTypes, .hummingbird, .nioCore, .nioEmbedded, .nioHTTP1, .nioHTTPTypes, .nioHTTPTypesHTTP1, .swiftProtobuf]
    let uses = (["SlipwayCore", "SlipwayTesting"] + fuzzed).map { Target.Dependency(stringLiteral: $0) } + parts.map(\.product)
    targets.append(
        isFuzzing
            ? .executableTarget(
                name: "slipway-fuzz",
                dependencies: uses,
                path: "Tests/Fuzz",
                exclude: ["README.md", "Replay", "corpus"],
                sources: ["Targets", "Driver"],
                swiftSettings: settings
            )
            : .testTarget(
                name: "FuzzTests",
                dependencies: uses,
                path: "Tests/Fuzz",
                exclude: ["README.md", "Driver", "corpus"],
                sources: ["Targets", "Replay"],
                swiftSettings: settings
            )
    )
}
if only == nil {
    targets.append(
        .executableTarget(
            name: "slipway",
            dependencies: ["SlipwayCommands"],
            path: "Sources/slipway",
            swiftSettings: settings
        )
    )
    // Tries the built program from outside; never shipped with it.
    targets.append(
        .executableTarget(
            name: "shakedown",
            dependencies: [
                "SlipwayCore", "SlipwayInference", "SlipwayRelease", "SlipwayPipeline", "SlipwayStorage", "SlipwayONNXRuntime",
                Outside.argumentParser.product, Outside.grdb.product, Outside.nioCore.product, Outside.nioHTTP1.product,
                Outside.nioPosix.product,
            ],
            path: "Sources/shakedown",
            swiftSettings: settings
        )
    )
    targets.append(
        .testTarget(
            name: "EndToEndTests",
            dependencies: ["slipway", "shakedown", "SlipwayCore", "SlipwayGit", "SlipwayPipeline", "SlipwayRelease", "SlipwayStorage", "SlipwayTesting"],
            path: "Tests/EndToEnd",
            swiftSettings: settings
        )
    )
}

let package = Package(
    name: "slipway",
    platforms: [.macOS(.v15)],
    products: only == nil
        ? [.executable(name: "slipway", targets: ["slipway"]), .executable(name: "shakedown", targets: ["shakedown"])] : [],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser.git", exact: "1.8.2"),
        .package(url: "https://github.com/apple/swift-atomics.git", exact: "1.3.0"),
        .package(url: "https://github.com/apple/swift-crypto.git", exact: "4.5.2"),
        .package(url: "https://github.com/apple/swift-http-types.git", exact: "1.8.0"),
        .package(url: "https://github.com/apple/swift-log.git", exact: "1.16.2"),
        .package(url: "https://github.com/apple/swift-nio.git", exact: "2.101.2"),
        .package(url: "https://github.com/apple/swift-nio-extras.git", exact: "1.35.2"),
        .package(url: "https://github.com/apple/swift-nio-http2.git", exact: "1.46.0"),
        .package(url: "https://github.com/apple/swift-protobuf.git", exact: "1.39.0"),
        .package(url: "https://github.com/apple/swift-system.git", exact: "1.8.1"),
        .package(url: "https://github.com/groue/GRDB.swift.git", exact: "7.10.0"),
        .package(url: "https://github.com/hummingbird-project/hummingbird.git", exact: "2.28.1"),
        .package(url: "https://github.com/jpsim/Yams.git", exact: "6.2.2"),
        .package(url: "https://github.com/swift-server/async-http-client.git", exact: "1.37.0"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle.git", exact: "2.13.0"),
        .package(url: "https://github.com/swiftlang/swift-subprocess.git", exact: "1.0.2"),
    ],
    targets: targets
)
