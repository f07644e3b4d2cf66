import Atomics
import Dispatch
import NIOConcurrencyHelpers
import NIOCore
import SlipwayCore
import SlipwayInference

/// Carries out what a version's ``BatchQueue`` decides: threads, timers and answers.
final class VersionScheduler: Sendable {
    private struct State {
        var queue: BatchQueue<QueuedInference>
        var timer: Scheduled<Void>?
        var timerAt = UInt64.max
    }

    let policy: BatchingPolicy
    let counters = QueueCounters()
    private let pools: RunPools
    private let isComputeOnly: Bool
    private let state: NIOLockedValueBox<State>

    init(policy: BatchingPolicy, isComputeOnly: Bool, pools: RunPools) {
        self.policy = policy
        self.isComputeOnly = isComputeOnly
        self.pools = pools
        let queue = BatchQueue<QueuedInference>(
            policy: policy,
            runsMax: Self.runsMax(policy, isComputeOnly: isComputeOnly, threads: pools.computeThreads),
            waitingMax: ServingLimits.poolQueueMax
        )
        state = NIOLockedValueBox(State(queue: queue))
    }

    /// Runs at the same time. A session that only computes may be run by any number of threads: where
    /// nothing is gathered, fewer runs than threads would leave threads idle while requests wait.
    private static func runsMax(_ policy: BatchingPolicy, isComputeOnly: Bool, threads: Int) -> Int {
        let asked = max(policy.instances, 1)
        return isComputeOnly && policy.gathering == nil ? max(asked, threads) : asked
    }

    /// Requests that wait.
    var waiting: Int { state.withLockedValue { $0.queue.count } }

    static var now: UInt64 { DispatchTime.now().uptimeNanoseconds }

    // MARK: Requests

    /// Takes the caller's own thread as one of the version's runs, if nobody waits or runs. To be followed
    /// by ``finished(on:)``.
    func startAtOnce(client: ObjectIdentifier?) -> Bool {
        let now = Self.now
        return state.withLockedValue { $0.queue.startAtOnce(now: now, client: client) }
    }

    func finished(on version: LoadedVersion) {
        let now = Self.now
        let isAnyoneLeft = state.withLockedValue { state in
            state.queue.finished(now: now)
            return state.queue.count > 0
        }
        if isAnyoneLeft { turn(version) }
    }

    /// Puts a request in the line; its completion is called later, from a thread of the pool.
    func add(_ entry: QueuedInference, on version: LoadedVersion) {
        let deadline = deadline(of: entry)
        let isIn = state.withLockedValue { $0.queue.add(entry, now: entry.arrived, deadline: deadline) }
        turn(version)
        guard !isIn else { return }
        counters.refused.wrappingIncrement(ordering: .relaxed)
        version.counters.clientFailures.wrappingIncrement(ordering: .relaxed)
        version.inFlight.wrappingDecrement(ordering: .releasing)
        entry.completion(
            .failure(
                PlatformError(
                    .unavailable,
                    "Exceeds maximum queue size: model '\(version.model)' has all the waiting requests that it may have",
                    remedy: "try again later"
                )
            )
        )
    }

    /// The request's own time counts where the model leaves it to the request: it can only shorten.
    private func deadline(of entry: QueuedInference) -> UInt64 {
        var timeout = max(policy.timeoutMicroseconds, 0)
        if let own = entry.request.timeoutMicroseconds, own > 0, policy.gathering == nil || policy.allowsTimeoutOverride {
            timeout = timeout == 0 ? own : min(timeout, own)
        }
        guard timeout > 0 else { return .max }
        let (nanoseconds, isLong) = UInt64(timeout).multipliedReportingOverflow(by: 1000)
        let (deadline, isLate) = entry.arrived.addingReportingOverflow(nanoseconds)
        return isLong || isLate ? .max : deadline
    }

    /// The model does not keep rows apart: from now on each request is a run of its own.
    func stopGathering() {
        state.withLockedValue { $0.queue.stopGathering() }
    }

    // MARK: Turns

    /// Asks the queue what is to be done now, and does it.
    private func turn(_ version: LoadedVersion) {
        let now = Self.now
        let (step, drops) = state.withLockedValue { state in
            let step = state.queue.step(now: now)
            if case .wait(let until) = step { setTimer(&state, until: until, now: now, version) }
            return (step, state.queue.takeDrops())
        }
        for drop in drops { answer(drop, on: version) }
        guard step == .summon else { return }
        pools.submit(isComputeOnly: isComputeOnly) { isActive in self.work(version, isActive: isActive) }
    }

    /// One timer a version, for the earliest moment that matters; one that comes in vain does no harm.
    private func setTimer(_ state: inout State, until: UInt64, now: UInt64, _ version: LoadedVersion) {
        guard until < state.timerAt else { return }
        state.timer?.cancel()
        state.timerAt = until
        let delay = Int64(clamping: min(until - min(now, until), ServingLimits.timerNanosecondsMax))
        state.timer = pools.timers.any().scheduleTask(in: .nanoseconds(delay)) { [weak version] in
            guard let version else { return }
            self.state.withLockedValue { state in
                // A later one may have taken this one's place while it was on its way.
                if state.timerAt == until { (state.timer, state.timerAt) = (nil, .max) }
            }
            self.turn(version)
        }
    }

    private func work(_ version: LoadedVersion, isActive: Bool) {
        guard isActive else {
            return refuseAll(version)
        }
        let now = Self.now
        let batch = state.withLockedValue { $0.queue.take(now: now) }
        // The next run is summoned before this one begins, where there is room for it.
        turn(version)
        guard !batch.isEmpty else { return }
        let results = version.run(batch)
        let inOrder = policy.gathering?.preservesOrder == true
        if !inOrder { finished(on: version) }
        for (entry, result) in zip(batch, results) { entry.completion(result) }
        if inOrder { finished(on: version) }
    }

    private func answer(_ drop: BatchQueue<QueuedInference>.Drop, on version: LoadedVersion) {
        version.inFlight.wrappingDecrement(ordering: .releasing)
        switch drop.reason {
        case .expired:
            counters.expired.wrappingIncrement(ordering: .relaxed)
            version.counters.clientFailures.wrappingIncrement(ordering: .relaxed)
            drop.entry.completion(
                .failure(
                    PlatformError(
                        .unavailable,
                        "Request timeout expired: model '\(version.model)' did not come to it in time",
                        remedy: "try again later, or allow a longer timeout"
                    )
                )
            )
        case .cancelled:
            counters.cancelled.wrappingIncrement(ordering: .relaxed)
            drop.entry.completion(.failure(PlatformError(.unavailable, "the client of the request is gone")))
        }
    }

    /// The server ends: nobody is left to run what waits.
    private func refuseAll(_ version: LoadedVersion) {
        let (waiting, drops) = state.withLockedValue { state in
            state.timer?.cancel()
            return (state.queue.takeAll(), state.queue.takeDrops())
        }
        for drop in drops { answer(drop, on: version) }
        for entry in waiting {
            version.inFlight.wrappingDecrement(ordering: .releasing)
            entry.completion(.failure(PlatformError(.unavailable, "the model server is stopping")))
        }
    }
}
