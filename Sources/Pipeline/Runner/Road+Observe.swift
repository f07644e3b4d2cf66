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
        var base = try await counters()
        let elapsed = stopwatch(ports.clock)
        var saidAt = Duration.zero
        // Bounded by the policy's timeout.
        while true {
            try await ports.clock.sleep(for: settings.observePoll)
            let now = try await counters()
            let candidate = observed(record.candidate, base, now)
            let champion = observed(record.champion, base, now)
            guard let candidate, let champion else {
                // A gateway has started anew, and its counters with it.
                base = now
                if elapsed() >= policy.timeout { return (lost, nil) }
                continue
            }
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
            guard passed >= policy.window else { continue }
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

    private var lost: GateReport {
        GateReport(
            verdict: .inconclusive,
            lines: ["inconclusive: the gateways' counters began anew again and again"]
        )
    }

    /// A gateway that does not answer for a moment is not a verdict; it is asked again.
    private func counters() async throws -> [ModelVersion: VariantCounters] {
        var failure: any Error = PlatformError(.unavailable, "no gateway was asked")
        for attempt in 0..<Self.counterAttemptsMax {
            do {
                return try await ports.observer.counters(of: model)
            } catch let error as PlatformError where error.code == .unavailable {
                failure = error
                try await ports.clock.sleep(for: .milliseconds(100 << attempt))
            }
        }
        throw failure
    }

    private static let counterAttemptsMax = 6

    /// `nil` when the counters went backwards.
    private func observed(
        _ version: ModelVersion?,
        _ base: [ModelVersion: VariantCounters],
        _ now: [ModelVersion: VariantCounters]
    ) -> ObservedVariant? {
        guard let version else { return ObservedVariant(VariantCounters(), quantile: 0.5) }
        let window = (now[version] ?? VariantCounters()).since(base[version] ?? VariantCounters())
        guard window.requests >= 0, window.errors >= 0, !window.latencyCounts.contains(where: { $0 < 0 })
        else { return nil }
        return ObservedVariant(window, quantile: spec.rollout.observe.latencyQuantile)
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
