import HTTPTypes
import SlipwayCore
import SlipwayTracking

struct RunCalls: Sendable {
    let store: any RunStoring

    var all: [TrackingCall] { lifecycle + logging + reading }

    private var lifecycle: [TrackingCall] {
        [
            TrackingCall(.post, "runs/create") { parameters in
                let run = try await store.createRun(
                    experiment: try parameters.text("experiment_id").flatMap { $0.isEmpty ? nil : $0 } ?? "0",
                    name: try parameters.text("run_name").flatMap { $0.isEmpty ? nil : $0 },
                    user: try parameters.text("user_id") ?? "",
                    started: try parameters.int("start_time").map { Timestamp(milliseconds: $0) },
                    tags: try parameters.pairs("tags")
                )
                return ["run": TrackingJSON.run(run)]
            },
            TrackingCall(.post, "runs/update") { parameters in
                let run = try await store.updateRun(
                    id: try parameters.runID(),
                    status: try status(parameters),
                    ended: try parameters.int("end_time").map { Timestamp(milliseconds: $0) },
                    name: try parameters.text("run_name")
                )
                return ["run_info": TrackingJSON.info(run)]
            },
            TrackingCall(.post, "runs/delete") { parameters in
                try await store.setStage(.deleted, run: try parameters.required("run_id"))
                return [:]
            },
            TrackingCall(.post, "runs/restore") { parameters in
                try await store.setStage(.active, run: try parameters.required("run_id"))
                return [:]
            },
        ]
    }

    private var logging: [TrackingCall] {
        [
            TrackingCall(.post, "runs/log-metric") { parameters in
                try await store.log(runID: try parameters.runID(), metrics: [try metric(parameters)], parameters: [:], tags: [:])
                return [:]
            },
            TrackingCall(.post, "runs/log-parameter") { parameters in
                let pair = [try parameters.required("key"): try parameters.text("value") ?? ""]
                try Self.check(parameters: pair)
                try await store.log(runID: try parameters.runID(), metrics: [], parameters: pair, tags: [:])
                return [:]
            },
            TrackingCall(.post, "runs/set-tag") { parameters in
                let pair = [try parameters.required("key"): try parameters.text("value") ?? ""]
                try Self.check(tags: pair)
                try await store.log(runID: try parameters.runID(), metrics: [], parameters: [:], tags: pair)
                return [:]
            },
            TrackingCall(.post, "runs/delete-tag") { parameters in
                try await store.deleteRunTag(runID: try parameters.required("run_id"), key: try parameters.required("key"))
                return [:]
            },
            TrackingCall(.post, "runs/log-batch") { try await logBatch($0) },
            TrackingCall(.post, "runs/log-inputs") { parameters in
                try await store.logInputs(
                    runID: try parameters.required("run_id"),
                    datasets: try parameters.list("datasets"),
                    models: try parameters.objects("models").map { try $0.required("model_id") }
                )
                return [:]
            },
            TrackingCall(.post, "runs/outputs") { parameters in
                let models = try parameters.objects("models").map {
                    ModelOutput(modelID: try $0.required("model_id"), step: try $0.int("step") ?? 0)
                }
                try await store.logOutputs(runID: try parameters.required("run_id"), models: models)
                return [:]
            },
        ]
    }

    private var reading: [TrackingCall] {
        [
            TrackingCall(.get, "runs/get") { parameters in
                ["run": TrackingJSON.run(try await store.run(id: try parameters.runID()))]
            },
            TrackingCall(.post, "runs/search") { parameters in
                let search = try Search(parameters, defaultLimit: TrackingLimits.searchResultsDefault, view: "run_view_type")
                return try await store.searchRuns(experiments: try parameters.texts("experiment_ids"), search)
                    .json("runs", TrackingJSON.run)
            },
            TrackingCall(.get, "metrics/get-history") { parameters in
                let token = try parameters.text("page_token") ?? ""
                let page = try await store.metricHistory(
                    runID: try parameters.runID(),
                    key: try parameters.required("metric_key"),
                    limit: Int(min(max(try parameters.int("max_results") ?? 25_000, 1), TrackingLimits.searchResultsMax)),
                    after: token.isEmpty ? nil : try SearchCursor(token: token)
                )
                return page.json("metrics", TrackingJSON.metric)
            },
        ]
    }

    private func status(_ parameters: Parameters) throws -> RunStatus? {
        guard let text = try parameters.text("status") else { return nil }
        guard let status = RunStatus(rawValue: text) else {
            throw PlatformError(.invalidArgument, "Invalid value \"\(text)\" for parameter 'status' supplied.")
        }
        return status
    }

    private func metric(_ parameters: Parameters) throws -> Metric {
        let key = try parameters.required("key")
        guard key.utf8.count <= TrackingLimits.keyBytesMax else { throw Self.tooLong("metric name", key) }
        guard let time = try parameters.int("timestamp") else {
            throw PlatformError(.invalidArgument, "Missing value for required parameter 'timestamp'. See the API docs for more information about request parameters.")
        }
        return Metric(
            key: key,
            value: try parameters.double("value"),
            timestamp: Timestamp(milliseconds: time),
            step: try parameters.int("step") ?? 0,
            modelID: try parameters.text("model_id")
        )
    }

    private func logBatch(_ parameters: Parameters) async throws -> JSONValue {
        let metrics = try parameters.objects("metrics").map { try metric($0) }
        let params = try parameters.pairs("params")
        let tags = try parameters.pairs("tags")
        try Self.checkCount(metrics.count, TrackingLimits.metricsPerBatchMax, "metrics")
        try Self.checkCount(params.count, TrackingLimits.parametersPerBatchMax, "params")
        try Self.checkCount(tags.count, TrackingLimits.tagsPerBatchMax, "tags")
        try Self.check(parameters: params)
        try Self.check(tags: tags)
        // One key twice with two values is the clash that a second call would be.
        let given = try parameters.objects("params")
        if given.count != params.count {
            for item in given where params[try item.required("key")] != (try item.text("value") ?? "") {
                throw PlatformError(.invalidArgument, "Duplicate parameter keys have been submitted: ['\(try item.required("key"))']. Please ensure the request contains only one param value per param key.")
            }
        }
        try await store.log(runID: try parameters.runID(), metrics: metrics, parameters: params, tags: tags)
        return [:]
    }

    private static func checkCount(_ count: Int, _ limit: Int, _ what: String) throws {
        guard count <= limit else {
            throw PlatformError(.invalidArgument, "A batch logging request can contain at most \(limit) \(what). Got \(count) \(what). Please split up \(what) across multiple requests and try again.")
        }
    }

    private static func check(parameters: [String: String]) throws {
        for (key, value) in parameters {
            guard key.utf8.count <= TrackingLimits.keyBytesMax else { throw tooLong("param name", key) }
            guard value.count <= TrackingLimits.parameterValueMax else {
                throw PlatformError(.invalidArgument, "Param value '\(value.prefix(250))...' had length \(value.count), which exceeded length limit of \(TrackingLimits.parameterValueMax)")
            }
        }
    }

    private static func check(tags: [String: String]) throws {
        for (key, value) in tags {
            guard key.utf8.count <= TrackingLimits.keyBytesMax else { throw tooLong("tag name", key) }
            guard value.count <= TrackingLimits.tagValueMax else {
                throw PlatformError(.invalidArgument, "Tag value '\(value.prefix(250))...' had length \(value.count), which exceeded length limit of \(TrackingLimits.tagValueMax)")
            }
        }
    }

    private static func tooLong(_ what: String, _ key: String) -> PlatformError {
        PlatformError(.invalidArgument, "The \(what) '\(key.prefix(80))…' is longer than \(TrackingLimits.keyBytesMax) bytes")
    }
}
