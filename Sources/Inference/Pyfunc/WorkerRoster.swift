/// Who of a version's workers is there, who is at work, and when one that died is started again.
///
/// A value without clock, thread or process: every call that needs the time gets it, in nanoseconds of any
/// clock that only goes forward.
struct WorkerRoster<Worker: AnyObject & Sendable>: Sendable {
    private enum Slot: Sendable {
        case starting
        case idle(Worker)
        case busy(Worker)
        /// Until its next start.
        case waiting(until: UInt64)

        var worker: Worker? {
            switch self {
            case .idle(let worker), .busy(let worker): worker
            case .starting, .waiting: nil
            }
        }
    }

    /// When a slot is to be started, counted from now.
    struct Restart: Equatable, Sendable {
        let slot: Int
        let delayNanoseconds: UInt64
    }

    private var slots: [Slot]
    /// Deaths and failed starts of each slot since it last answered.
    private var failures: [Int]
    /// Starts of all slots after the first.
    private(set) var restarts = 0

    /// All slots are being started.
    init(count: Int) {
        precondition(count >= 1)
        slots = Array(repeating: .starting, count: count)
        failures = Array(repeating: 0, count: count)
    }

    var workers: [Worker] { slots.compactMap(\.worker) }

    /// The slot's worker is there.
    mutating func started(_ worker: Worker, slot: Int) {
        slots[slot] = .idle(worker)
    }

    /// A worker that is free, from now on at work.
    mutating func take() -> Worker? {
        for index in slots.indices {
            guard case .idle(let worker) = slots[index] else { continue }
            slots[index] = .busy(worker)
            return worker
        }
        return nil
    }

    /// A worker has answered, and is free.
    mutating func finished(_ worker: Worker) {
        guard let slot = slot(of: worker) else { return }
        failures[slot] = 0
        slots[slot] = .idle(worker)
    }

    /// A worker is gone; `nil` when that is known.
    mutating func lost(_ worker: Worker, now: UInt64) -> Restart? {
        guard let slot = slot(of: worker) else { return nil }
        return failed(slot: slot, now: now)
    }

    /// A slot's worker died or could not be started: each time in a row it waits twice as long.
    mutating func failed(slot: Int, now: UInt64) -> Restart {
        failures[slot] += 1
        let doublings = min(failures[slot] - 1, 20)
        let delay = min(PyfuncLimits.restartNanosecondsMin << UInt64(doublings), PyfuncLimits.restartNanosecondsMax)
        slots[slot] = .waiting(until: now + delay)
        return Restart(slot: slot, delayNanoseconds: delay)
    }

    /// A slot's wait is over.
    mutating func starts(slot: Int) {
        slots[slot] = .starting
        restarts += 1
    }

    /// Nanoseconds until a worker may be there; 0 when one is, or is being started.
    func nanosecondsUntilHope(now: UInt64) -> UInt64 {
        slots.map { slot in
            guard case .waiting(let until) = slot else { return 0 }
            return until - min(now, until)
        }.min() ?? 0
    }

    private func slot(of worker: Worker) -> Int? {
        slots.firstIndex { $0.worker === worker }
    }
}
