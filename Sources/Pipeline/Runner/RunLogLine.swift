import Logging
import SlipwayCore
import SlipwayPipeline

/// What the platform's log says about a change of a run: one line when a step ends, one when the run does.
struct RunLogLine: Equatable {
    let level: Logger.Level
    let message: String
    let fields: [LogKey: String]

    var metadata: Logger.Metadata { fields.reduce(into: [:]) { $0[$1.key.rawValue] = .string($1.value) } }

    static func lines(from before: RunRecord, to after: RunRecord) -> [RunLogLine] {
        var about: [LogKey: String] = [.runID: after.id.text, .modelName: after.model.text]
        if let candidate = after.candidate { about[.modelVersion] = "\(candidate)" }
        if let commit = after.releaseCommit { about[.releaseCommit] = commit.text }
        var lines: [RunLogLine] = []
        for step in after.steps where isEnd(step.state) {
            let earlier = before.steps.first { $0.name == step.name && $0.part == step.part }
            guard earlier?.state != step.state else { continue }
            let fields = about.merging([.stepName: step.name.rawValue]) { $1 }
            let isGood = step.state == .passed || step.state == .skipped
            lines.append(RunLogLine(level: isGood ? .notice : .warning, message: "step '\(step.title)' \(step.state.rawValue)", fields: fields))
        }
        if after.state.isFinal, !before.state.isFinal {
            lines.append(
                RunLogLine(
                    level: after.state == .succeeded ? .notice : .warning,
                    message: "run \(after.state.rawValue)\(after.summary.isEmpty ? "" : ": \(after.summary)")",
                    fields: about
                )
            )
        }
        return lines
    }

    private static func isEnd(_ state: StepState) -> Bool {
        switch state {
        case .waiting, .running: false
        case .passed, .refused, .failed, .skipped, .cancelled: true
        }
    }
}
