import NIOCore
import SlipwayInference

/// A request as ``BatchQueue`` sees it.
protocol BatchEntry: Sendable {
    /// How much of a batch it takes; 1 or more.
    var rows: Int { get }
    /// Whether nobody waits for its answer any more.
    var isCancelled: Bool { get }
    /// Who sent it, as far as is known: a connection.
    var client: ObjectIdentifier? { get }
    /// Whether it may share a run with `other`: the same tensors, but for the number of rows.
    func joins(_ other: Self) -> Bool
}

/// Decides which waiting requests of one version run together, and when.
///
/// A value without clock, thread or timer: every call gets the time, in nanoseconds of any clock that only
/// goes forward, and whoever holds the queue carries out what it says. First come, first served: a batch is
/// always the front of the line, and never reaches over a request that does not fit to one behind it.
///
/// A run is summoned first and taken later, when a thread is free: the batch is made up as late as
/// possible, so that what came meanwhile is in it. At most one run of a version is summoned at a time,
/// which gives each version one place in the line for a thread.
struct BatchQueue<Entry: BatchEntry>: Sendable {
    enum Step: Equatable, Sendable {
        case idle
        /// Nothing to do until then, unless something happens earlier.
        case wait(until: UInt64)
        /// Have a thread call ``take(now:)``.
        case summon
    }

    enum DropReason: Equatable, Sendable { case expired, cancelled }

    struct Drop: Sendable {
        let entry: Entry
        let reason: DropReason
    }

    private struct Waiting: Sendable {
        let entry: Entry
        let arrived: UInt64
        var deadline: UInt64
    }

    private let policy: BatchingPolicy
    private let runsMax: Int
    private let waitingMax: Int
    private let delay: UInt64
    /// How close behind one another two clients count as company.
    private let close: UInt64
    private(set) var running = 0
    private(set) var isSummoned = false
    private var line = CircularBuffer<Waiting>()
    /// What waited for too long and is run all the same, after everything that did not.
    private var late = CircularBuffer<Waiting>()
    private var earliestDeadline = UInt64.max
    /// When there were last two requests here at once, or from two clients one close behind the other.
    private var companyAt: UInt64?
    private var lastArrival: (client: ObjectIdentifier, at: UInt64)?
    private var gathers: Bool
    private var drops: [Drop] = []

    /// - Parameters:
    ///   - runsMax: Runs at the same time.
    ///   - waitingMax: Requests that may wait, unless the policy says.
    init(policy: BatchingPolicy, runsMax: Int, waitingMax: Int) {
        precondition(runsMax >= 1 && waitingMax >= 1)
        self.policy = policy
        // Answers that must leave in order are computed in order.
        self.runsMax = policy.gathering?.preservesOrder == true ? 1 : runsMax
        self.waitingMax = policy.queueMax > 0 ? min(policy.queueMax, waitingMax) : waitingMax
        delay = UInt64(clamping: policy.gathering?.delayMicroseconds ?? 0).multipliedClamping(by: 1000)
        // Without a delay nobody waits for company, but a run is left to another thread when there is some, so
        // that this one goes on reading and the next run finds more.
        close = delay > 0 ? delay : 1_000_000
        gathers = policy.gathering != nil && policy.rowsMax > 1
    }

    /// Requests that wait.
    var count: Int { line.count + late.count }

    /// From now on each request is a run of its own: the model does not keep rows apart.
    mutating func stopGathering() {
        gathers = false
    }

    // MARK: What happens

    /// - Parameter deadline: When it has waited for too long; `.max`: never.
    /// - Returns: Whether there was room.
    mutating func add(_ entry: Entry, now: UInt64, deadline: UInt64 = .max) -> Bool {
        sweep(now)
        if count >= waitingMax { dropCancelled() }
        guard count < waitingMax else { return false }
        if running > 0 || isSummoned || count > 0 { companyAt = now }
        noteArrival(of: entry.client, now)
        line.append(Waiting(entry: entry, arrived: now, deadline: deadline))
        earliestDeadline = min(earliestDeadline, deadline)
        return true
    }

    /// Whether a request that came just now may run at once, past the line, because there is none; it then
    /// counts as running. Waiting for company would only cost time: nobody was seen.
    mutating func startAtOnce(now: UInt64, client: ObjectIdentifier? = nil) -> Bool {
        noteArrival(of: client, now)
        guard running == 0, !isSummoned, count == 0, !expectsCompany(now) else { return false }
        running = 1
        return true
    }

    /// What is to be done now. To be asked after everything that happens.
    mutating func step(now: UInt64) -> Step {
        sweep(now)
        let expiry = earliestDeadline == .max ? Step.idle : .wait(until: earliestDeadline)
        guard !isSummoned, running < runsMax, let due = due(now) else { return expiry }
        guard due <= now else { return .wait(until: min(due, earliestDeadline)) }
        isSummoned = true
        return .summon
    }

    /// The batch that the summoned thread runs; empty when nothing is left to run.
    mutating func take(now: UInt64) -> [Entry] {
        isSummoned = false
        sweep(now)
        if hasCancelled { dropCancelled() }
        let isLate = line.isEmpty
        let group = isLate ? group(late) : group(line)
        // As large as a run can be is better than any smaller preferred number.
        let isFull = group.rows >= policy.rowsMax
        let count = group.preferredCount > 0 && !isFull ? group.preferredCount : group.count
        guard count > 0 else { return [] }
        var batch: [Entry] = []
        batch.reserveCapacity(count)
        for _ in 0..<count { batch.append((isLate ? late.removeFirst() : line.removeFirst()).entry) }
        running += 1
        return batch
    }

    /// A run has ended, whether by ``take(now:)`` or by ``startAtOnce(now:)``.
    mutating func finished(now: UInt64) {
        precondition(running > 0, "a run ended that never began")
        running -= 1
        if count > 0 { companyAt = now }
    }

    /// Those who are to be told that their request is not run; each is told once.
    mutating func takeDrops() -> [Drop] {
        guard !drops.isEmpty else { return [] }
        defer { drops = [] }
        return drops
    }

    /// Everything that waits, to be refused, as the server ends.
    mutating func takeAll() -> [Entry] {
        isSummoned = false
        defer {
            line.removeAll()
            late.removeAll()
            earliestDeadline = .max
        }
        return line.map(\.entry) + late.map(\.entry)
    }

    // MARK: When, and how many

    /// When the front of the line should run; `nil` when nothing waits.
    private func due(_ now: UInt64) -> UInt64? {
        guard let head = line.first else { return late.isEmpty ? nil : now }
        // No slot idles for company while somebody waits who has waited for too long already.
        guard gathers, delay > 0, late.isEmpty else { return now }
        let latest = head.arrived.addingClamping(delay)
        guard latest > now else { return now }
        if line.count == 1, running == 0, !expectsCompany(now) { return now }
        let group = group(line)
        return group.isClosed || group.preferredCount > 0 ? now : latest
    }

    /// Whether others were here so lately that waiting for them is worth it.
    private func expectsCompany(_ now: UInt64) -> Bool {
        guard let companyAt else { return false }
        return now < companyAt.addingClamping(close.multipliedClamping(by: 4))
    }

    /// Two clients close behind one another could have shared a run; one that asks again could not.
    private mutating func noteArrival(of client: ObjectIdentifier?, _ now: UInt64) {
        guard let client else { return }
        if let lastArrival, lastArrival.client != client, now <= lastArrival.at.addingClamping(close) { companyAt = now }
        lastArrival = (client, now)
    }

    private struct Group {
        var count = 0
        var rows = 0
        /// The most of the front whose rows are a preferred number; 0: none.
        var preferredCount = 0
        /// Whether nobody who comes can join it.
        var isClosed = false
    }

    /// The front of a line that can run together.
    private func group(_ line: CircularBuffer<Waiting>) -> Group {
        guard let head = line.first else { return Group() }
        guard gathers else { return Group(count: 1, rows: head.entry.rows, isClosed: true) }
        let preferred = policy.gathering?.preferredRows ?? []
        var group = Group()
        for waiting in line {
            let rows = group.rows + waiting.entry.rows
            if group.count > 0, rows > policy.rowsMax || !head.entry.joins(waiting.entry) {
                group.isClosed = true
                break
            }
            group.count += 1
            group.rows = rows
            if preferred.contains(rows) { group.preferredCount = group.count }
            if rows >= policy.rowsMax { break }
        }
        if group.rows >= policy.rowsMax { group.isClosed = true }
        return group
    }

    // MARK: Those who wait no longer

    /// Takes out what has waited for too long.
    private mutating func sweep(_ now: UInt64) {
        guard now >= earliestDeadline else { return }
        earliestDeadline = .max
        var kept = CircularBuffer<Waiting>(initialCapacity: line.count)
        for var waiting in line {
            guard waiting.deadline <= now else {
                earliestDeadline = min(earliestDeadline, waiting.deadline)
                kept.append(waiting)
                continue
            }
            switch policy.timeoutAction {
            case .reject: drops.append(Drop(entry: waiting.entry, reason: .expired))
            case .delay:
                waiting.deadline = .max
                late.append(waiting)
            }
        }
        line = kept
    }

    private var hasCancelled: Bool {
        let seen = max(policy.rowsMax, 1)
        return line.prefix(seen).contains { $0.entry.isCancelled } || late.prefix(seen).contains { $0.entry.isCancelled }
    }

    /// Looks at each once: a cancellation may come between two looks, and then must not be lost.
    private mutating func dropCancelled() {
        func remaining(_ waiting: CircularBuffer<Waiting>) -> CircularBuffer<Waiting> {
            var kept = CircularBuffer<Waiting>(initialCapacity: waiting.count)
            for item in waiting {
                if item.entry.isCancelled {
                    drops.append(Drop(entry: item.entry, reason: .cancelled))
                } else {
                    kept.append(item)
                }
            }
            return kept
        }
        line = remaining(line)
        late = remaining(late)
    }
}

extension UInt64 {
    fileprivate func addingClamping(_ other: UInt64) -> UInt64 {
        let (sum, overflow) = addingReportingOverflow(other)
        return overflow ? .max : sum
    }

    fileprivate func multipliedClamping(by other: UInt64) -> UInt64 {
        let (product, overflow) = multipliedReportingOverflow(by: other)
        return overflow ? .max : product
    }
}
