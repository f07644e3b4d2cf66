import SlipwayCore
import SlipwayPipeline
import SlipwayRelease

extension Road {
    /// Judges the candidate at one weight, until the window is over and there is enough to judge by.
    ///
    /// - Parameter lastChampion: What the champion did at the weight before, for when it gets no traffic.
    /// - Returns: The step, and what the champion did meanwhile.
    func observe(
        _ weight: Percent,
        lastChampion: ObservedVariant?
    ) async throws -> (StepRecord, champion: ObservedVariant?) {
        var seen: ObservedVariant?
        let record = try await step(.observe, weight.text) { record in
            // After a restart the routes may not be up yet.
            if record.recoveries > 0, let commit = record.releaseCommit {
                _ = try await ports.sync.sync(model, at: commit, deadline: settings.syncLimit)
            }
            // Of the weight before; what another process saw is in the record.
            let (report, champion) = try await watch(record, weight, lastChampion ?? record.championWindow)
            seen = champion
            if let champion, weight < Percent(whole: 100) {
                try await journal.update { $0.championWindow = champion }
            }
            var outcome = StepOutcome.gate(report)
            if outcome.verdict == .inconclusive {
                outcome.details.append("no verdict in \(spec.rollout.observe.timeout.milliseconds) ms")
            }
            return outcome
        }
        return (record, seen)
    }

    private func watch(
        _ record: RunRecord,
        _ weight: Percent,
        _ lastChampion: ObservedVariant?
    ) async throws -> (GateReport, champion: ObservedVariant?) {
        let policy = spec.rollout.observe
        let gate = ObservationGate(policy)
        let versions = Set([record.candidate, record.champion].compactMap { $0 })
        let window = try await persistently { try await ports.observer.watch(model, versions: versions) }
        let elapsed = stopwatch(ports.clock)
        var saidAt = Duration.zero
        // Bounded by the policy's timeout.
        while true {
            try await ports.clock.sleep(for: settings.observePoll)
            let counters: [ModelVersion: VariantCounters]
            let covered: Duration?
            switch try await persistently({ try await window.reading() }) {
            case .counted(let seen, let known): (counters, covered) = (seen, known)
            case .blind(let reason):
                // Not seeing is no verdict, whatever the policy: what can be seen again may still be judged.
                if elapsed() >= policy.timeout {
                    return (GateReport(verdict: .inconclusive, lines: ["inconclusive: \(reason)"]), nil)
                }
                continue
            }
            let candidate = observed(record.candidate, counters)
            let champion = observed(record.champion, counters)
            let early = gate.judgeErrors(candidate)
            if early.verdict == .fail { return (early, champion) }
            let passed = elapsed()
            if passed - saidAt >= .seconds(1) {
                saidAt = passed
                progress(
                    .observe,
                    "weight \(weight.text) %: \(candidate.requests) requests, \(candidate.errors) errors"
                )
            }
            guard covered ?? passed >= policy.window else {
                guard passed >= policy.timeout else { continue }
                let known = "only \((covered ?? passed).milliseconds) ms of \(policy.window.milliseconds) ms could be seen"
                return (GateReport(verdict: .inconclusive, lines: ["inconclusive: \(known)"]), nil)
            }
            let isAlone = weight == Percent(whole: 100)
            var report = gate.judge(candidate: candidate, champion: isAlone ? lastChampion : champion)
            if isAlone {
                let note =
                    lastChampion == nil
                    ? "no window of the champion is left to compare with"
                    : "compared with the champion's window before"
                report = GateReport(verdict: report.verdict, lines: report.lines + [note])
            }
            let mayWait = policy.onInconclusive == .hold && passed < policy.timeout
            if report.verdict != .inconclusive || !mayWait {
                return (report, isAlone ? lastChampion : champion)
            }
        }
    }

    /// A gateway that does not answer for a moment is not a verdict; it is asked again.
    private func persistently<Value>(_ ask: () async throws -> Value) async throws -> Value {
        var failure: any Error = PlatformError(.unavailable, "no gateway was asked")
        for attempt in 0..<Self.counterAttemptsMax {
            do {
                return try await ask()
            } catch let error as PlatformError where error.code == .unavailable {
                failure = error
                try await ports.clock.sleep(for: .milliseconds(100 << attempt))
            }
        }
        throw failure
    }

    private static let counterAttemptsMax = 6

    private func observed(_ version: ModelVersion?, _ counters: [ModelVersion: VariantCounters]) -> ObservedVariant {
        ObservedVariant(
            version.flatMap { counters[$0] } ?? VariantCounters(),
            quantile: spec.rollout.observe.latencyQuantile
        )
    }
}

extension ObservedVariant {
    init(_ counters: VariantCounters, quantile: Double) {
        self.init(
            requests: counters.requests,
            errors: counters.errors,
            nonFinite: counters.nonFinite,
            latency: counters.latencyMicroseconds(quantile: quantile).map {
                .microseconds(min($0, VariantCounters.latencyBoundsMicroseconds.last.map { $0 * 2 } ?? $0))
            },
            predictions: counters.predictions
        )
    }
}
