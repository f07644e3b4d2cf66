import Atomics
import SlipwayCore

/// One version's counters at a moment, in Triton's sense. Durations in nanoseconds.
public struct VersionStatistics: Sendable, Equatable {
    public struct Duration: Sendable, Equatable {
        public var count: Int
        public var nanoseconds: Int
    }

    /// Runs of one batch size.
    public struct Batch: Sendable, Equatable {
        public let rows: Int
        public let computeInput: Duration
        public let computeInfer: Duration
        public let computeOutput: Duration
    }

    public let model: String
    public let version: String
    /// Milliseconds since 1970; 0: never.
    public let lastInference: Int64
    /// Rows answered.
    public let inferenceCount: Int
    /// Runs of the model.
    public let executionCount: Int
    public let success: Duration
    public let fail: Duration
    public let queue: Duration
    public let computeInput: Duration
    public let computeInfer: Duration
    public let computeOutput: Duration
    /// Smallest batch size first.
    public let batches: [Batch]

    init(_ loaded: LoadedVersion) {
        let counters = loaded.counters
        model = loaded.model
        version = "\(loaded.version)"
        lastInference = counters.lastInferenceMilliseconds.load(ordering: .relaxed)
        let successes = counters.successes.load(ordering: .relaxed)
        inferenceCount = counters.rows.load(ordering: .relaxed)
        executionCount = counters.executions.load(ordering: .relaxed)
        func duration(_ nanoseconds: ManagedAtomic<Int>) -> Duration {
            Duration(count: successes, nanoseconds: nanoseconds.load(ordering: .relaxed))
        }
        success = duration(counters.successNanoseconds)
        fail = Duration(count: counters.failures, nanoseconds: counters.failureNanoseconds.load(ordering: .relaxed))
        queue = duration(counters.queueNanoseconds)
        computeInput = duration(counters.inputNanoseconds)
        computeInfer = duration(counters.computeNanoseconds)
        computeOutput = duration(counters.outputNanoseconds)
        batches = counters.batches.snapshot()
    }
}
