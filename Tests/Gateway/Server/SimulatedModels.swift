import NIOPosix
import SlipwayCore
import SlipwayGateway
import SlipwayInference
import Synchronization

/// A model server in memory: every version of every model takes three numbers a row and answers its own
/// version number as the label.
final class SimulatedModels: InferenceDataPlane, VersionReadiness {
    struct State {
        var ready: [ModelName: Set<ModelVersion>] = [:]
        /// Versions that answer NaN.
        var nonFinite: Set<ModelVersion> = []
        var failing: [ModelVersion: PlatformError] = [:]
        /// While true, completions wait in `held`.
        var isHolding = false
        /// Versions whose completions wait in `held`, whatever `isHolding` says.
        var holding: Set<ModelVersion> = []
        var held: [@Sendable () -> Void] = []
        /// While true, every other request is computed and completed by another thread, as a large model is.
        var isDeferring = false
        var requests = 0
        var isAnswering = true
        /// Requests that came for a version that was not ready.
        var misrouted = 0
    }

    let state = Mutex(State())
    static let signature = ModelSignature(
        inputs: [TensorSpec(name: "X", type: .fp32, shape: [-1, 3])],
        outputs: [
            TensorSpec(name: "label", type: .int64, shape: [-1]),
            TensorSpec(name: "probabilities", type: .fp32, shape: [-1, 2]),
        ]
    )

    func infer(
        _ request: InferenceRequest,
        completion: @escaping @Sendable (Result<InferenceResponse, PlatformError>) -> Void
    ) {
        let isDeferred = state.withLock { state in
            state.requests += 1
            return state.isDeferring && state.requests % 2 == 0
        }
        if isDeferred {
            NIOThreadPool.singleton.submit { _ in completion(self.compute(request)) }
            return
        }
        let answer = compute(request)
        let isHeld = state.withLock { state in
            let holds = state.isHolding || request.version.map(state.holding.contains) == true
            if holds { state.held.append { completion(answer) } }
            return holds
        }
        if !isHeld { completion(answer) }
    }

    func signature(model: String, version: ModelVersion?) throws(PlatformError) -> ModelSignature {
        let isReady = state.withLock { state in
            state.ready.contains { $0.key.text == model && version.map($0.value.contains) ?? true }
        }
        guard isReady else { throw PlatformError(.notFound, "model '\(model)' is not loaded") }
        return Self.signature
    }

    func readyVersions() async throws -> [ModelName: Set<ModelVersion>] {
        try state.withLock { state in
            guard state.isAnswering else { throw PlatformError(.unavailable, "the model server did not answer") }
            return state.ready
        }
    }

    func load(_ model: String, _ versions: Int...) throws {
        let name = try ModelName(model)
        let versions = try versions.map { try ModelVersion($0) }
        state.withLock { $0.ready[name, default: []].formUnion(versions) }
    }

    func unload(_ model: String, _ version: Int) throws {
        let name = try ModelName(model)
        let version = try ModelVersion(version)
        _ = state.withLock { $0.ready[name]?.remove(version) }
    }

    func hold() { state.withLock { $0.isHolding = true } }

    /// Lets the completions of one version wait.
    func holdOnly(_ version: Int) {
        state.withLock { state in
            if let version = try? ModelVersion(version) { state.holding.insert(version) }
        }
    }

    /// Completes what was held, and holds nothing any more.
    func release() {
        let held = state.withLock { state in
            state.isHolding = false
            state.holding = []
            defer { state.held = [] }
            return state.held
        }
        for completion in held { completion() }
    }

    private func compute(_ request: InferenceRequest) -> Result<InferenceResponse, PlatformError> {
        guard let version = request.version else {
            return .failure(PlatformError(.unexpected, "the gateway named no version"))
        }
        do throws(PlatformError) {
            try state.withLock { state throws(PlatformError) in
                if let error = state.failing[version] { throw error }
                let isReady = state.ready.contains { $0.key.text == request.model && $0.value.contains(version) }
                guard isReady else {
                    state.misrouted += 1
                    throw PlatformError(.notFound, "version \(version) is not loaded")
                }
            }
            try TensorCheck.check(request, against: Self.signature)
        } catch {
            return .failure(error)
        }
        let rows = request.inputs[0].shape[0]
        let isNonFinite = state.withLock { $0.nonFinite.contains(version) }
        let score: Float = isNonFinite ? .nan : 0.75
        let outputs = [
            tensor("label", .int64, [rows], Array(repeating: Int64(version.number), count: rows)),
            tensor("probabilities", .fp32, [rows, 2], (0..<rows).flatMap { _ in [1 - score, score] }),
        ]
        let wanted = request.outputs.isEmpty ? outputs : outputs.filter { request.outputs.contains($0.name) }
        return .success(InferenceResponse(model: request.model, version: version, id: request.id, outputs: wanted))
    }
}

func tensor<Element>(_ name: String, _ type: DataType, _ shape: [Int], _ elements: [Element]) -> Tensor {
    elements.withUnsafeBytes { source in
        let bytes = TensorBytes(count: source.count)
        UnsafeMutableRawBufferPointer(start: bytes.pointer, count: source.count).copyMemory(from: source)
        return Tensor(name: name, type: type, shape: shape, storage: .fixed(bytes))
    }
}
