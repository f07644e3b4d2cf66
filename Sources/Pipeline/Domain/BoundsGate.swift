import SlipwayCore

/// Compares a candidate's metrics with absolute bounds.
public struct BoundsGate: Sendable {
    private let bounds: [QualityMetric: MetricBounds]

    public init(_ bounds: [QualityMetric: MetricBounds]) {
        self.bounds = bounds
    }

    /// A metric that was not computed is inconclusive; one that is not a number fails.
    public func judge(_ metrics: [QualityMetric: Double]) -> GateReport {
        var checks = GateChecks()
        for (metric, limits) in bounds.sorted(by: { $0.key.rawValue < $1.key.rawValue }) {
            let wanted = [
                limits.min.map { "at least \(readable($0))" }, limits.max.map { "at most \(readable($0))" },
            ]
            .compactMap { $0 }.joined(separator: " and ")
            guard let value = metrics[metric] else {
                checks.add(.inconclusive, "\(metric.rawValue) is unknown, wanted \(wanted)")
                continue
            }
            let isFine = !value.isNaN && value >= limits.min ?? -.infinity && value <= limits.max ?? .infinity
            checks.check(isFine, "\(metric.rawValue) \(readable(value)), wanted \(wanted)")
        }
        return checks.report
    }
}

/// Compares a candidate with the champion on the same rows.
public struct ChampionGate: Sendable {
    private let policy: ChampionPolicy

    public init(_ policy: ChampionPolicy) {
        self.policy = policy
    }

    public func judge(candidate: Double?, champion: Double?) -> GateReport {
        var checks = GateChecks()
        let name = policy.metric.rawValue
        guard let candidate, let champion, !champion.isNaN else {
            checks.add(
                .inconclusive,
                "\(name) is unknown for the \(candidate == nil ? "candidate" : "champion")"
            )
            return checks.report
        }
        let delta = policy.metric.isHigherBetter ? candidate - champion : champion - candidate
        checks.check(
            !candidate.isNaN && delta >= policy.deltaMin,
            "\(name) \(readable(candidate)) against the champion's \(readable(champion)): "
                + "\(delta < 0 ? "worse" : "better") by \(readable(abs(delta))), "
                + (policy.deltaMin < 0
                    ? "allowed is worse by \(readable(-policy.deltaMin))"
                    : "wanted is better by \(readable(policy.deltaMin))")
        )
        return checks.report
    }
}
