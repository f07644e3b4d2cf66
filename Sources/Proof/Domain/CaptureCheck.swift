public import SlipwayCore

/// One claim about a platform, judged by what was observed.
public struct CaptureCheck: Sendable, Equatable {
    /// `engines-healthy`.
    public let name: String
    public let verdict: Verdict
    /// What was expected and what was seen, in a sentence.
    public let finding: String

    public init(_ name: String, _ verdict: Verdict, _ finding: String) {
        self.name = name
        self.verdict = verdict
        self.finding = finding
    }

    /// The verdict of all: `fail` when one fails, `pass` when all pass and there is one, else `inconclusive`.
    public static func verdict(of checks: [CaptureCheck]) -> Verdict {
        if checks.contains(where: { $0.verdict == .fail }) { return .fail }
        return !checks.isEmpty && checks.allSatisfy { $0.verdict == .pass } ? .pass : .inconclusive
    }

    var json: JSONValue {
        ["name": .string(name), "verdict": .string(verdict.rawValue), "finding": .string(finding)]
    }
}

/// A state of a whole platform that can be proven: which claims make it up.
///
/// The claims are a pure function of the facts that were observed. Whoever verifies a capture computes
/// them again from the same facts, so that a verdict cannot be signed that the evidence does not bear.
public enum CaptureKind: String, Sendable, CaseIterable {
    /// Core serves, Optional is detached and nothing of it runs.
    case coreOnly = "core_only"
    /// Optional was detached and attached again; its data is there, and Core did not notice.
    case optionalOn = "optional_on"
    /// A model went all the way, under traffic, and serves.
    case endToEnd = "e2e_success"

    public func checks(of facts: JSONValue) -> [CaptureCheck] {
        let facts = CaptureFacts(facts)
        switch self {
        case .coreOnly: return core(facts) + [facts.optionalDetached, facts.noOptionalApplication]
        case .optionalOn: return core(facts) + [facts.optionalAttached, facts.switchChangedOneFile, facts.coreUntouched, facts.dataSurvived, facts.traffic]
        case .endToEnd: return core(facts) + [facts.runSucceeded, facts.runProven, facts.runServes, facts.traffic]
        }
    }

    private func core(_ facts: CaptureFacts) -> [CaptureCheck] {
        let seen = [facts.enginesHealthy, facts.applicationsSound, facts.modelsServe, facts.predictionsAnswered]
        // In a cluster the chain is on the reconciler's volume, out of reach: `slipway proof verify` is run there.
        return facts.isCluster ? seen : seen + [facts.proofsHold]
    }
}
