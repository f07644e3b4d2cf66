import HTTPTypes
import SlipwayCore
import SlipwayTracking

/// The values that a metric had: of one run page by page, of many runs whole or as samples for a chart.
struct MetricHistoryCalls: Sendable {
    let store: any RunStoring

    var all: [TrackingCall] {
        [
            TrackingCall(.get, "metrics/get-history", history),
            TrackingCall(.get, "metrics/get-history-bulk", bulk),
            TrackingCall(.get, "metrics/get-history-bulk-interval", samples),
        ]
    }

    @Sendable private func history(_ parameters: Parameters) async throws -> JSONValue {
        let (runID, key) = (try parameters.runID(), try parameters.required("metric_key"))
        let token = try parameters.text("page_token") ?? ""
        let limit = try parameters.int("max_results") ?? TrackingLimits.historyResultsMax
        guard limit > 0 else {
            throw PlatformError(.invalidArgument, "Invalid value \(limit) for parameter 'max_results' supplied. It must be a positive integer.")
        }
        let page = try await store.metricHistory(
            runID: runID,
            key: key,
            limit: Int(min(limit, TrackingLimits.searchResultsMax)),
            after: token.isEmpty ? nil : try SearchCursor(token: token)
        )
        return page.json("metrics", TrackingJSON.metric)
    }

    @Sendable private func bulk(_ parameters: Parameters) async throws -> JSONValue {
        let runs = try parameters.texts("run_id")
        guard !runs.isEmpty else {
            throw PlatformError(.invalidArgument, "GetMetricHistoryBulk request must specify at least one run_id.")
        }
        guard runs.count <= TrackingLimits.historyRunsMax else {
            throw PlatformError(
                .invalidArgument,
                "GetMetricHistoryBulk request cannot specify more than \(TrackingLimits.historyRunsMax) run_ids. Received \(runs.count) run_ids."
            )
        }
        guard let key = try parameters.text("metric_key") else {
            throw PlatformError(.invalidArgument, "GetMetricHistoryBulk request must specify a metric_key.")
        }
        let limit = min(try parameters.int("max_results") ?? TrackingLimits.historyResultsMax, TrackingLimits.historyResultsMax)
        var found: [RunMetric] = []
        for run in Set(runs).sorted() {
            guard found.count < limit else { break }
            let page = try await store.metricHistory(runID: run, key: key, limit: max(Int(limit) - found.count, 1), after: nil)
            found += page.items.map { RunMetric(metric: $0, runID: run) }
        }
        return ["metrics": .array(found.map(TrackingJSON.metric))]
    }

    @Sendable private func samples(_ parameters: Parameters) async throws -> JSONValue {
        guard parameters.value("run_ids") != nil else { throw parameters.missing("run_ids") }
        let runs = try parameters.texts("run_ids")
        guard runs.count <= TrackingLimits.historyRunsMax else {
            throw refusal(
                "GetMetricHistoryBulkInterval request must specify at most \(TrackingLimits.historyRunsMax) run_ids. "
                    + "Received \(runs.count) run_ids."
            )
        }
        let key = try parameters.required("metric_key")
        let limit = try parameters.int("max_results") ?? TrackingLimits.historySamplesMax
        guard (1...TrackingLimits.historySamplesMax).contains(limit) else {
            throw refusal("max_results must be between 1 and \(TrackingLimits.historySamplesMax).")
        }
        var steps: ClosedRange<Int64>?
        switch (try parameters.int("start_step"), try parameters.int("end_step")) {
        case (nil, nil): break
        case (let start?, let end?):
            guard start <= end else {
                throw PlatformError(
                    .invalidArgument,
                    "end_step must be greater than start_step. Found start_step=\(start) and end_step=\(end)."
                )
            }
            steps = start...end
        default:
            throw PlatformError(.invalidArgument, "If either start step or end step are specified, both must be specified.")
        }
        var found: [RunMetric] = []
        for run in runs {
            found += try await store.metricSamples(runID: run, key: key, steps: steps, limit: Int(limit)).map { RunMetric(metric: $0, runID: run) }
        }
        return ["metrics": .array(found.map(TrackingJSON.metric))]
    }

    private func refusal(_ words: String) -> PlatformError {
        PlatformError(.invalidArgument, "\(words) \(Parameters.hint)")
    }
}
