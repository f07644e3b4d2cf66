import Foundation

/// What the platform promises about its speed: ratios of two figures of one run.
///
/// `Benchmarks/goals.json` holds them. Machines differ; a ratio to a server on the same machine in the same
/// run differs much less.
struct Goals: Decodable {
    enum Measure: String, Decodable {
        /// Requests a second, or rows a second where a request has many rows.
        case rate
        /// Microseconds.
        case p50, p99
    }

    struct Goal: Decodable {
        let what: String
        /// `<target>@<connections>`.
        let ours: String
        let beside: String
        let measure: Measure
        /// For `rate`.
        let atLeast: Double?
        /// For times.
        let atMost: Double?
        /// The ratio last measured to a limit server: a change that loses a quarter of it fails the check.
        let seen: Double?
    }

    let goals: [Goal]

    static func read() throws -> Goals {
        let file = PlatformUnderTest.packageRoot.appending(path: "Benchmarks/goals.json")
        return try JSONDecoder().decode(Goals.self, from: Data(contentsOf: file))
    }
}

/// All figures of one run of the benchmark, by `<target>@<connections>`.
struct ServingFigures {
    /// How much of a known ratio may be lost before the check fails.
    static let regressionMax = 0.25

    private(set) var table: [String: LoadFigures] = [:]

    subscript(key: String) -> LoadFigures {
        get { table[key, default: LoadFigures()] }
        set { table[key] = newValue }
    }

    func ratio(_ goal: Goals.Goal) -> Double? {
        guard let ours = value(goal.ours, goal.measure), let beside = value(goal.beside, goal.measure), beside > 0 else { return nil }
        return ours / beside
    }

    private func value(_ key: String, _ measure: Goals.Measure) -> Double? {
        guard let figures = table[key], !figures.requestsPerSecond.isEmpty else { return nil }
        switch measure {
        case .rate: return median(figures.requestsPerSecond)
        case .p50: return median(figures.p50)
        case .p99: return median(figures.p99)
        }
    }

    /// Prints every goal with what was measured; those whose figures this run does not have are said to be so.
    func show(_ goals: Goals) {
        say("\ngoals, as ratios of this run's figures")
        for goal in goals.goals {
            let wanted = goal.atLeast.map { "at least \($0)" } ?? goal.atMost.map { "at most \($0)" } ?? "-"
            guard let ratio = ratio(goal) else {
                say("  not measured  \(goal.what): \(goal.ours) / \(goal.beside)")
                continue
            }
            let isMet = goal.atLeast.map { ratio >= $0 } ?? goal.atMost.map { ratio <= $0 } ?? true
            say("  \(isMet ? "met         " : "NOT MET     ")  " + String(format: "%6.2f", ratio) + " (\(wanted))  \(goal.what): \(goal.measure.rawValue) of \(goal.ours) / \(goal.beside)")
        }
    }

    /// The goals that have lost more than a quarter of the ratio they are known to have.
    func regressions(_ goals: Goals) -> [String] {
        goals.goals.compactMap { goal in
            guard let seen = goal.seen, let ratio = ratio(goal) else { return nil }
            let floor = seen * (1 - Self.regressionMax)
            return ratio < floor ? String(format: "%@: %.2f, known to be %.2f, may fall to %.2f", goal.what, ratio, seen, floor) : nil
        }
    }
}
