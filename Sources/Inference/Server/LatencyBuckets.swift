import Atomics

/// A histogram of durations whose bounds are powers of two of microseconds: a bucket is found by one instruction.
final class LatencyBuckets: Sendable {
    /// 16 µs to 8.4 s.
    private static let lowestPower = 4
    private static let bounds = 20

    static let boundsSeconds = (0..<bounds).map { Double(1 << (lowestPower + $0)) / 1e6 }

    private let buckets = (0...LatencyBuckets.bounds).map { _ in ManagedAtomic<Int>(0) }

    @inline(__always)
    func saw(nanoseconds: Int) {
        let microseconds = (nanoseconds + 999) / 1000
        // The smallest power of two that is not below it.
        let power = microseconds <= 1 ? 0 : Int.bitWidth - (microseconds - 1).leadingZeroBitCount
        buckets[min(max(power - Self.lowestPower, 0), Self.bounds)].wrappingIncrement(ordering: .relaxed)
    }

    /// One a bound, not cumulative, and one for what is above the last.
    var counts: [Int] { buckets.map { $0.load(ordering: .relaxed) } }
}
