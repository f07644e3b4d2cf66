import SlipwayCore

/// Compares new training data with what the champion was trained on, column by column.
public struct DriftGate: Sendable {
    private let policy: DriftPolicy

    public init(_ policy: DriftPolicy) {
        self.policy = policy
    }

    /// A column that is new, gone or of another kind fails: the graph would be fed something else. No rows
    /// are inconclusive.
    public func judge(new: Profile, champion: Profile) -> GateReport {
        var findings: [(verdict: Verdict, distance: Double, line: String)] = []
        for column in champion.columns where new.column(column.name) == nil {
            findings.append((.fail, .infinity, "column '\(column.name)' of the champion's data is gone"))
        }
        for column in new.columns {
            guard let before = champion.column(column.name) else {
                findings.append((.fail, .infinity, "column '\(column.name)' is new"))
                continue
            }
            findings.append(compare(column, with: before))
        }
        findings.sort { (Self.rank($0.verdict), $0.distance) > (Self.rank($1.verdict), $1.distance) }
        var checks = GateChecks()
        for finding in findings { checks.add(finding.verdict, finding.line) }
        let report = checks.report
        let shown = Array(report.lines.prefix(PipelineLimits.reportLinesMax))
        let failed = findings.count { $0.verdict == .fail }
        let summary =
            "\(findings.count) columns compared, \(failed) drifted; "
            + "\(new.rows) rows against the champion's \(champion.rows)"
        let rest = report.lines.count - shown.count
        return GateReport(
            verdict: report.verdict,
            lines: [summary] + shown + (rest > 0 ? ["\(rest) more columns moved less"] : [])
        )
    }

    private func compare(
        _ column: Profile.Column,
        with before: Profile.Column
    ) -> (verdict: Verdict, distance: Double, line: String) {
        let name = "column '\(column.name)'"
        if let left = column.sample, let right = before.sample {
            guard let test = KolmogorovSmirnov(left, right) else {
                return (.inconclusive, 0, "\(name) has no values")
            }
            return (
                test.statistic <= policy.statisticMax ? .pass : .fail, test.statistic,
                "\(name) KS \(readable(test.statistic)) (p \(readable(test.pValue))), allowed \(readable(policy.statisticMax))"
            )
        }
        if let left = column.categories, let right = before.categories {
            guard let index = PopulationStability.index(right, left) else {
                return (.inconclusive, 0, "\(name) has no values")
            }
            return (
                index <= policy.stabilityMax ? .pass : .fail, index,
                "\(name) PSI \(readable(index)), allowed \(readable(policy.stabilityMax))"
            )
        }
        return (
            .fail, .infinity,
            "\(name) changed from \(before.isNumeric ? "numbers to texts" : "texts to numbers")"
        )
    }

    private static func rank(_ verdict: Verdict) -> Int {
        switch verdict {
        case .fail: 2
        case .inconclusive: 1
        case .pass: 0
        }
    }
}
