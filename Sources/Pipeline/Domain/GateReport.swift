public import SlipwayCore

/// What a gate says, and the numbers it compared, one line each.
public struct GateReport: Sendable, Hashable, Codable {
    public let verdict: Verdict
    public let lines: [String]

    public init(verdict: Verdict, lines: [String]) {
        self.verdict = verdict
        self.lines = lines
    }

    /// Several gates as one: ``Verdict/all(_:)`` over their verdicts, their lines in order.
    public static func all(_ reports: [GateReport]) -> GateReport {
        GateReport(verdict: .all(reports.map(\.verdict)), lines: reports.flatMap(\.lines))
    }
}

/// Collects a gate's checks.
struct GateChecks {
    private(set) var verdicts: [Verdict] = []
    private(set) var lines: [String] = []

    mutating func add(_ verdict: Verdict, _ line: String) {
        verdicts.append(verdict)
        lines.append("\(verdict.rawValue): \(line)")
    }

    mutating func check(_ isFine: Bool, _ line: String) {
        add(isFine ? .pass : .fail, line)
    }

    var report: GateReport { GateReport(verdict: .all(verdicts), lines: lines) }
}
