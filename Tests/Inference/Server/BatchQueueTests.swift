import SlipwayInference
import SlipwayTesting
import Synchronization
import Testing

@testable import SlipwayInferenceServer

@Suite("Batch queue")
struct BatchQueueTests {
    @Test("What waits when a slot becomes free runs together, up to the most rows, in order")
    func gathers() {
        var queue = queue(rowsMax: 4)
        #expect(queue.add(entry(0), now: 0) == true)
        #expect(queue.step(now: 0) == .summon)
        #expect(numbers(queue.take(now: 0)) == [0])
        for number in 1...6 { #expect(queue.add(entry(number), now: UInt64(number)) == true) }
        #expect(queue.step(now: 7) == .idle, "one run at a time")
        queue.finished(now: 8)
        #expect(queue.step(now: 8) == .summon)
        #expect(numbers(queue.take(now: 9)) == [1, 2, 3, 4])
        queue.finished(now: 10)
        #expect(queue.step(now: 10) == .summon)
        #expect(numbers(queue.take(now: 10)) == [5, 6])
    }

    @Test("What came between the summons and the run is in the run")
    func takenLate() {
        var queue = queue(rowsMax: 4)
        _ = queue.add(entry(0), now: 0)
        #expect(queue.step(now: 0) == .summon)
        _ = queue.add(entry(1), now: 1)
        #expect(queue.step(now: 1) == .idle, "a summoned run is not summoned again")
        #expect(numbers(queue.take(now: 2)) == [0, 1])
    }

    @Test("Alone, a request runs at once, whatever the delay")
    func alone() {
        var queue = queue(rowsMax: 8, delayMicroseconds: 1000)
        #expect(queue.startAtOnce(now: 0) == true)
        queue.finished(now: 500)
        for round in 1...20 {
            let now = UInt64(round) * 1000
            _ = queue.add(entry(round), now: now)
            #expect(queue.step(now: now) == .summon)
            #expect(numbers(queue.take(now: now)) == [round])
            queue.finished(now: now + 900)
        }
    }

    @Test("With others about, a request waits for company, and no longer than the delay")
    func company() {
        var queue = queue(rowsMax: 8, delayMicroseconds: 1)
        #expect(queue.startAtOnce(now: 0) == true)
        _ = queue.add(entry(1), now: 10)
        queue.finished(now: 20)
        #expect(queue.startAtOnce(now: 20) == false, "one waits already")
        #expect(queue.step(now: 20) == .wait(until: 1010))
        _ = queue.add(entry(2), now: 600)
        #expect(queue.step(now: 600) == .wait(until: 1010))
        #expect(queue.step(now: 1010) == .summon)
        #expect(numbers(queue.take(now: 1010)) == [1, 2])
        queue.finished(now: 2000)
        // Company was seen: the next waits for it; long after, it does not.
        _ = queue.add(entry(3), now: 2100)
        #expect(queue.step(now: 2100) == .wait(until: 3100))
        _ = queue.step(now: 3100)
        _ = queue.take(now: 3100)
        queue.finished(now: 9000)
        _ = queue.add(entry(4), now: 9000)
        #expect(queue.step(now: 9000) == .summon)
    }

    @Test("Two clients within the delay of one another are company; one that asks again and again is not")
    func clients() {
        let (one, two) = (Sender(), Sender())
        var queue = queue(rowsMax: 8, delayMicroseconds: 100)
        for round in 0..<5 {
            #expect(queue.startAtOnce(now: UInt64(round) * 20_000, client: ObjectIdentifier(one)) == true)
            queue.finished(now: UInt64(round) * 20_000 + 10_000)
        }
        #expect(queue.startAtOnce(now: 250_000, client: ObjectIdentifier(two)) == true, "more than the delay behind")
        queue.finished(now: 251_000)
        #expect(queue.startAtOnce(now: 300_000, client: ObjectIdentifier(one)) == false)
        #expect(queue.add(Entry(number: 1, sender: one), now: 300_000) == true)
        #expect(queue.step(now: 300_000) == .wait(until: 400_000))
        #expect(queue.add(Entry(number: 2, sender: two), now: 320_000) == true)
        #expect(queue.step(now: 400_000) == .summon)
        #expect(numbers(queue.take(now: 400_000)) == [1, 2])
        queue.finished(now: 410_000)
        #expect(queue.startAtOnce(now: 2_000_000, client: ObjectIdentifier(one)) == true, "the other has not been seen for long")
    }

    @Test("Without a delay nobody waits, but where there is company no request runs on its own thread past the line")
    func companyWithoutDelay() {
        let (one, two) = (Sender(), Sender())
        var queue = queue(rowsMax: 8)
        #expect(queue.startAtOnce(now: 0, client: ObjectIdentifier(one)) == true)
        queue.finished(now: 100_000)
        #expect(queue.startAtOnce(now: 110_000, client: ObjectIdentifier(one)) == true)
        queue.finished(now: 210_000)
        #expect(queue.startAtOnce(now: 220_000, client: ObjectIdentifier(two)) == false)
        #expect(queue.add(Entry(number: 1, sender: two), now: 220_000) == true)
        #expect(queue.step(now: 220_000) == .summon)
        #expect(queue.add(Entry(number: 2, sender: one), now: 230_000) == true)
        #expect(numbers(queue.take(now: 240_000)) == [1, 2])
        queue.finished(now: 300_000)
        #expect(queue.startAtOnce(now: 10_000_000, client: ObjectIdentifier(one)) == true)
    }

    @Test("A preferred number of rows runs without delay, and what is over stays")
    func preferred() {
        var queue = queue(rowsMax: 16, preferredRows: [4, 8], delayMicroseconds: 1000)
        #expect(queue.startAtOnce(now: 0) == true)
        for number in 1...9 { _ = queue.add(entry(number), now: 1) }
        queue.finished(now: 2)
        #expect(queue.step(now: 2) == .summon)
        #expect(numbers(queue.take(now: 2)) == Array(1...8))
        queue.finished(now: 3)
        #expect(queue.step(now: 3) == .wait(until: 1_000_001))
        #expect(queue.step(now: 1_000_001) == .summon)
        #expect(numbers(queue.take(now: 1_000_001)) == [9])
    }

    @Test("What does not fit closes the batch before it: nobody overtakes it")
    func incompatible() {
        var queue = queue(rowsMax: 8, delayMicroseconds: 1000)
        #expect(queue.startAtOnce(now: 0) == true)
        for (number, kind) in [(1, 0), (2, 0), (3, 1), (4, 0)] { _ = queue.add(entry(number, kind: kind), now: 1) }
        queue.finished(now: 2)
        #expect(queue.step(now: 2) == .summon)
        #expect(numbers(queue.take(now: 2)) == [1, 2])
        queue.finished(now: 3)
        #expect(queue.step(now: 3) == .summon)
        #expect(numbers(queue.take(now: 3)) == [3])
    }

    @Test("A full queue refuses, unless some that wait are gone")
    func full() {
        var queue = queue(rowsMax: 1, queueMax: 2)
        #expect(queue.startAtOnce(now: 0) == true)
        let gone = entry(2)
        #expect(queue.add(entry(1), now: 0) == true)
        #expect(queue.add(gone, now: 0) == true)
        #expect(queue.add(entry(3), now: 0) == false)
        gone.cancellation.store(true, ordering: .relaxed)
        #expect(queue.add(entry(4), now: 0) == true)
        let drops = queue.takeDrops()
        #expect(drops.map(\.entry.number) == [2])
        #expect(drops.map(\.reason) == [.cancelled])
    }

    @Test("Who waited for too long is refused, also while everything is busy")
    func expires() {
        var queue = queue(rowsMax: 4)
        #expect(queue.startAtOnce(now: 0) == true)
        _ = queue.add(entry(1), now: 1, deadline: 100)
        _ = queue.add(entry(2), now: 1)
        #expect(queue.step(now: 1) == .wait(until: 100))
        #expect(queue.step(now: 100) == .idle)
        let drops = queue.takeDrops()
        #expect(drops.map(\.entry.number) == [1])
        #expect(drops.map(\.reason) == [.expired])
        #expect(queue.takeDrops().isEmpty, "each is told once")
        queue.finished(now: 200)
        _ = queue.step(now: 200)
        #expect(numbers(queue.take(now: 200)) == [2])
    }

    @Test("With the action delay, who waited for too long runs after all who did not")
    func delays() {
        var policy = BatchingPolicy()
        policy.timeoutAction = .delay
        var queue = BatchQueue<Entry>(policy: policy, runsMax: 1, waitingMax: 10)
        #expect(queue.startAtOnce(now: 0) == true)
        _ = queue.add(entry(1), now: 0, deadline: 10)
        _ = queue.add(entry(2), now: 0)
        queue.finished(now: 20)
        var order: [Int] = []
        while queue.step(now: 20) == .summon {
            order += numbers(queue.take(now: 20))
            queue.finished(now: 20)
        }
        #expect(order == [2, 1])
    }

    @Test("Answers that must keep their order are computed one batch after the other")
    func order() {
        var policy = BatchingPolicy()
        policy.rowsMax = 2
        policy.gathering = BatchingPolicy.Gathering()
        policy.gathering?.preservesOrder = true
        var queue = BatchQueue<Entry>(policy: policy, runsMax: 4, waitingMax: 10)
        for number in 0..<4 { _ = queue.add(entry(number), now: 0) }
        #expect(queue.step(now: 0) == .summon)
        _ = queue.take(now: 0)
        #expect(queue.step(now: 0) == .idle)
    }

    @Test("Whatever comes and goes: answered once, in order, within the rows, and no slot idles past the delay", arguments: 0..<60)
    func property(seed: UInt64) {
        var simulation = QueueSimulation(seed: seed)
        simulation.run(steps: 600)
        #expect(simulation.failures.isEmpty, "seed \(seed): \(simulation.failures.prefix(3))")
        #expect(simulation.answered.count == simulation.accepted, "seed \(seed)")
    }

    private func queue(rowsMax: Int, preferredRows: [Int] = [], delayMicroseconds: Int = 0, queueMax: Int = 0) -> BatchQueue<Entry> {
        var policy = BatchingPolicy()
        policy.rowsMax = rowsMax
        policy.queueMax = queueMax
        policy.gathering = BatchingPolicy.Gathering()
        policy.gathering?.preferredRows = preferredRows
        policy.gathering?.delayMicroseconds = delayMicroseconds
        return BatchQueue(policy: policy, runsMax: 1, waitingMax: 1000)
    }

    private func entry(_ number: Int, kind: Int = 0) -> Entry { Entry(number: number, kind: kind) }
    private func numbers(_ batch: [Entry]) -> [Int] { batch.map(\.number) }
}

private final class Sender: Sendable {}

private final class Entry: BatchEntry, Sendable {
    let number: Int
    let rows: Int
    let kind: Int
    let cancellation = Atomic(false)

    init(number: Int, rows: Int = 1, kind: Int = 0, sender: Sender? = nil) {
        (self.number, self.rows, self.kind, self.sender) = (number, rows, kind, sender)
    }

    let sender: Sender?
    var client: ObjectIdentifier? { sender.map { ObjectIdentifier($0) } }
    var isCancelled: Bool { cancellation.load(ordering: .relaxed) }
    func joins(_ other: Entry) -> Bool { kind == other.kind }
}

/// A queue under random arrivals, ends, cancellations and passing time; keeps what is true of every history.
private struct QueueSimulation {
    private var random: SeededGenerator
    private let policy: BatchingPolicy
    private let runsMax: Int
    private var queue: BatchQueue<Entry>
    private var now: UInt64 = 0
    private var next = 0
    private var running = 0
    private var isSummoned = false
    /// Those that wait, with their arrival.
    private var waiting: [Int: (entry: Entry, arrived: UInt64, deadline: UInt64)] = [:]
    private var lastStarted = -1
    private(set) var accepted = 0
    private(set) var answered: Set<Int> = []
    private(set) var failures: [String] = []

    init(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        var policy = BatchingPolicy()
        policy.rowsMax = Int.random(in: 0...9, using: &random)
        policy.timeoutAction = Bool.random(using: &random) ? .reject : .delay
        if Int.random(in: 0...4, using: &random) > 0 {
            var gathering = BatchingPolicy.Gathering()
            gathering.delayMicroseconds = [0, 0, 1, 5].randomElement(using: &random) ?? 0
            if Bool.random(using: &random) { gathering.preferredRows = [2, 4] }
            policy.gathering = gathering
        }
        runsMax = Int.random(in: 1...3, using: &random)
        queue = BatchQueue(policy: policy, runsMax: runsMax, waitingMax: 20)
        (self.random, self.policy) = (random, policy)
    }

    mutating func run(steps: Int) {
        for _ in 0..<steps {
            switch Int.random(in: 0..<10, using: &random) {
            case 0..<4: arrive()
            case 4..<6: take()
            case 6..<8: finish()
            case 8: waiting.randomElement(using: &random)?.value.entry.cancellation.store(true, ordering: .relaxed)
            default: now += UInt64.random(in: 0...4000, using: &random)
            }
            turn()
        }
        // Nothing more comes: all that waits must come to its end.
        for _ in 0..<200 where !waiting.isEmpty || running > 0 || isSummoned {
            take()
            finish()
            now += 10_000
            turn()
        }
        if !waiting.isEmpty { failures.append("\(waiting.count) were never answered") }
    }

    private mutating func arrive() {
        let rows = Int.random(in: 1...3, using: &random)
        let entry = Entry(number: next, rows: rows, kind: Int.random(in: 0...4, using: &random) == 0 ? 1 : 0)
        next += 1
        if Int.random(in: 0...3, using: &random) == 0, queue.startAtOnce(now: now) {
            if !waiting.isEmpty || running > 0 || isSummoned { failures.append("\(entry.number) overtook those who wait") }
            running += 1
            accepted += 1
            answer(entry.number)
            return
        }
        let deadline = Int.random(in: 0...3, using: &random) == 0 ? now + UInt64.random(in: 0...8000, using: &random) : .max
        guard queue.add(entry, now: now, deadline: deadline) else {
            drop()
            if waiting.count < 20 { failures.append("refused with room left") }
            return
        }
        accepted += 1
        waiting[entry.number] = (entry, now, deadline)
    }

    private mutating func turn() {
        let step = queue.step(now: now)
        drop()
        switch step {
        case .summon:
            if isSummoned || running >= runsMax { failures.append("summoned without a slot") }
            isSummoned = true
        case .wait(let until):
            if until <= now { failures.append("waits for the past") }
            fallthrough
        case .idle:
            // Whoever is at the front has a free slot in front of it: it may wait for the delay, no longer.
            guard !isSummoned, running < runsMax else { return }
            let delay = UInt64(policy.gathering?.delayMicroseconds ?? 0) * 1000
            for (number, item) in waiting where now >= item.arrived + delay { failures.append("\(number) waits at \(now) since \(item.arrived)") }
        }
    }

    private mutating func take() {
        guard isSummoned else { return }
        isSummoned = false
        let batch = queue.take(now: now)
        drop()
        guard let first = batch.first else { return }
        running += 1
        let rows = batch.reduce(0) { $0 + $1.rows }
        if batch.count > 1, rows > policy.rowsMax { failures.append("\(rows) rows together") }
        if batch.count > 1, policy.gathering == nil { failures.append("gathered without being asked") }
        if batch.contains(where: { !first.joins($0) }) { failures.append("incompatible requests together") }
        for entry in batch {
            guard let item = waiting[entry.number] else {
                failures.append("\(entry.number) ran twice")
                continue
            }
            if item.deadline <= now {
                if policy.timeoutAction == .reject { failures.append("\(entry.number) ran after its time") }
            } else if entry.number < lastStarted {
                failures.append("\(entry.number) ran after \(lastStarted)")
            } else {
                lastStarted = entry.number
            }
            if entry.isCancelled { failures.append("\(entry.number) ran for nobody") }
            answer(entry.number)
        }
    }

    private mutating func finish() {
        guard running > 0 else { return }
        running -= 1
        queue.finished(now: now)
    }

    private mutating func drop() {
        for drop in queue.takeDrops() { note(drop) }
    }

    private mutating func note(_ drop: BatchQueue<Entry>.Drop) {
        guard let item = waiting[drop.entry.number] else {
            failures.append("\(drop.entry.number) was dropped but did not wait")
            return
        }
        switch drop.reason {
        case .cancelled where !drop.entry.isCancelled: failures.append("\(drop.entry.number) was dropped though its client is there")
        case .expired where item.deadline > now || policy.timeoutAction == .delay: failures.append("\(drop.entry.number) expired early")
        default: break
        }
        answer(drop.entry.number)
    }

    private mutating func answer(_ number: Int) {
        if !answered.insert(number).inserted { failures.append("\(number) was answered twice") }
        waiting[number] = nil
    }
}
