import Atomics
import SlipwayInference

/// What a run of one version takes, by how much goes in: decides which requests may run on an event loop.
///
/// Followed for every power of two of input elements by itself. A single figure a row would let large
/// batches, whose rows are cheap, vouch for small ones of a model that is slow to begin with, and would not
/// see that one row may be a long text.
final class RunCost: Sendable {
    private static let places = 27
    /// Nanoseconds; 0: nothing seen yet.
    private let seen: [ManagedAtomic<Int>]

    /// - Parameters:
    ///   - elements: Input elements of the run at warm-up.
    ///   - nanoseconds: What it took.
    init(elements: Int, nanoseconds: Int) {
        seen = (0..<Self.places).map { _ in ManagedAtomic(0) }
        seen[Self.place(of: elements)].store(max(nanoseconds, 1), ordering: .relaxed)
    }

    static func elements(of inputs: [Tensor]) -> Int {
        var count = 0
        for input in inputs { count += input.elementCount }
        return count
    }

    /// Nanoseconds that a run with so many input elements will take, as far as is known.
    ///
    /// Where nothing was seen: in proportion to the next smaller size, and at most what the next larger
    /// one took.
    func nanoseconds(elements: Int) -> Int {
        let place = Self.place(of: elements)
        let own = seen[place].load(ordering: .relaxed)
        guard own == 0 else { return own }
        var estimate = Int.max
        for larger in (place + 1)..<max(Self.places, place + 1) {
            let cost = seen[larger].load(ordering: .relaxed)
            guard cost == 0 else {
                estimate = cost
                break
            }
        }
        for smaller in (0..<place).reversed() {
            let cost = seen[smaller].load(ordering: .relaxed)
            guard cost == 0 else {
                let (scaled, overflow) = cost.multipliedReportingOverflow(by: 1 << (place - smaller))
                return overflow ? estimate : min(estimate, scaled)
            }
        }
        return estimate
    }

    /// Whether runs that are several times as large were seen to cost clearly less than several runs; true as
    /// long as none was seen.
    func isCheaperTogether(elements: Int) -> Bool {
        let place = Self.place(of: elements)
        let own = seen[place].load(ordering: .relaxed)
        guard own > 0 else { return true }
        for doublings in 2...6 where place + doublings < Self.places {
            let together = seen[place + doublings].load(ordering: .relaxed)
            guard together == 0 else { return together < (own << doublings) / 4 * 3 }
        }
        return true
    }

    /// Moves the estimate an eighth of the way, so that one slow request does not decide alone, but a
    /// model that has become slow leaves the event loop within a few requests.
    func saw(nanoseconds: Int, elements: Int) {
        let cell = seen[Self.place(of: elements)]
        let known = cell.load(ordering: .relaxed)
        // Somebody else's figure may be lost here; the next run brings another.
        cell.store(known == 0 ? max(nanoseconds, 1) : max(known + (nanoseconds - known) / 8, 1), ordering: .relaxed)
    }

    /// The power of two that is not below `elements`.
    private static func place(of elements: Int) -> Int {
        guard elements > 1 else { return 0 }
        return min(Int.bitWidth - (elements - 1).leadingZeroBitCount, places - 1)
    }
}
