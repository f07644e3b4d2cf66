import Atomics
import SlipwayCore
import SlipwayInference

/// A request that waits for its run.
final class QueuedInference: BatchEntry, Sendable {
    let request: InferenceRequest
    /// Names of the outputs wanted, never empty unless the model has none.
    let outputs: [String]
    let rows: Int
    /// Nanoseconds of the monotonic clock.
    let arrived: UInt64
    let completion: @Sendable (Result<InferenceResponse, PlatformError>) -> Void
    private let isBatch: Bool

    init(
        request: InferenceRequest,
        outputs: [String],
        rows: Int,
        arrived: UInt64,
        completion: @escaping @Sendable (Result<InferenceResponse, PlatformError>) -> Void
    ) {
        self.request = request
        self.outputs = outputs
        self.rows = max(rows, 1)
        self.arrived = arrived
        self.completion = completion
        isBatch = TensorBatch.hasRows(request.inputs, rows)
    }

    var isCancelled: Bool { request.cancellation?.isCancelled ?? false }

    var client: ObjectIdentifier? { request.client }

    func joins(_ other: QueuedInference) -> Bool {
        isBatch && other.isBatch && outputs == other.outputs && TensorBatch.matches(request.inputs, other.request.inputs)
    }
}

extension InferenceRequest {
    /// The connection that it came by: what tells that its client is gone is the connection's own.
    var client: ObjectIdentifier? { cancellation.map { ObjectIdentifier($0) } }
}

/// Counters of what the scheduler did with one version's requests.
final class QueueCounters: Sendable {
    /// Turned away because too many waited.
    let refused = ManagedAtomic<Int>(0)
    /// Waited for longer than they may.
    let expired = ManagedAtomic<Int>(0)
    /// Dropped because their client was gone.
    let cancelled = ManagedAtomic<Int>(0)
    /// Runs that were repeated one request at a time, because the batch failed.
    let brokenBatches = ManagedAtomic<Int>(0)
}
