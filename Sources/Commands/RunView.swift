import SlipwayCore
import SlipwayPipeline

/// Turns a run's events into the lines a person reads, live or through a pipe.
///
/// A value: events in, lines out. Each step is one line when it ends, its details below it; what a
/// user's step prints appears as it comes.
struct RunView {
    private let ink: Ink
    private var seen: [String: StepState] = [:]
    private var isHeaderOut = false
    /// What is under way, for the line that a terminal overwrites.
    private(set) var underWay = ""

    init(ink: Ink) {
        self.ink = ink
    }

    mutating func lines(for event: RunEvent) -> [String] {
        switch event {
        case .run(let run): lines(for: run)
        case .output(let step, let line): [ink.dim("    \(step.rawValue) | ") + line]
        case .progress(let step, let text): progress(step, text)
        }
    }

    private mutating func progress(_ step: StepName, _ text: String) -> [String] {
        underWay = "\(step.rawValue): \(text)"
        return []
    }

    private mutating func lines(for run: RunRecord) -> [String] {
        var lines: [String] = []
        if !isHeaderOut {
            isHeaderOut = true
            lines.append(ink.bold("run \(run.id)") + "  model \(run.model)")
        }
        underWay = run.steps.first { $0.state == .running }.map { "\($0.title) …" } ?? ""
        for step in run.steps where seen[step.title] != step.state {
            seen[step.title] = step.state
            lines += self.lines(for: step)
        }
        if run.state.isFinal || run.state == .pendingNotify { lines += ending(of: run) }
        return lines
    }

    private func lines(for step: StepRecord) -> [String] {
        let title = step.title.padding(to: 16)
        let details = step.details.map { "      " + ink.dim($0) }
        switch step.state {
        case .waiting, .running: return []
        case .passed: return ["  \(ink.green("✓")) \(title) \(time(of: step))"] + details
        case .refused: return ["  \(ink.red("✗")) \(title) \(time(of: step))  \(ink.red("refused"))"] + details
        case .failed: return ["  \(ink.red("✗")) \(title) \(time(of: step))  \(ink.red("failed"))"] + details
        case .cancelled: return ["  \(ink.yellow("-")) \(title) cancelled"] + details
        case .skipped: return ["  \(ink.dim("-")) \(title) \(ink.dim("skipped"))"] + details
        }
    }

    private func time(of step: StepRecord) -> String {
        guard let started = step.started, let finished = step.finished else { return "" }
        return readable(finished.since(started)).padding(to: 7, left: true)
    }

    private func ending(of run: RunRecord) -> [String] {
        let conditions = SuccessCondition.allCases.map { condition in
            run.conditions.contains(condition)
                ? ink.green("✓ \(condition.rawValue)") : ink.dim("· \(condition.rawValue)")
        }
        let state = run.state == .succeeded ? ink.green(run.state.rawValue) : ink.red(run.state.rawValue)
        return ["  " + conditions.joined(separator: "  "), "\(ink.bold(state)): \(run.summary)"]
    }
}

/// A duration as a person says it: `87 ms`, `5.2 s`, `3 m 10 s`.
func readable(_ duration: Duration) -> String {
    let milliseconds = duration.milliseconds
    switch milliseconds {
    case ..<1000: return "\(milliseconds) ms"
    case ..<60_000: return "\(Double(milliseconds / 100) / 10) s"
    default: return "\(milliseconds / 60_000) m \(milliseconds / 1000 % 60) s"
    }
}

extension String {
    func padding(to width: Int, left: Bool = false) -> String {
        let space = String(repeating: " ", count: max(0, width - count))
        return left ? space + self : self + space
    }
}
