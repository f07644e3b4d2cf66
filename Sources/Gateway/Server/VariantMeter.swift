import SlipwayCore
import SlipwayRelease
import Synchronization

/// How one request on a variant ended.
enum Outcome: Int, CaseIterable {
    case ok
    /// Our fault or the model's.
    case error
    /// The model gave NaN or an infinity.
    case nonFinite
    /// The client's fault: counted, but neither for the variant nor against it.
    case rejected

    var label: String {
        switch self {
        case .ok: "ok"
        case .error: "error"
        case .nonFinite: "non_finite"
        case .rejected: "rejected"
        }
    }
}

/// What happened to the requests of one variant: a model's version under one alias.
///
/// Each event loop counts in memory of its own, with relaxed atomics, so that counting costs a few
/// nanoseconds and no loop waits for another; reading sums the shards up.
final class VariantMeter: Sendable {
    /// What the meter counts for; also the labels of its metrics.
    struct Key: Hashable, Sendable {
        let model: ModelName
        let alias: Alias
        let version: ModelVersion
    }

    let key: Key
    private let shards: [MeterShard]

    init(key: Key, shards: Int) {
        self.key = key
        self.shards = (0..<shards).map { _ in MeterShard() }
    }

    func shard(_ index: Int) -> MeterShard { shards[index] }

    /// Requests that have begun and not ended.
    ///
    /// Exact for a version that no event loop routes to any more.
    var inFlight: Int { shards.reduce(0) { $0 + $1.read(.inFlight) } }

    func count(of outcome: Outcome) -> Int { shards.reduce(0) { $0 + $1.count(of: outcome) } }

    var latencySeconds: Double { Double(shards.reduce(0) { $0 + $1.read(.latencyNanoseconds) }) / 1e9 }

    var counters: VariantCounters {
        let nonFinite = count(of: .nonFinite)
        let errors = count(of: .error) + nonFinite
        return VariantCounters(
            requests: count(of: .ok) + errors,
            errors: errors,
            latencyCounts: (0...VariantCounters.latencyBoundsMicroseconds.count).map { bucket in
                shards.reduce(0) { $0 + $1.latencyCount(bucket) }
            },
            nonFinite: nonFinite,
            predictions: shards.reduce(into: [:]) { $0.merge($1.predictions) { $0 + $1 } }
        )
    }
}

/// The part of a meter that one event loop writes.
///
/// Its memory is 64-byte aligned and its own, so two loops never write the same cache line.
final class MeterShard: @unchecked Sendable {
    enum Cell: Int {
        case inFlight
        case latencyNanoseconds
    }

    private static let outcomesStart = 2
    private static let latencyStart = outcomesStart + Outcome.allCases.count
    private static let predictionsStart = latencyStart + VariantCounters.latencyBoundsMicroseconds.count + 1
    private static let cellCount = predictionsStart + PredictionBucket.count

    private let cells: UnsafeMutablePointer<Atomic<Int>>
    private let memory: UnsafeMutableRawPointer
    private let labels = Mutex<[String: Int]>([:])

    init() {
        memory = .allocate(byteCount: Self.cellCount * MemoryLayout<Atomic<Int>>.stride, alignment: 64)
        cells = memory.bindMemory(to: Atomic<Int>.self, capacity: Self.cellCount)
        for index in 0..<Self.cellCount { (cells + index).initialize(to: Atomic(0)) }
    }

    deinit {
        cells.deinitialize(count: Self.cellCount)
        memory.deallocate()
    }

    @inline(__always)
    private func add(_ amount: Int, at index: Int) {
        cells[index].wrappingAdd(amount, ordering: .relaxed)
    }

    func begin() { add(1, at: Cell.inFlight.rawValue) }

    /// Ends what ``begin()`` began.
    func end(_ outcome: Outcome, nanoseconds: Int) {
        if outcome != .rejected {
            add(nanoseconds, at: Cell.latencyNanoseconds.rawValue)
            add(1, at: Self.latencyStart + Self.latencyBucket(nanoseconds: nanoseconds))
        }
        add(1, at: Self.outcomesStart + outcome.rawValue)
        // Last, and released: who sees no request in flight also sees how each of them ended.
        cells[Cell.inFlight.rawValue].wrappingSubtract(1, ordering: .releasing)
    }

    /// A request that never began: its body could not be read.
    func reject() { add(1, at: Self.outcomesStart + Outcome.rejected.rawValue) }

    func observe(_ bucket: PredictionBucket) { add(1, at: Self.predictionsStart + bucket.index) }

    /// Counts a label that has no bucket of its own.
    func observe(label: String) {
        labels.withLock { labels in
            let isKnown = labels[label] != nil || labels.count < GatewayLimits.observedLabelsMax
            labels[isKnown ? label : PredictionBucket.otherName, default: 0] += 1
        }
    }

    fileprivate func read(_ cell: Cell) -> Int { cells[cell.rawValue].load(ordering: .acquiring) }

    fileprivate func count(of outcome: Outcome) -> Int {
        cells[Self.outcomesStart + outcome.rawValue].load(ordering: .relaxed)
    }

    fileprivate func latencyCount(_ bucket: Int) -> Int {
        cells[Self.latencyStart + bucket].load(ordering: .relaxed)
    }

    fileprivate var predictions: [String: Int] {
        var result = labels.withLock { $0 }
        for index in 0..<PredictionBucket.count {
            let count = cells[Self.predictionsStart + index].load(ordering: .relaxed)
            if count > 0 { result[PredictionBucket(index: index).name, default: 0] += count }
        }
        return result
    }

    /// The first bucket whose bound is not below the latency.
    static func latencyBucket(nanoseconds: Int) -> Int {
        let bounds = VariantCounters.latencyBoundsMicroseconds
        var low = 0
        var high = bounds.count
        while low < high {
            let middle = (low + high) / 2
            if nanoseconds <= bounds[middle] * 1000 { high = middle } else { low = middle + 1 }
        }
        return low
    }
}
