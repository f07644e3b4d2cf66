// swift-tools-version: 6.2
import PackageDescription

// A v2 model server on grpc-swift-2 as it comes, beside which `shakedown bench` measures ours: the same model on the
// same runtime, the same generated messages, and grpc-swift-2's own transport. Apart from the product, which has
// none of it:  swift build -c release --package-path Benchmarks/grpc-rival

let settings: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
]

let package = Package(
    name: "grpc-rival",
    platforms: [.macOS(.v15)],
    dependencies: [
        .package(url: "https://github.com/grpc/grpc-swift-2.git", exact: "2.4.3"),
        .package(url: "https://github.com/grpc/grpc-swift-nio-transport.git", exact: "2.9.2"),
        .package(url: "https://github.com/grpc/grpc-swift-protobuf.git", exact: "2.4.1"),
        .package(url: "https://github.com/apple/swift-crypto.git", exact: "4.5.2"),
        .package(url: "https://github.com/apple/swift-protobuf.git", exact: "1.39.0"),
        .package(url: "https://github.com/jpsim/Yams.git", exact: "6.2.2"),
    ],
    targets: [
        .executableTarget(
            name: "grpc-rival",
            dependencies: [
                "SlipwayInferenceMessages", "SlipwayInference", "SlipwayONNXRuntime",
                .product(name: "GRPCCore", package: "grpc-swift-2"),
                .product(name: "GRPCNIOTransportHTTP2Posix", package: "grpc-swift-nio-transport"),
                .product(name: "GRPCProtobuf", package: "grpc-swift-protobuf"),
            ]
        ),
        // The product's own, by link: what runs the model is not what is compared.
        .target(
            name: "SlipwayInferenceMessages",
            dependencies: [.product(name: "SwiftProtobuf", package: "swift-protobuf")],
            exclude: ["health.proto", "inference.proto", "model_config.proto"],
            swiftSettings: settings
        ),
        .target(
            name: "SlipwayCore",
            dependencies: [.product(name: "Crypto", package: "swift-crypto"), .product(name: "Yams", package: "Yams")],
            swiftSettings: settings
        ),
        .target(name: "SlipwayInference", dependencies: ["SlipwayCore"], swiftSettings: settings),
        .target(name: "CONNXRuntime"),
        .target(name: "SlipwayONNXRuntime", dependencies: ["SlipwayCore", "SlipwayInference", "CONNXRuntime"], swiftSettings: settings),
    ]
)
