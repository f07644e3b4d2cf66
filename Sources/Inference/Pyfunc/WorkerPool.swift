import Foundation
import SlipwayCore
import SlipwayInference
import Synchronization

/// A version's Python workers: lends them, one request each, and starts anew what died.
final class WorkerPool: Sendable {
    private struct State {
        var roster: WorkerRoster<Worker>
        var waiters: [Waiter] = []
        var lastFailure: PlatformError?
        var signature: ModelSignature?
        var isEnded = false
    }

    /// A request that waits for a worker.
    private final class Waiter: Sendable {
        private let outcome = Mutex<Result<Worker, PlatformError>?>(nil)
        private let semaphore = DispatchSemaphore(value: 0)

        func give(_ result: Result<Worker, PlatformError>) {
            outcome.withLock { $0 = result }
            semaphore.signal()
        }

        /// - Returns: `nil` when nothing came in that time.
        func result(within seconds: Int) -> Result<Worker, PlatformError>? {
            _ = semaphore.wait(timeout: .now() + .seconds(seconds))
            return outcome.withLock { $0 }
        }
    }

    private let launch: WorkerLaunch
    private let count: Int
    private let state: Mutex<State>

    init(_ launch: WorkerLaunch, count: Int) {
        self.launch = launch
        self.count = count
        state = Mutex(State(roster: WorkerRoster(count: count)))
    }

    deinit {
        end()
    }

    /// Starts all workers, side by side. Blocks until each is there.
    ///
    /// - Returns: What the model takes and gives.
    /// - Throws: Why one of them is not there; the others are ended.
    func open() throws(PlatformError) -> ModelSignature {
        let failures = Mutex<[PlatformError]>([])
        let group = DispatchGroup()
        for slot in 0..<count {
            group.enter()
            Thread.detachNewThread { [self] in
                defer { group.leave() }
                do {
                    welcome(try Worker(launch), slot: slot)
                } catch {
                    failures.withLock { $0.append(.wrapping(error, doing: "start a Python worker")) }
                }
            }
        }
        group.wait()
        if let failure = failures.withLock({ $0.first }) {
            end()
            throw failure
        }
        guard let signature = state.withLock({ $0.signature }) else { throw PlatformError(.unexpected, "no worker has told the model's signature") }
        return signature
    }

    /// Blocks until the answer is there.
    func run(inputs: [Tensor], outputs: [String]) throws(PlatformError) -> [Tensor] {
        let worker = try lease()
        let answer: Result<[Tensor], PlatformError>
        do {
            answer = try worker.run(inputs: inputs, outputs: outputs)
        } catch {
            worker.process.kill()
            lost(worker, error)
            throw error
        }
        giveBack(worker)
        return try answer.get()
    }

    /// Starts after the first of each slot.
    var restarts: Int { state.withLock { $0.roster.restarts } }

    /// Process numbers of the workers that are there.
    var identifiers: [Int32] { state.withLock { $0.roster.workers.map(\.process.identifier) } }

    /// Ends every worker; nothing is started any more.
    func end() {
        let (workers, waiters) = state.withLock { state in
            state.isEnded = true
            defer { state.waiters = [] }
            return (state.roster.workers, state.waiters)
        }
        for waiter in waiters { waiter.give(.failure(Self.ended)) }
        for worker in workers { worker.end() }
    }

    private static let ended = PlatformError(.unavailable, "the model's workers are being ended")

    // MARK: Lending

    private func lease() throws(PlatformError) -> Worker {
        // Each round finds at most one that died unnoticed.
        for _ in 0...count {
            let worker = try waitForWorker()
            if worker.isThere { return worker }
            worker.process.kill()
            lost(worker, PlatformError(.unavailable, "a Python worker of the model ended"))
        }
        throw unavailable(state.withLock { $0.lastFailure })
    }

    private func waitForWorker() throws(PlatformError) -> Worker {
        let waiter = Waiter()
        let now = DispatchTime.now().uptimeNanoseconds
        let found: Result<Worker, PlatformError>? = state.withLock { state in
            guard !state.isEnded else { return .failure(Self.ended) }
            if let worker = state.roster.take() { return .success(worker) }
            guard state.roster.nanosecondsUntilHope(now: now) <= PyfuncLimits.patienceNanoseconds else {
                return .failure(unavailable(state.lastFailure))
            }
            state.waiters.append(waiter)
            return nil
        }
        if let found { return try found.get() }
        if let given = waiter.result(within: launch.startSeconds) { return try given.get() }
        // It may have been given one in the meantime.
        let isLeft = state.withLock { state in
            guard let index = state.waiters.firstIndex(where: { $0 === waiter }) else { return false }
            state.waiters.remove(at: index)
            return true
        }
        guard !isLeft, let given = waiter.result(within: 0) else { throw unavailable(state.withLock { $0.lastFailure }) }
        return try given.get()
    }

    private func unavailable(_ cause: PlatformError?) -> PlatformError {
        PlatformError(
            .unavailable,
            "no Python worker of the model is there" + (cause.map { ": \($0.message)" } ?? ""),
            remedy: cause?.remedy ?? "try again later",
            cause: cause
        )
    }

    private func giveBack(_ worker: Worker) {
        let isEnded = state.withLock { state in
            state.roster.finished(worker)
            Self.serveWaiters(&state)
            return state.isEnded
        }
        if isEnded { worker.end() }
    }

    /// First come, first served.
    private static func serveWaiters(_ state: inout State) {
        while !state.waiters.isEmpty, let worker = state.roster.take() { state.waiters.removeFirst().give(.success(worker)) }
    }

    // MARK: Supervision

    private func welcome(_ worker: Worker, slot: Int) {
        let isEnded = state.withLock { state in
            guard !state.isEnded else { return true }
            if state.signature == nil { state.signature = worker.signature }
            state.roster.started(worker, slot: slot)
            Self.serveWaiters(&state)
            return false
        }
        guard !isEnded else { return worker.end() }
        worker.process.whenEnded { [weak self, weak worker] ending in
            guard let self, let worker else { return }
            lost(worker, PlatformError(.unavailable, "a Python worker of the model ended: \(ending.text)"))
        }
    }

    private func lost(_ worker: Worker, _ failure: PlatformError) {
        let now = DispatchTime.now().uptimeNanoseconds
        plan(failure) { $0.lost(worker, now: now) }
    }

    /// Notes a failure, tells those for whom there is no hope, and has the slot started later.
    private func plan(_ failure: PlatformError, _ note: (inout WorkerRoster<Worker>) -> WorkerRoster<Worker>.Restart?) {
        let now = DispatchTime.now().uptimeNanoseconds
        let (restart, hopeless) = state.withLock { state -> (WorkerRoster<Worker>.Restart?, [Waiter]) in
            guard !state.isEnded, let restart = note(&state.roster) else { return (nil, []) }
            state.lastFailure = failure
            guard state.roster.nanosecondsUntilHope(now: now) > PyfuncLimits.patienceNanoseconds else { return (restart, []) }
            defer { state.waiters = [] }
            return (restart, state.waiters)
        }
        for waiter in hopeless { waiter.give(.failure(unavailable(failure))) }
        guard let restart else { return }
        launch.onLine("a worker is gone and is started again in \(restart.delayNanoseconds / 1_000_000) ms: \(failure.message)")
        DispatchQueue.global().asyncAfter(deadline: .now() + .nanoseconds(Int(restart.delayNanoseconds))) { [weak self] in
            // A start blocks for seconds.
            Thread.detachNewThread { [weak self] in self?.start(slot: restart.slot) }
        }
    }

    private func start(slot: Int) {
        let isWanted = state.withLock { state in
            if !state.isEnded { state.roster.starts(slot: slot) }
            return !state.isEnded
        }
        guard isWanted else { return }
        do {
            let worker = try Worker(launch)
            guard worker.signature == state.withLock({ $0.signature }) else {
                worker.end()
                throw PlatformError(.failedPrecondition, "the model's files have changed under its workers", remedy: "load the version again")
            }
            welcome(worker, slot: slot)
        } catch {
            plan(.wrapping(error, doing: "start a Python worker")) { $0.failed(slot: slot, now: DispatchTime.now().uptimeNanoseconds) }
        }
    }
}
