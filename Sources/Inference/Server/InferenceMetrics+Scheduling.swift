import Atomics
import SlipwayHTTP
import SlipwayInference

extension InferenceMetrics {
    /// What became of requests that had to wait, and of the processes that serve them.
    static func addScheduling(of versions: [LoadedVersion], to page: inout MetricsPage) {
        let waiting = "slipway_inference_waiting_requests"
        page.family(waiting, .gauge, help: "Requests that wait for their run")
        for version in versions {
            page.sample(waiting, ["model": version.model, "version": "\(version.version)"], version.scheduler.waiting)
        }
        let dropped = "slipway_inference_dropped_requests_total"
        page.family(dropped, .counter, help: "Requests that were not run: the line was full, their time was over, their client was gone")
        for version in versions {
            let counters = version.scheduler.counters
            for (reason, count) in [("full", counters.refused), ("expired", counters.expired), ("cancelled", counters.cancelled)] {
                page.sample(
                    dropped,
                    ["model": version.model, "version": "\(version.version)", "reason": reason],
                    count.load(ordering: .relaxed)
                )
            }
        }
        let broken = "slipway_inference_broken_batches_total"
        page.family(broken, .counter, help: "Batches that failed and were repeated one request at a time")
        for version in versions {
            page.sample(
                broken,
                ["model": version.model, "version": "\(version.version)"],
                version.scheduler.counters.brokenBatches.load(ordering: .relaxed)
            )
        }
        let restarts = "slipway_inference_worker_restarts_total"
        page.family(restarts, .counter, help: "Times that a process that serves the version was started again")
        for version in versions {
            guard let count = version.session.restarts else { continue }
            page.sample(restarts, ["model": version.model, "version": "\(version.version)"], count)
        }
    }
}
