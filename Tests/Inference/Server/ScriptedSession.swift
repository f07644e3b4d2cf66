import Atomics
import Dispatch
import Foundation
import NIOConcurrencyHelpers
import SlipwayCore
import SlipwayInference
import SlipwayInferenceMessages

@testable import SlipwayInferenceServer

/// A model `y = 2x` whose runs are seen, and can be held back.
final class ScriptedSession: ModelSession {
    let signature: ModelSignature
    let isComputeOnly: Bool
    /// The input of each run.
    let runs = NIOLockedValueBox<[[Float]]>([])
    /// The values that the model refuses.
    private let refused: Set<Float>
    private let keepsRows: Bool
    /// Each held run takes one; `nil`: runs are not held.
    private let gate: DispatchSemaphore?

    init(isComputeOnly: Bool = true, isHeld: Bool = false, refused: Set<Float> = [], keepsRows: Bool = true) {
        signature = ModelSignature(
            inputs: [TensorSpec(name: "x", type: .fp32, shape: [-1, 1])],
            outputs: [TensorSpec(name: "y", type: .fp32, shape: [-1, 1])]
        )
        self.isComputeOnly = isComputeOnly
        self.refused = refused
        self.keepsRows = keepsRows
        gate = isHeld ? DispatchSemaphore(value: 0) : nil
    }

    /// Lets so many runs go on.
    func release(_ count: Int) {
        for _ in 0..<count { gate?.signal() }
    }

    func run(inputs: [Tensor], outputs: [String]) throws -> [Tensor] {
        let values = Self.floats(inputs[0])
        runs.withLockedValue { $0.append(values) }
        if let gate, gate.wait(timeout: .now() + 60) == .timedOut { throw PlatformError(.unexpected, "nobody released the run") }
        if let value = values.first(where: refused.contains) { throw PlatformError(.invalidArgument, "no \(value) here") }
        let doubled = keepsRows ? values.map { $0 * 2 } : [values.reduce(0, +) * 2]
        return [Self.tensor(doubled, name: "y")]
    }

    static func tensor(_ values: [Float], name: String = "x") -> Tensor {
        let bytes = TensorBytes(count: values.count * 4)
        values.withUnsafeBytes { if let base = $0.baseAddress { bytes.pointer.copyMemory(from: base, byteCount: $0.count) } }
        return Tensor(name: name, type: .fp32, shape: [values.count, 1], storage: .fixed(bytes))
    }

    static func floats(_ tensor: Tensor) -> [Float] {
        guard case .fixed(let bytes) = tensor.storage else { return [] }
        return Array(bytes.bytes.bindMemory(to: Float.self))
    }
}

struct NoRuntime: ModelRuntime {
    func open(file: String, options: SessionOptions) throws -> any ModelSession {
        throw PlatformError(.unexpected, "nothing is opened here")
    }
}

/// A server with one version of the model `m`, put on its table by hand.
struct SchedulerFixture {
    let server: EmbeddedModelServer
    let version: LoadedVersion
    let session: ScriptedSession

    /// So far over the limit that a few runs that are let go at once do not bring it on the caller's thread.
    static let slow = 1000 * ServingLimits.eventLoopNanosecondsMax

    init(_ session: ScriptedSession, rowNanoseconds: Int = slow, policy: (inout BatchingPolicy) -> Void = { _ in }) throws {
        var wanted = BatchingPolicy()
        policy(&wanted)
        self.session = session
        server = EmbeddedModelServer(repository: ModelRepository(folder: FileManager.default.temporaryDirectory), runtime: NoRuntime())
        let config = Self.config(wanted)
        let configuration = try VersionConfiguration(
            config, graph: session.signature, model: "m", backend: .onnx(NoRuntime()), filename: "model.onnx"
        )
        guard configuration.policy == wanted else { throw PlatformError(.unexpected, "\(wanted) cannot be configured") }
        version = LoadedVersion(
            model: "m",
            version: try ModelVersion(1),
            session: session,
            rowNanoseconds: rowNanoseconds,
            configuration: configuration,
            pools: RunPools(computeThreads: 2),
            stamp: VersionStamp(config: config, file: "")
        )
        server.table.store(ServingTable([version]), ordering: .releasing)
    }

    /// The configuration that asks for a policy.
    static func config(_ policy: BatchingPolicy) -> Inference_ModelConfig {
        var config = Inference_ModelConfig()
        config.maxBatchSize = Int32(policy.rowsMax)
        var group = Inference_ModelInstanceGroup()
        group.count = Int32(policy.instances)
        config.instanceGroup = [group]
        guard let gathering = policy.gathering else { return config }
        config.dynamicBatching.preferredBatchSize = gathering.preferredRows.map(Int32.init)
        config.dynamicBatching.maxQueueDelayMicroseconds = UInt64(gathering.delayMicroseconds)
        config.dynamicBatching.preserveOrdering = gathering.preservesOrder
        config.dynamicBatching.defaultQueuePolicy.maxQueueSize = UInt32(policy.queueMax)
        config.dynamicBatching.defaultQueuePolicy.defaultTimeoutMicroseconds = UInt64(policy.timeoutMicroseconds)
        config.dynamicBatching.defaultQueuePolicy.timeoutAction = policy.timeoutAction == .delay ? .delay : .reject
        config.dynamicBatching.defaultQueuePolicy.allowTimeoutOverride = policy.allowsTimeoutOverride
        return config
    }

    /// Asks without waiting; the answer comes through the returned box.
    func ask(_ values: [Float], _ change: (inout InferenceRequest) -> Void = { _ in }) -> PendingResult {
        var request = InferenceRequest(model: "m", inputs: [ScriptedSession.tensor(values)])
        change(&request)
        let pending = PendingResult()
        server.infer(request) { pending.set($0.map { ScriptedSession.floats($0.outputs[0]) }) }
        return pending
    }

    /// Waits until the model has been run so often.
    func waitForRuns(_ count: Int) async throws {
        for _ in 0..<60_000 {
            if session.runs.withLockedValue({ $0.count }) >= count { return }
            try await Task.sleep(for: .milliseconds(1))
        }
        throw PlatformError(.unexpected, "the model was run \(session.runs.withLockedValue { $0.count }) times, not \(count)")
    }
}

/// An answer that comes once.
final class PendingResult: Sendable {
    typealias Answer = Result<[Float], PlatformError>
    private let stream: AsyncStream<Answer>
    private let continuation: AsyncStream<Answer>.Continuation
    private let arrived = NIOLockedValueBox<[Answer]>([])

    init() {
        (stream, continuation) = AsyncStream.makeStream()
    }

    func set(_ answer: Answer) {
        arrived.withLockedValue { $0.append(answer) }
        continuation.yield(answer)
    }

    /// How often it came so far.
    var count: Int { arrived.withLockedValue { $0.count } }

    var value: [Float] {
        get async throws {
            for await answer in stream { return try answer.get() }
            throw PlatformError(.unexpected, "no answer came")
        }
    }
}
