import SlipwayCore
public import SlipwayHTTP
import SlipwayRelease

extension Reconciler {
    /// What the passes so far saw and did, for Prometheus.
    public func metricsPage() async -> MetricsPage {
        var page = MetricsPage()
        page.family("slipway_reconciler_passes_total", .counter, help: "Passes that have ended")
        page.sample("slipway_reconciler_passes_total", [:], passes)
        page.family("slipway_reconciler_failed_passes_total", .counter, help: "Passes that did not end in agreement with Git")
        page.sample("slipway_reconciler_failed_passes_total", [:], failedPasses)
        page.family("slipway_reconciler_in_agreement", .gauge, help: "1 when the last pass ended in agreement with Git")
        page.sample("slipway_reconciler_in_agreement", [:], currentProblem.isEmpty ? 1 : 0)
        page.family("slipway_reconciler_last_success_timestamp_seconds", .gauge, help: "When a pass last ended in agreement with Git; 0 before the first")
        page.sample("slipway_reconciler_last_success_timestamp_seconds", [:], Double(tally.lastSuccess?.milliseconds ?? 0) / 1_000)
        page.family("slipway_reconciler_generation", .gauge, help: "Grows by one with every commit that was taken up")
        page.sample("slipway_reconciler_generation", [:], tally.generation)
        page.family("slipway_reconciler_refused_releases", .gauge, help: "Release files of the head that cannot be taken up")
        page.sample("slipway_reconciler_refused_releases", [:], refusals.count)
        page.family("slipway_reconciler_drift_total", .counter, help: "What a pass found to mend although its release had been brought about")
        for kind in ReconcilerTally.Kind.allCases where kind.mends {
            page.sample("slipway_reconciler_drift_total", ["action": kind.rawValue], tally.drift[kind] ?? 0)
        }
        page.family("slipway_reconciler_actions_total", .counter, help: "What was carried out to reach what Git says, by how it ended")
        for kind in ReconcilerTally.Kind.allCases {
            page.sample("slipway_reconciler_actions_total", ["action": kind.rawValue, "outcome": "done"], tally.done[kind] ?? 0)
            page.sample("slipway_reconciler_actions_total", ["action": kind.rawValue, "outcome": "failed"], tally.failed[kind] ?? 0)
        }
        guard let models = try? await status() else { return page }
        page.family("slipway_release_state", .gauge, help: "1 for the state in which a model's release is")
        for model in models {
            for state in SyncState.allCases {
                page.sample("slipway_release_state", ["model": model.model.text, "state": state.rawValue], model.sync == state ? 1 : 0)
            }
        }
        return page
    }
}
