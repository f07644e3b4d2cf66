import Atomics
import SlipwayCore
import SlipwayInference

/// A ready version: its session and what is counted about it.
final class LoadedVersion: Sendable {
    let model: String
    let version: ModelVersion
    let session: any ModelSession
    let signature: ModelSignature
    let outputNames: [String]
    let counters = VersionCounters()
    let inFlight = ManagedAtomic<Int>(0)
    /// How requests are gathered and run, and those that wait.
    let policy: BatchingPolicy
    let scheduler: VersionScheduler
    let cost: RunCost
    /// Whether requests may run on an event loop, past the line: they only compute, and alone.
    let mayRunInline: Bool
    let gathers: Bool

    /// - Parameter rowNanoseconds: What one row of zeros took at warm-up.
    init(
        model: String,
        version: ModelVersion,
        session: any ModelSession,
        policy: BatchingPolicy = BatchingPolicy(),
        rowNanoseconds: Int,
        pools: RunPools
    ) {
        self.model = model
        self.version = version
        self.session = session
        self.signature = session.signature
        self.outputNames = session.signature.outputs.map(\.name)
        self.policy = policy
        gathers = policy.gathering != nil && policy.rowsMax > 1
        mayRunInline = session.isComputeOnly
        scheduler = VersionScheduler(policy: policy, isComputeOnly: session.isComputeOnly, pools: pools)
        let elements = session.signature.inputs.reduce(0) { count, spec in
            count + spec.shape.reduce(1) { $0 * max($1, 1) }
        }
        cost = RunCost(elements: elements, nanoseconds: rowNanoseconds)
    }

    /// Whether a request is short enough to run on an event loop.
    func fitsEventLoop(_ inputs: [Tensor]) -> Bool {
        mayRunInline && cost.nanoseconds(elements: RunCost.elements(of: inputs)) <= ServingLimits.eventLoopNanosecondsMax
    }
}

/// What serves now: immutable, swapped as one pointer.
final class ServingTable: AtomicReference, Sendable {
    struct Model: Sendable {
        let versions: [ModelVersion: LoadedVersion]
        let highest: LoadedVersion
    }

    let models: [String: Model]

    init(_ versions: [LoadedVersion]) {
        models = Dictionary(grouping: versions, by: \.model).compactMapValues { versions in
            guard let highest = versions.max(by: { $0.version < $1.version }) else { return nil }
            let byNumber = Dictionary(versions.map { ($0.version, $0) }, uniquingKeysWith: { _, last in last })
            return Model(versions: byNumber, highest: highest)
        }
    }

    /// - Throws: `not_found` in the words that Triton's clients know.
    func version(_ version: ModelVersion?, of name: String) throws(PlatformError) -> LoadedVersion {
        guard let model = models[name] else {
            throw PlatformError(.notFound, "Request for unknown model: '\(name.prefix(200))' is not found")
        }
        guard let version else { return model.highest }
        guard let loaded = model.versions[version] else {
            throw PlatformError(
                .notFound,
                "Request for unknown model: '\(name)' version \(version) is not found"
            )
        }
        return loaded
    }

    var all: [LoadedVersion] {
        models.values.flatMap { $0.versions.values }.sorted { ($0.model, $0.version) < ($1.model, $1.version) }
    }
}

public enum ServingLimits {
    /// The longest that a request may hold an event loop.
    static let eventLoopNanosecondsMax = 1_000_000
    /// Requests of one version that may wait before the next is told to come later.
    static let poolQueueMax = 4096
    /// Runs of all versions together that may wait for other processes.
    static let waitingThreadsMax = 32
    /// The longest timer; a later moment is looked at again then.
    static let timerNanosecondsMax: UInt64 = 60_000_000_000
    /// How long an unload waits for what is in flight.
    static let drainSecondsMax = 30
    static let warmUpRuns = 5
    /// The largest body of `load`, which may carry a model file.
    static let loadBytesMax = 1 << 30
    static let versionsMax = 10_000
}
