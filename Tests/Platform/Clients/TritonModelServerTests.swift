import Foundation
import HTTPTypes
import Hummingbird
import Logging
import NIOHTTP1
import SlipwayCore
import SlipwayHTTP
import SlipwayInference
import SlipwayInferenceServer
import SlipwayONNXRuntime
import SlipwayTesting
import Synchronization
import Testing

@testable import SlipwayClients

@Suite("Triton client", .timeLimit(.minutes(2)))
struct TritonModelServerTests {
    @Test(
        "Names there stand for versions here, and only those of ours",
        arguments: [("tumor-v3", "tumor", 3), ("my-v2-v11", "my-v2", 11), ("a.b_c-v1", "a.b_c", 1)]
    )
    func names(name: String, model: String, version: Int) throws {
        let parsed = try #require(TritonModelServer.parse(name))
        #expect(parsed.0.text == model && parsed.1.number == version)
        #expect(TritonModelServer.name(parsed.1, parsed.0) == name)
    }

    @Test("Models that others loaded are left alone", arguments: ["tumor", "-v1", "tumor-v0", "tumor-v01", "tumor-v", "tumor-vx", "a b-v1"])
    func foreign(name: String) {
        #expect(TritonModelServer.parse(name) == nil)
    }

    @Test("A load sends configuration and file in one body, once; a version that is ready is not loaded again")
    func load() async throws {
        try await withScratchFolder { folder in
            let graph = folder.appending(path: "g").path
            let bytes = (0..<1_000_001).map { UInt8(truncatingIfNeeded: $0) }
            try Data(bytes).write(to: URL(filePath: graph))
            let triton = FakeTriton()
            try await withTriton(triton) { server in
                for _ in 0..<2 { try await server.load(try ModelVersion(3), of: try ModelName("tumor"), files: ["model.onnx": graph]) }
                #expect(try await server.index().map(\.version.number) == [3])
                #expect(try await server.index().allSatisfy { $0.state == .ready && $0.model.text == "tumor" })
            }
            let loads = triton.peer.requests.filter { $0.target.hasSuffix("/load") }
            #expect(loads.map(\.target) == ["/v2/repository/models/tumor-v3/load"])
            let parameters = try JSONValue(parsing: loads.first?.body ?? "")["parameters"]
            #expect(parameters?["file:1/model.onnx"]?.stringValue.flatMap { Data(base64Encoded: $0) } == Data(bytes))
            let config = try JSONValue(parsing: parameters?["config"]?.stringValue ?? "")
            #expect(config["backend"] == "onnxruntime" && config["name"] == "tumor-v3")
        }
    }

    @Test("A load that fails says why and may be tried again; a version without a graph is refused at once")
    func loadFails() async throws {
        try await withScratchFolder { folder in
            let graph = folder.appending(path: "g").path
            try Data([1]).write(to: URL(filePath: graph))
            let triton = FakeTriton(loadFailure: "failed to load 'tumor-v3', failed to poll: no model")
            try await withTriton(triton) { server in
                for _ in 0..<2 {
                    let error = await #expect(throws: PlatformError.self) {
                        try await server.load(try ModelVersion(3), of: try ModelName("tumor"), files: ["model.onnx": graph])
                    }
                    #expect(error?.code == .invalidArgument)
                    #expect(error?.message.contains("failed to load") == true)
                }
                let none = await #expect(throws: PlatformError.self) {
                    try await server.load(try ModelVersion(3), of: try ModelName("tumor"), files: ["other": graph])
                }
                #expect(none?.code == .invalidArgument)
            }
        }
    }

    @Test("An unload waits until the version is gone; not loaded is fine; one that never goes is given up")
    func unload() async throws {
        let triton = FakeTriton()
        triton.set("tumor-v3", "READY")
        triton.unloadingRounds(3)
        try await withTriton(triton) { server in
            let (model, version) = (try ModelName("tumor"), try ModelVersion(3))
            try await server.unload(version, of: model)
            #expect(try await server.index().allSatisfy { $0.state == .unavailable })
            try await server.unload(version, of: model)
            try await server.unload(try ModelVersion(9), of: model)
            #expect(triton.peer.requests.filter { $0.target.hasSuffix("/unload") }.count == 1)
            triton.set("tumor-v3", "READY")
            triton.unloadingRounds(.max)
            let error = await #expect(throws: PlatformError.self) { try await server.unload(version, of: model) }
            #expect(error?.code == .unavailable)
        }
    }

    @Test("An answer for another model is corrupt, never passed on")
    func wrongModel() async throws {
        let peer = FakePeer { _ in json(#"{"model_name":"other-v1","model_version":"1","outputs":[]}"#) }
        try await withServer(peer.router) { url in
            try await withConnections { connections in
                let server = TritonModelServer(url: url, connections: connections)
                let error = await #expect(throws: PlatformError.self) {
                    try await server.infer(InferenceRequest(model: "m", inputs: [tensor([1])]), version: try ModelVersion(1), of: try ModelName("m"))
                }
                #expect(error?.code == .corrupt)
            }
        }
    }

    @Test("Where real engines are asked for, there is a Triton, and it says its version")
    func engine() async throws {
        guard ProcessInfo.processInfo.environment["SLIPWAY_ENGINES"] == "1" else { return }
        let address = try #require(Self.realAddress, "SLIPWAY_ENGINES is set and SLIPWAY_TRITON is not: run 'make test-engines'")
        try await withConnections { connections in
            let answer = try await Peer("http://\(address)", name: "Triton", connections: connections).call(PeerRequest(.GET, "/v2"))
            let metadata = try JSONValue(parsing: answer.body)
            #expect(metadata["name"] == "triton" && metadata["version"]?.stringValue?.isEmpty == false, "\(metadata)")
        }
    }

    /// `host:port` of a real Triton, as ops/with-triton.sh starts it.
    private static let realAddress = ProcessInfo.processInfo.environment["SLIPWAY_TRITON"]

    @Test("Against a real Triton: load beside, infer exactly that version, unload", .enabled(if: realAddress != nil, "make test-engines has one"))
    func real() async throws {
        let address = try #require(Self.realAddress)
        try await withConnections { connections in
            try await exercise(TritonModelServer(url: "http://\(address)", connections: connections))
        }
    }

    @Test("Against our own model server: load beside, infer exactly that version, unload", .enabled(if: runtimeLibrary != nil, "no ONNX Runtime; make sets it up"))
    func embedded() async throws {
        try await withScratchFolder { folder in
            let models = EmbeddedModelServer(
                repository: ModelRepository(folder: folder.appending(path: "models")),
                runtime: ONNXRuntime(libraryPath: runtimeLibrary)
            )
            let api = InferenceRoutes(server: models, isReady: nil).server(host: "127.0.0.1", port: 0, logger: silent)
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { try await api.run() }
                defer { group.cancelAll() }
                let url = "http://127.0.0.1:\(try await api.boundPort())"
                try await withConnections { connections in try await exercise(TritonModelServer(url: url, connections: connections)) }
            }
            await models.stop()
        }
    }

    private func exercise(_ server: TritonModelServer) async throws {
        let model = try ModelName("affine")
        let (one, two) = (try ModelVersion(1), try ModelVersion(2))
        func load(_ version: ModelVersion, _ file: URL) async throws {
            try await server.load(version, of: model, files: ["model.onnx": file.path])
        }
        let folder = packageRoot.appending(path: "Tests/Inference/Models")
        try await load(one, folder.appending(path: "affine3.onnx"))
        try await load(two, folder.appending(path: "affine.onnx"))
        #expect(Set(try await server.index().filter { $0.state == .ready }.map(\.version)) == [one, two])
        for (version, factor) in [(one, Float(3)), (two, 2)] {
            let request = InferenceRequest(model: "affine", inputs: [tensor([1, 2, -0.5])])
            let response = try await server.infer(request, version: version, of: model)
            #expect(response.version == version && response.model == "affine")
            #expect(values(response.outputs.first) == [1 * factor + 1, 2 * factor + 1, -0.5 * factor + 1])
        }
        let bad = await #expect(throws: PlatformError.self) {
            try await load(try ModelVersion(3), packageRoot.appending(path: "Package.swift"))
        }
        #expect(bad?.code == .invalidArgument)
        #expect(Set(try await server.index().filter { $0.state == .ready }.map(\.version)) == [one, two], "a failed load disturbs no neighbour")
        try await server.unload(one, of: model)
        #expect(try await server.index().filter { $0.state == .ready }.map(\.version) == [two])
        let gone = await #expect(throws: PlatformError.self) {
            try await server.infer(InferenceRequest(model: "affine", inputs: [tensor([1, 2, 3])]), version: one, of: model)
        }
        #expect(gone != nil)
    }
}

private func tensor(_ values: [Float]) -> Tensor {
    let bytes = TensorBytes(count: values.count * 4)
    values.withUnsafeBytes { bytes.pointer.copyMemory(from: $0.baseAddress ?? UnsafeRawPointer(bytes.pointer), byteCount: $0.count) }
    return Tensor(name: "x", type: .fp32, shape: [1, values.count], storage: .fixed(bytes))
}

private func values(_ tensor: Tensor?) -> [Float] {
    guard case .fixed(let bytes)? = tensor?.storage else { return [] }
    return stride(from: 0, to: bytes.count, by: 4).map { bytes.bytes.loadUnaligned(fromByteOffset: $0, as: Float.self) }
}

private let runtimeLibrary = ONNXRuntime.locateLibrary(folders: [packageRoot])

private func withTriton(_ triton: FakeTriton, _ body: (TritonModelServer) async throws -> Void) async throws {
    try await withServer(triton.peer.router) { url in
        try await withConnections { connections in
            let calls = TritonModelServer(url: url, connections: connections, clock: PatientClock())
            try await body(calls)
        }
    }
}

/// A clock whose short sleeps, between two looks, end at once; long ones, the deadlines, are real.
struct PatientClock: Clock {
    typealias Instant = ContinuousClock.Instant

    var now: Instant { ContinuousClock().now }
    var minimumResolution: Duration { .zero }

    func sleep(until deadline: Instant, tolerance: Duration?) async throws {
        guard deadline - now > .seconds(1) else { return await Task.yield() }
        try await ContinuousClock().sleep(until: deadline, tolerance: tolerance)
    }
}

/// A model server with Triton's repository extension, in memory. As in Triton, ready models whose files came with a
/// load are in its statistics and not in its index.
private struct FakeTriton {
    private let state = TritonState()
    let peer: FakePeer

    init(loadFailure: String? = nil) {
        peer = FakePeer { [state] seen in
            let parts = seen.target.split(separator: "/")
            if seen.target == "/v2/repository/index" { return Response(json: state.index()) }
            if seen.target == "/v2/models/stats" { return Response(json: ["model_stats": state.statistics()]) }
            if seen.target.hasSuffix("/ready") { return Response(status: state.isReady(String(parts[2])) ? .ok : .badRequest) }
            if seen.target.hasSuffix("/load") {
                if let loadFailure { return Response(json: ["error": .string(loadFailure)], status: .badRequest) }
                state.set(String(parts[3]), "READY")
            } else {
                state.set(String(parts[3]), "UNLOADING")
            }
            return Response(status: .ok)
        }
    }

    func set(_ name: String, _ value: String) { state.set(name, value) }
    func unloadingRounds(_ rounds: Int) { state.unloadingRounds(rounds) }
}

private final class TritonState: Sendable {
    private struct Values {
        var models: [String: String] = [:]
        var unloadingRounds = 0
    }

    private let values = Mutex(Values())

    func set(_ name: String, _ value: String) { values.withLock { $0.models[name] = value } }
    /// How often the index still says UNLOADING.
    func unloadingRounds(_ rounds: Int) { values.withLock { $0.unloadingRounds = rounds } }
    func statistics() -> JSONValue {
        .array(values.withLock { $0.models.filter { $0.value == "READY" }.keys.sorted().map { ["name": .string($0), "version": "1"] } })
    }
    func isReady(_ name: String) -> Bool { values.withLock { $0.models[name] == "READY" } }

    func index() -> JSONValue {
        values.withLock { values in
            for (name, state) in values.models where state == "UNLOADING" {
                values.unloadingRounds -= values.unloadingRounds == .max ? 0 : 1
                if values.unloadingRounds <= 0 { values.models[name] = "UNAVAILABLE" }
            }
            let entries = values.models.filter { $0.value != "READY" }.sorted { $0.key < $1.key }.map { name, state -> JSONValue in
                ["name": .string(name), "version": "1", "state": .string(state), "reason": "unloaded"]
            }
            return .array(entries + [["name": "never-loaded"]])
        }
    }
}
