import Foundation
import SlipwayCore

/// What one variant did in a window.
public struct ObservedVariant: Sendable, Hashable, Codable {
    public let requests: Int
    /// Answers that were errors, non-finite ones included.
    public let errors: Int
    public let nonFinite: Int
    /// At the policy's quantile; `nil` without requests.
    public let latency: Duration?
    /// Predicted label, or bucket of the score → how often.
    public let predictions: [String: Int]

    public init(requests: Int, errors: Int, nonFinite: Int, latency: Duration?, predictions: [String: Int]) {
        self.requests = requests
        self.errors = errors
        self.nonFinite = nonFinite
        self.latency = latency
        self.predictions = predictions
    }
}

/// Judges the candidate against the champion in the same window.
public struct ObservationGate: Sendable {
    private let policy: ObservePolicy

    public init(_ policy: ObservePolicy) {
        self.policy = policy
    }

    /// What must not wait for the window's end: errors, once there are enough requests to call it a rate.
    public func judgeErrors(_ candidate: ObservedVariant) -> GateReport {
        var checks = GateChecks()
        judgeErrors(candidate, &checks)
        return checks.report
    }

    /// - Parameter champion: `nil` when there is none; comparisons are then left out.
    public func judge(candidate: ObservedVariant, champion: ObservedVariant?) -> GateReport {
        var checks = GateChecks()
        judgeErrors(candidate, &checks)
        guard candidate.requests >= policy.requestsMin, let champion else { return checks.report }
        guard champion.requests > 0 else {
            checks.add(.inconclusive, "the champion answered no request: nothing to compare with")
            return checks.report
        }
        judgeLatency(candidate, champion, &checks)
        judgeShift(candidate, champion, &checks)
        return checks.report
    }

    private func judgeErrors(_ candidate: ObservedVariant, _ checks: inout GateChecks) {
        guard candidate.requests >= policy.requestsMin else {
            return checks.add(
                .inconclusive,
                "\(candidate.requests) requests, \(policy.requestsMin) are needed to judge"
            )
        }
        let rate = Double(candidate.errors) / Double(candidate.requests)
        checks.check(
            rate <= policy.errorRateMax,
            "\(candidate.errors) errors (\(candidate.nonFinite) non-finite) in \(candidate.requests) requests: "
                + "rate \(readable(rate)), allowed \(readable(policy.errorRateMax))"
        )
    }

    private func judgeLatency(
        _ candidate: ObservedVariant,
        _ champion: ObservedVariant,
        _ checks: inout GateChecks
    ) {
        guard let slow = candidate.latency, let base = champion.latency, base > .zero else {
            return checks.add(.inconclusive, "there are no latencies to compare")
        }
        let ratio = slow / base
        let quantile = "p\(readable(policy.latencyQuantile * 100))"
        let numbers =
            "\(quantile) \(readable(slow.seconds * 1000)) ms against the champion's \(readable(base.seconds * 1000)) ms"
        if slow <= policy.latencyFloor {
            return checks.add(
                .pass,
                "\(numbers): within \(readable(policy.latencyFloor.seconds * 1000)) ms is fast enough"
            )
        }
        checks.check(
            ratio <= policy.latencyRatioMax,
            "\(numbers): ratio \(readable(ratio)), allowed \(readable(policy.latencyRatioMax))"
        )
    }

    /// Half the sum of the differences of shares, 0 to 1, less what two samples of this size differ by
    /// chance: with few requests and many labels the raw figure alone would refuse equal models.
    private func judgeShift(
        _ candidate: ObservedVariant,
        _ champion: ObservedVariant,
        _ checks: inout GateChecks
    ) {
        let left = Double(candidate.predictions.values.reduce(0, +))
        let right = Double(champion.predictions.values.reduce(0, +))
        guard left > 0, right > 0 else {
            return checks.add(.inconclusive, "there are no predictions to compare")
        }
        var shift = 0.0
        var chance = 0.0
        for key in Set(candidate.predictions.keys).union(champion.predictions.keys).sorted() {
            let ours = Double(candidate.predictions[key, default: 0])
            let theirs = Double(champion.predictions[key, default: 0])
            shift += abs(ours / left - theirs / right) / 2
            let share = (ours + theirs) / (left + right)
            chance += (share * (1 - share) * (1 / left + 1 / right) * 2 / Double.pi).squareRoot() / 2
        }
        let beyond = max(0, shift - chance)
        checks.check(
            beyond <= policy.predictionShiftMax,
            "predictions moved by \(readable(shift)), \(readable(chance)) of it by chance: "
                + "\(readable(beyond)), allowed \(readable(policy.predictionShiftMax))"
        )
    }
}
