public import SlipwayCore

/// One series of a gateway, as it was scraped.
public struct ScrapedSeries: Sendable, Hashable {
    /// What a gateway's page says about one version, or that it was there at all.
    public enum Kind: Sendable, Hashable {
        /// Stands on every page: where it has a sample, the whole page was scraped at that moment.
        case heartbeat
        case requests(ModelVersion, variant: String, outcome: String)
        /// Cumulative, up to the bound of this index; the last is `+Inf`.
        case latency(ModelVersion, variant: String, bound: Int)
        case prediction(ModelVersion, variant: String, String)
    }

    public struct Sample: Sendable, Hashable {
        /// Since 1970.
        public let seconds: Double
        public let value: Double

        public init(seconds: Double, value: Double) {
            self.seconds = seconds
            self.value = value
        }
    }

    /// Which gateway: all labels that its series share.
    public let target: String
    public let kind: Kind
    /// In the order of time.
    public let samples: [Sample]

    public init(target: String, kind: Kind, samples: [Sample]) {
        self.target = target
        self.kind = kind
        self.samples = samples
    }
}

/// What gateways counted since a moment, out of what was scraped from them.
///
/// Counts what the samples say and nothing between them: no extrapolation, so that forty requests are
/// forty. The window begins with each gateway's first scrape after the moment, so nothing of before is in
/// it, and it is known up to the last scrape that every gateway has had. A counter that went back began
/// anew at zero; one that appears later than its gateway was born at zero.
public struct ScrapedWindow: Sendable {
    private struct Target {
        let first: Double
        var last: Double
    }

    private struct Key: Hashable {
        let target: String
        let kind: ScrapedSeries.Kind
    }

    private struct Counter {
        var seconds: Double
        var value: Double
        var total: Double
    }

    /// Seconds without a scrape after which nothing is known any more.
    private let stale: Double
    /// When the window begins, in seconds since 1970: later than asked for where a gap was in between.
    public private(set) var start: Double
    private var targets: [String: Target] = [:]
    private var counters: [Key: Counter] = [:]

    public init(start: Double, staleSeconds: Double) {
        self.start = start
        self.stale = staleSeconds
    }

    /// From when on samples are still of use: a scrape may be stored a while after it was made.
    public var neededSince: Double {
        max(start, (targets.values.map(\.last).max() ?? start) - stale)
    }

    /// Takes in what was scraped lately; samples that were taken in before do no harm.
    ///
    /// - Parameters:
    ///   - now: The moment up to which `series` reach.
    ///   - down: Gateways that Prometheus could not scrape last.
    public mutating func take(_ series: [ScrapedSeries], now: Double, down: [String]) -> WindowReading {
        for one in series where one.samples.contains(where: { !$0.value.isFinite || $0.value < 0 || $0.value > Self.valueMax }) {
            return .blind("a count of gateway '\(one.target)' is no number")
        }
        for one in series where one.kind == .heartbeat {
            guard beat(one) else {
                let gap = "gateway '\(one.target)' was not scraped for more than \(Int(stale)) s: the window begins anew"
                return .blind(gap)
            }
        }
        for one in series where one.kind != .heartbeat { count(one) }
        return reading(now: now, down: down)
    }

    /// - Returns: Whether its scrapes have no gap.
    private mutating func beat(_ series: ScrapedSeries) -> Bool {
        for sample in series.samples where sample.seconds >= start {
            guard var target = targets[series.target] else {
                targets[series.target] = Target(first: sample.seconds, last: sample.seconds)
                continue
            }
            guard sample.seconds > target.last else { continue }
            guard sample.seconds - target.last <= stale else {
                start = sample.seconds
                targets = [:]
                counters = [:]
                return false
            }
            target.last = sample.seconds
            targets[series.target] = target
        }
        return true
    }

    private mutating func count(_ series: ScrapedSeries) {
        guard let target = targets[series.target] else { return }
        let key = Key(target: series.target, kind: series.kind)
        for sample in series.samples where sample.seconds >= target.first && sample.seconds <= target.last {
            guard var counter = counters[key] else {
                let isBornLater = sample.seconds > target.first
                counters[key] = Counter(seconds: sample.seconds, value: sample.value, total: isBornLater ? sample.value : 0)
                continue
            }
            guard sample.seconds > counter.seconds else { continue }
            counter.total += sample.value >= counter.value ? sample.value - counter.value : sample.value
            (counter.seconds, counter.value) = (sample.seconds, sample.value)
            counters[key] = counter
        }
    }

    private func reading(now: Double, down: [String]) -> WindowReading {
        if let name = down.first { return .blind("gateway '\(name)' cannot be scraped") }
        // One that is neither scraped nor down has gone for good: what it counted stays.
        let present = targets.values.filter { now - $0.last <= stale }
        guard let known = present.map(\.last).min(), let earliest = targets.values.map(\.first).min() else {
            guard let last = targets.values.map(\.last).max() else { return .blind("no gateway was scraped since the step began") }
            return .blind("no gateway was scraped for \(Int(now - last)) s")
        }
        // Gateways that came later do not shorten what is known of the others.
        let begun = targets.values.map(\.first).filter { $0 <= earliest + stale }.max() ?? earliest
        guard known > begun else { return .blind("every gateway must be scraped twice before anything is known") }
        var versions: [ModelVersion: VariantCounters] = [:]
        var cumulative: [ModelVersion: [Double]] = [:]
        for (key, counter) in counters {
            let count = Int(counter.total.rounded())
            switch key.kind {
            case .heartbeat: break
            case .requests(let version, _, let outcome): versions[version, default: VariantCounters()].add(count, of: outcome)
            case .prediction(let version, _, let label): versions[version, default: VariantCounters()].predictions[label, default: 0] += count
            case .latency(let version, _, let bound):
                cumulative[version, default: Array(repeating: 0, count: Self.boundsCount)][bound] += counter.total
            }
        }
        for (version, sums) in cumulative {
            let counts = zip(sums, [0] + sums).map { Int(($0 - $1).rounded()) }
            guard !counts.contains(where: { $0 < 0 }) else { return .blind("the latencies of version \(version) do not add up") }
            versions[version, default: VariantCounters()].latencyCounts = counts
        }
        for (version, counters) in versions {
            versions[version]?.predictions = counters.predictions.filter { $0.value > 0 }
        }
        return .counted(versions, covered: .milliseconds(Int64((known - begun) * 1_000)))
    }

    public static let boundsCount = VariantCounters.latencyBoundsMicroseconds.count + 1
    /// Up to here a `Double` counts one by one.
    private static let valueMax = 9e15
}

extension VariantCounters {
    /// By the labels of `slipway_gateway_requests_total`; what the client did wrong is neither for nor against a version.
    fileprivate mutating func add(_ count: Int, of outcome: String) {
        switch outcome {
        case "ok": requests += count
        case "error":
            requests += count
            errors += count
        case "non_finite":
            requests += count
            errors += count
            nonFinite += count
        default: break
        }
    }
}
