import SlipwayCore
import SlipwayPipeline

/// Why a run goes no further.
struct RoadStop: Error {
    enum Kind {
        /// A gate's verdict.
        case refused
        case failed
        /// Somebody else changed what this run was changing: theirs stays.
        case superseded
    }

    let kind: Kind
    let step: String
    /// One sentence with the numbers.
    let reason: String

    var sentence: String { "\(step): \(reason)" }
}

extension RunRecord {
    /// Why the run goes no further, when that was decided before a restart.
    var recordedStop: RoadStop? {
        let stopped = steps.first { step in
            (step.state == .refused || step.state == .failed) && step.name != .notify
                && step.name != .rollback
        }
        if let stopped {
            let outcome = StepOutcome(
                state: stopped.state,
                verdict: stopped.verdict,
                details: stopped.details
            )
            let kind: RoadStop.Kind = stopped.state == .refused ? .refused : .failed
            return RoadStop(kind: kind, step: stopped.title, reason: outcome.reason)
        }
        return rollbackReason.map { RoadStop(kind: .failed, step: "recovery", reason: $0) }
    }
}

/// What a step comes to.
struct StepOutcome: Sendable {
    var state: StepState
    var verdict: Verdict?
    var details: [String]

    static func passed(_ details: [String] = []) -> StepOutcome {
        StepOutcome(state: .passed, verdict: nil, details: details)
    }

    static func skipped(_ why: String) -> StepOutcome {
        StepOutcome(state: .skipped, verdict: nil, details: [why])
    }

    /// A gate passes on `pass`, and on `inconclusive` only where the policy says so.
    static func gate(_ report: GateReport, onInconclusive: InconclusivePolicy = .refuse) -> StepOutcome {
        let isFine =
            report.verdict == .pass || (report.verdict == .inconclusive && onInconclusive == .proceed)
        return StepOutcome(state: isFine ? .passed : .refused, verdict: report.verdict, details: report.lines)
    }

    /// What a refusal says in one sentence: the first line that did not pass.
    var reason: String {
        let line =
            details.first { $0.hasPrefix("fail: ") } ?? details.first { $0.hasPrefix("inconclusive: ") }
        return line ?? details.first ?? "refused without a reason"
    }
}

/// An error in the words of a record.
func sentence(_ error: any Error) -> String {
    guard let known = error as? PlatformError else { return "an unexpected error: \(error)" }
    return known.remedy.map { "\(known.message) (\($0))" } ?? known.message
}
