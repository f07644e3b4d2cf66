import Atomics
import SlipwayCore
import SlipwayInference

/// A ready version: its session and what is counted about it.
final class LoadedVersion: Sendable {
    let model: String
    let version: ModelVersion
    let session: any ModelSession
    /// What clients may send and get.
    let signature: ModelSignature
    let outputNames: [String]
    let configuration: VersionConfiguration
    let classification: Classification
    /// How requests are gathered and run.
    let policy: BatchingPolicy
    /// What it was made of: a load of the same changes nothing.
    let stamp: VersionStamp
    /// Resident memory that it is taken to need.
    let bytes: Int
    let counters = VersionCounters()
    let inFlight = ManagedAtomic<Int>(0)
    /// Those who wait, and their runs.
    let scheduler: VersionScheduler
    let cost: RunCost
    /// Whether requests may run on an event loop, past the line: they only compute, and alone.
    let mayRunInline: Bool
    let gathers: Bool

    /// Who may unload it without being asked by number.
    let origin: VersionSource.Origin

    /// - Parameter rowNanoseconds: What one row of zeros took at warm-up.
    init(
        model: String,
        version: ModelVersion,
        session: any ModelSession,
        rowNanoseconds: Int,
        configuration: VersionConfiguration,
        labels: [String: [String]] = [:],
        pools: RunPools,
        stamp: VersionStamp,
        origin: VersionSource.Origin = .number,
        bytes: Int = 0
    ) {
        self.model = model
        self.version = version
        self.session = session
        self.signature = configuration.signature
        self.outputNames = configuration.signature.outputs.map(\.name)
        self.configuration = configuration
        self.classification = Classification(labels: labels, isBatching: configuration.isBatching)
        self.policy = configuration.policy
        self.stamp = stamp
        self.bytes = bytes
        self.origin = origin
        gathers = configuration.policy.gathering != nil && configuration.policy.rowsMax > 1
        mayRunInline = session.isComputeOnly
        scheduler = VersionScheduler(policy: configuration.policy, isComputeOnly: session.isComputeOnly, pools: pools)
        let elements = configuration.signature.inputs.reduce(0) { count, spec in
            count + spec.shape.reduce(1) { $0 * max($1, 1) }
        }
        cost = RunCost(elements: elements, nanoseconds: rowNanoseconds)
    }

    /// Nanoseconds that a request would hold an event loop; the most there are when it may not.
    func inlineCost(_ inputs: [Tensor]) -> Int {
        mayRunInline ? cost.nanoseconds(elements: RunCost.elements(of: inputs)) : .max
    }

    /// Whether a request that could run at once should rather look for company.
    ///
    /// Where no delay is asked for, only if it pays: not what costs less than a hand-over to another thread, and
    /// not where ten rows cost ten times as much as one.
    func gathers(_ inputs: [Tensor], cost nanoseconds: Int) -> Bool {
        guard gathers, let gathering = policy.gathering else { return false }
        guard gathering.delayMicroseconds == 0 else { return true }
        return nanoseconds > ServingLimits.handOverNanoseconds && cost.isCheaperTogether(elements: RunCost.elements(of: inputs))
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
    /// About what it costs to give a request to another thread and its answer back.
    static let handOverNanoseconds = 50_000
    /// Requests of one version that may wait before the next is told to come later.
    static let poolQueueMax = 4096
    /// Runs of all versions together that may wait for other processes.
    static let waitingThreadsMax = 32
    /// The longest timer; a later moment is looked at again then.
    static let timerNanosecondsMax: UInt64 = 60_000_000_000
    /// How long an unload waits for what is in flight.
    static let drainSecondsMax = 30
    static let warmUpRuns = 5
    /// Samples of a configuration's `model_warmup`, and runs of each.
    static let warmUpSamplesMax = 100
    static let warmUpCountMax = 1000
    /// Elements of one tensor of a warm-up.
    static let warmUpElementsMax = 64 << 20
    /// Threads that a configuration may ask for in one session.
    static let sessionThreadsMax = 256
    /// Runs of one version side by side.
    static let instancesMax = 64
    /// Files that one load may carry.
    static let loadFilesMax = 1000
    /// The largest body of `load`, which may carry a model file.
    static let loadBytesMax = 1 << 30
    static let versionsMax = 10_000
    /// A file of labels.
    static let labelBytesMax = 16 << 20
}
