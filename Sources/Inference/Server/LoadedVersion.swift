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
    /// Nanoseconds that one row takes, as last seen: decides where the next request runs.
    private let rowNanoseconds: ManagedAtomic<Int>

    init(model: String, version: ModelVersion, session: any ModelSession, rowNanoseconds: Int) {
        self.model = model
        self.version = version
        self.session = session
        self.signature = session.signature
        self.outputNames = session.signature.outputs.map(\.name)
        self.rowNanoseconds = ManagedAtomic(rowNanoseconds)
    }

    /// Whether a request of `rows` rows is short enough to run on an event loop.
    func fitsEventLoop(rows: Int) -> Bool {
        let (cost, overflow) = rowNanoseconds.load(ordering: .relaxed).multipliedReportingOverflow(by: max(rows, 1))
        return !overflow && cost <= ServingLimits.eventLoopNanosecondsMax
    }

    /// Moves the estimate an eighth of the way, so that one slow request does not decide alone, but a
    /// model that has become slow leaves the event loop within a few requests.
    func saw(nanoseconds: Int, rows: Int) {
        let seen = nanoseconds / max(rows, 1)
        let known = rowNanoseconds.load(ordering: .relaxed)
        rowNanoseconds.store(known + (seen - known) / 8, ordering: .relaxed)
    }
}

/// Counters of one version, in Triton's sense. Relaxed: each is right, a set of them is not one moment's.
final class VersionCounters: Sendable {
    let successes = ManagedAtomic<Int>(0)
    let clientFailures = ManagedAtomic<Int>(0)
    let modelFailures = ManagedAtomic<Int>(0)
    let successNanoseconds = ManagedAtomic<Int>(0)
    let failureNanoseconds = ManagedAtomic<Int>(0)
    let queueNanoseconds = ManagedAtomic<Int>(0)
    let computeNanoseconds = ManagedAtomic<Int>(0)
    let lastInferenceMilliseconds = ManagedAtomic<Int64>(0)

    var failures: Int { clientFailures.load(ordering: .relaxed) + modelFailures.load(ordering: .relaxed) }
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
    /// Requests that may wait for the pool before the next is told to come later.
    static let poolQueueMax = 4096
    /// How long an unload waits for what is in flight.
    static let drainSecondsMax = 30
    static let warmUpRuns = 5
    /// The largest body of `load`, which may carry a model file.
    static let loadBytesMax = 1 << 30
    static let versionsMax = 10_000
}
