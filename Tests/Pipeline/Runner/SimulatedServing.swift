import Foundation
import SlipwayCore
import SlipwayInference
import SlipwayPipeline
import SlipwayRelease
import Synchronization

/// A graph for tests: a text whose first word says what class 1's score is for the first feature.
struct SimulatedSession: ModelSession {
    let kind: String
    var signature: ModelSignature {
        ModelSignature(
            inputs: [TensorSpec(name: "X", type: .fp32, shape: [-1, 1])],
            outputs: [TensorSpec(name: "p", type: .fp32, shape: [-1, 2])]
        )
    }

    func run(inputs: [Tensor], outputs: [String]) throws -> [Tensor] {
        guard let input = inputs.first, case .fixed(let bytes) = input.storage else { return [] }
        let rows = input.shape[0]
        let answer = TensorBytes(count: rows * 8)
        for row in 0..<rows {
            let feature = bytes.pointer.loadUnaligned(fromByteOffset: row * 4, as: Float.self)
            let score: Float =
                kind == "bad"
                ? 1 - feature
                : (kind == "weak" ? 0.5 + (feature - 0.5) * 0.2 - (feature > 0.8 ? 0.3 : 0) : feature)
            answer.pointer.storeBytes(of: 1 - score, toByteOffset: row * 8, as: Float.self)
            answer.pointer.storeBytes(of: score, toByteOffset: row * 8 + 4, as: Float.self)
        }
        return [Tensor(name: "p", type: .fp32, shape: [rows, 2], storage: .fixed(answer))]
    }
}

struct SimulatedRuntime: ModelRuntime {
    func open(file: String, options: SessionOptions) throws -> any ModelSession {
        let text = String(decoding: try Data(contentsOf: URL(filePath: file)), as: UTF8.self)
        guard text.hasPrefix("graph ") else {
            throw PlatformError(.invalidArgument, "the file is no ONNX model")
        }
        return SimulatedSession(kind: text.split(separator: " ").dropFirst().first.map(String.init) ?? "")
    }
}

struct SimulatedProbe: ModelProbe {
    func probe(file: String, timeout: Duration) async throws -> ModelProbeReport {
        let session = try SimulatedRuntime().open(file: file)
        return ModelProbeReport(
            inputs: session.signature.inputs.map(\.name),
            outputs: session.signature.outputs.map(\.name)
        )
    }
}

/// One replica. Forgets what is loaded when the platform restarts.
final class SimulatedServer: ModelServer {
    let address: String
    let loaded = Mutex<[ModelVersion: String]>([:])
    let failure = Mutex<PlatformError?>(nil)

    init(_ address: String) { self.address = address }

    func load(_ version: ModelVersion, of model: ModelName, files: [String: String]) async throws {
        if let failure = failure.withLock({ $0 }) { throw failure }
        guard let file = files["model.onnx"] else { throw PlatformError(.invalidArgument, "no model.onnx") }
        let text = String(decoding: try Data(contentsOf: URL(filePath: file)), as: UTF8.self)
        loaded.withLock { $0[version] = text }
    }

    func unload(_ version: ModelVersion, of model: ModelName) async throws {
        loaded.withLock { $0[version] = nil }
    }

    func index() async throws -> [ServedVersion] {
        let model = try ModelName("tumor")
        return loaded.withLock { $0.keys.map { ServedVersion(model: model, version: $0, state: .ready) } }
    }

    func infer(
        _ request: InferenceRequest,
        version: ModelVersion,
        of model: ModelName
    ) async throws -> InferenceResponse {
        guard let text = loaded.withLock({ $0[version] }) else {
            throw PlatformError(.notFound, "version \(version) is not loaded")
        }
        // A graph that is good in the gates and wrong in service.
        let kind =
            text.contains("twisted")
            ? "bad" : text.split(separator: " ").dropFirst().first.map(String.init) ?? ""
        let outputs = try SimulatedSession(kind: kind).run(inputs: request.inputs, outputs: [])
        return InferenceResponse(model: model.text, version: version, outputs: outputs)
    }
}

/// The reconciler: what Git says serves, if it can be loaded.
final class SimulatedSync: ReleaseSync {
    struct State {
        var served: [CommitID] = []
        var failures: [Int: PlatformError] = [:]
        var calls = 0
    }

    let state = Mutex(State())
    private let repository: SimulatedRepository
    private let servers: [SimulatedServer]

    init(repository: SimulatedRepository, servers: [SimulatedServer]) {
        self.repository = repository
        self.servers = servers
    }

    func sync(_ model: ModelName, at commit: CommitID, deadline: Duration) async throws -> SyncReport {
        try state.withLock { state in
            state.calls += 1
            if let failure = state.failures[state.calls] { throw failure }
            state.served.append(commit)
        }
        let text = try await repository.file("envs/dev/models/\(model).yaml", at: commit)
        let required =
            try text.map { try ReleaseFile.parse($0, path: SimulatedWorld.release).requiredVersions } ?? []
        var ready: [String: [ModelVersion]] = [:]
        for server in servers {
            for version in required { server.loaded.withLock { $0[version] = $0[version] ?? "graph good" } }
            ready[server.address] = server.loaded.withLock { $0.keys.sorted() }
        }
        return SyncReport(
            commit: commit,
            gatewayGenerations: ["gateway": state.withLock { $0.calls }],
            readyVersions: ready
        )
    }
}

/// Traffic: each poll adds requests to every version that Git gives some.
final class SimulatedTraffic: VariantCounting {
    struct State {
        var requests = 40
        var errorsOfNewest = 0
        var microsecondsOfNewest = 1_000
        var counters: [ModelVersion: VariantCounters] = [:]
        var onPoll: (@Sendable (Int) async -> Void)?
        var polls = 0
        /// Why windows show nothing, if they do.
        var blindness: String?
        /// For how long it is known what happened, where that is less than the time.
        var covered: Duration?
    }

    let state = Mutex(State())
    private let repository: SimulatedRepository

    init(repository: SimulatedRepository) { self.repository = repository }

    func watch(_ model: ModelName, versions: Set<ModelVersion>) async throws -> any VariantWindow {
        Window(
            traffic: self,
            counters: CounterWindow(counting: self, model: model, versions: versions, base: try await counters(of: model))
        )
    }

    private struct Window: VariantWindow {
        let traffic: SimulatedTraffic
        let counters: CounterWindow

        func reading() async throws -> WindowReading {
            let reading = try await counters.reading()
            let (blindness, covered) = traffic.state.withLock { ($0.blindness, $0.covered) }
            if let blindness { return .blind(blindness) }
            guard let covered, case .counted(let seen, _) = reading else { return reading }
            return .counted(seen, covered: covered)
        }
    }

    func counters(of model: ModelName) async throws -> [ModelVersion: VariantCounters] {
        let text = try await repository.file("envs/dev/models/\(model).yaml", at: try await repository.head())
        let release = try text.map { try ReleaseFile.parse($0, path: SimulatedWorld.release) }
        let (hook, poll) = state.withLock { state in
            state.polls += 1
            return (state.onPoll, state.polls)
        }
        await hook?(poll)
        return state.withLock { state in
            let newest = release?.variants.map(\.version).max()
            for variant in release?.variants ?? [] where variant.weight != .zero {
                let isNewest = variant.version == newest
                var counters = state.counters[variant.version] ?? VariantCounters()
                counters.requests += state.requests
                counters.errors += isNewest ? state.errorsOfNewest : 0
                counters.latencyCounts[isNewest && state.microsecondsOfNewest > 1_000 ? 20 : 7] +=
                    state.requests
                counters.predictions["0", default: 0] += state.requests / 2
                counters.predictions["1", default: 0] += state.requests / 2
                state.counters[variant.version] = counters
            }
            return state.counters
        }
    }
}
