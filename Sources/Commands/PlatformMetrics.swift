import SlipwayCore
import SlipwayHTTP
import SlipwayNotifications
import SlipwayPipeline
import SlipwayPipelineRunner
import SlipwayReconciler

/// What `slipway up` says about itself to Prometheus, at the console's `/metrics`; the gateway and the
/// model server have pages of their own.
struct PlatformMetrics: Sendable {
    let reconciler: Reconciler
    let notifier: SlackNotifier
    let engine: PipelineEngine

    func page() async -> MetricsPage {
        var page = await reconciler.metricsPage()
        page.append(Self.page(await notifier.tally))
        page.append(Self.page(engine.tally))
        return page
    }

    static func page(_ tally: NotificationTally) -> MetricsPage {
        var page = MetricsPage()
        page.family("slipway_notifications_pending", .gauge, help: "Notifications that are not out yet")
        page.sample("slipway_notifications_pending", [:], tally.pending)
        page.family("slipway_notifications_oldest_age_seconds", .gauge, help: "How long the oldest of them has waited; 0 without one")
        page.sample("slipway_notifications_oldest_age_seconds", [:], tally.oldest.seconds)
        page.family("slipway_notifications_finished_total", .counter, help: "Notifications by what became of them")
        for (outcome, count) in [("delivered", tally.delivered), ("accepted", tally.accepted), ("failed", tally.failed)] {
            page.sample("slipway_notifications_finished_total", ["outcome": outcome], count)
        }
        return page
    }

    static func page(_ tally: RunTally) -> MetricsPage {
        var page = MetricsPage()
        page.family("slipway_pipeline_runs", .gauge, help: "Runs that have not ended, by state")
        for state in RunState.allCases where !state.isFinal {
            page.sample("slipway_pipeline_runs", ["state": state.rawValue], tally.open[state] ?? 0)
        }
        page.family("slipway_pipeline_runs_ended_total", .counter, help: "Runs that have ended, by how")
        for state in RunState.allCases where state.isFinal {
            page.sample("slipway_pipeline_runs_ended_total", ["state": state.rawValue], tally.ended[state] ?? 0)
        }
        let name = "slipway_pipeline_run_duration_seconds"
        page.family(name, .histogram, help: "From a run's acceptance to its end")
        page.histogram(name, labels: [], bounds: RunTally.boundsSeconds, counts: tally.durationCounts, sum: tally.durationSeconds)
        return page
    }
}
