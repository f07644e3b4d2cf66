import SlipwayCore
import SlipwayRelease
import Synchronization

/// What became of the copies of one variant's requests at one shadow.
///
/// Shared by all event loops: only mirrored requests touch it, after their answers are out. Nothing of it
/// is ever counted for or against the variant.
final class ShadowMeter: Sendable {
    struct Key: Hashable, Sendable {
        let model: ModelName
        let alias: Alias
        let version: ModelVersion
        let shadow: ModelVersion
    }

    let key: Key
    private let outcomes: Mutex<[Int]>
    private let latency: Mutex<(counts: [Int], nanoseconds: Int)>

    init(key: Key) {
        self.key = key
        outcomes = Mutex(Array(repeating: 0, count: ShadowOutcome.allCases.count))
        latency = Mutex((Array(repeating: 0, count: VariantCounters.latencyBoundsMicroseconds.count + 1), 0))
    }

    func count(_ outcome: ShadowOutcome) {
        outcomes.withLock { $0[outcome.rawValue] += 1 }
    }

    func count(_ outcome: ShadowOutcome, nanoseconds: Int) {
        count(outcome)
        latency.withLock { latency in
            latency.counts[MeterShard.latencyBucket(nanoseconds: nanoseconds)] += 1
            latency.nanoseconds += nanoseconds
        }
    }

    func count(of outcome: ShadowOutcome) -> Int { outcomes.withLock { $0[outcome.rawValue] } }

    var latencies: (counts: [Int], seconds: Double) {
        latency.withLock { ($0.counts, Double($0.nanoseconds) / 1e9) }
    }
}
