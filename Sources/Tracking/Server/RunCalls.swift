import HTTPTypes
import SlipwayCore
import SlipwayTracking

struct RunCalls: Sendable {
    let store: any RunStoring

    var all: [TrackingCall] { lifecycle + logging + reading }

    private var lifecycle: [TrackingCall] {
        [
            TrackingCall(.post, "runs/create") { parameters in
                let tags = try parameters.orderedPairs("tags").enumerated().map { try Self.tag($1, at: "tags[\($0)].") }
                let values = Dictionary(tags, uniquingKeysWith: { _, last in last })
                let name = try parameters.text("run_name").flatMap { $0.isEmpty ? nil : $0 }
                if let name, let other = values["mlflow.runName"], other != name {
                    throw PlatformError(
                        .invalidArgument,
                        "Both 'run_name' argument and 'mlflow.runName' tag are specified, but with different values "
                            + "(run_name='\(name)', mlflow.runName='\(other)')."
                    )
                }
                let run = try await store.createRun(
                    experiment: try parameters.text("experiment_id").flatMap { $0.isEmpty ? nil : $0 } ?? "0",
                    name: name,
                    user: try parameters.text("user_id") ?? "",
                    started: try parameters.int("start_time").map { Timestamp(milliseconds: $0) },
                    tags: values
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
                let runID = try parameters.runID()
                try await store.log(runID: runID, metrics: [try metric(parameters)], parameters: [:], tags: [:])
                return [:]
            },
            TrackingCall(.post, "runs/log-parameter") { parameters in
                let (key, value) = try Self.parameter((try parameters.required("key"), try parameters.text("value") ?? ""))
                try await store.log(runID: try parameters.runID(), metrics: [], parameters: [key: value], tags: [:])
                return [:]
            },
            TrackingCall(.post, "runs/set-tag") { parameters in
                let (key, value) = try Self.tag((try parameters.required("key"), try parameters.text("value") ?? ""))
                try await store.log(runID: try parameters.runID(), metrics: [], parameters: [:], tags: [key: value])
                return [:]
            },
            TrackingCall(.post, "runs/delete-tag") { parameters in
                try await store.deleteRunTag(runID: try parameters.required("run_id"), key: try parameters.required("key"))
                return [:]
            },
            TrackingCall(.post, "runs/log-batch") { try await logBatch($0) },
            TrackingCall(.post, "runs/log-inputs") { parameters in
                let inputs = try parameters.objects("datasets")
                for input in inputs { try NameRules.check(dataset: input.value("dataset") ?? [:], tags: try input.objects("tags")) }
                try await store.logInputs(
                    runID: try parameters.required("run_id"),
                    datasets: try parameters.list("datasets"),
                    models: try parameters.objects("models").map { try $0.required("model_id") }
                )
                return [:]
            },
            TrackingCall(.post, "runs/outputs") { parameters in
                guard parameters.value("models") != nil else { throw parameters.missing("models") }
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
                try SearchVocabulary.runs.check(search)
                return try await store.searchRuns(experiments: try parameters.texts("experiment_ids"), search)
                    .json("runs", TrackingJSON.run)
            },
        ]
    }

    private func status(_ parameters: Parameters) throws -> RunStatus? {
        if let status = parameters.numbered(RunStatus.self, "status") { return status }
        guard let text = try parameters.text("status") else { return nil }
        guard let status = RunStatus(rawValue: text) else {
            throw PlatformError(.invalidArgument, "Invalid value \"\(text)\" for parameter 'status' supplied.")
        }
        return status
    }

    /// - Parameter path: Where it is in a batch, for messages: `metrics[3].`.
    private func metric(_ parameters: Parameters, at path: @autoclosure () -> String = "") throws -> Metric {
        guard let givenKey = parameters.value("key"), givenKey != "" else { throw parameters.missing("\(path())key") }
        guard let givenValue = parameters.value("value"), givenValue != "" else { throw parameters.missing("\(path())value") }
        guard let givenTime = parameters.value("timestamp"), givenTime != "" else { throw parameters.missing("\(path())timestamp") }
        let key = try givenKey.stringValue ?? parameters.required("key")
        let value = try givenValue.doubleValue ?? parameters.double("value")
        let time = try givenTime.intValue ?? parameters.int("timestamp") ?? 0
        try NameRules.check(key: key, path: "\(path())name")
        guard time >= 0 else {
            throw PlatformError(
                .invalidArgument,
                "Invalid value \(time) for parameter '\(path())timestamp' supplied: metric '\(key)' (value=\(value)). "
                    + "Timestamp must be a nonnegative long (64-bit integer) "
            )
        }
        try NameRules.check(length: key, NameRules.keyMax, "Metric name")
        return Metric(
            key: key,
            // MLflow keeps infinities as the largest numbers, and that is what its clients get back.
            value: value.isInfinite ? (value > 0 ? .greatestFiniteMagnitude : -.greatestFiniteMagnitude) : value,
            timestamp: Timestamp(milliseconds: time),
            step: try parameters.int("step") ?? 0,
            modelID: try parameters.text("model_id").flatMap { $0.isEmpty ? nil : $0 }
        )
    }

    private func logBatch(_ parameters: Parameters) async throws -> JSONValue {
        let runID = try parameters.runID()
        let metrics = try parameters.objects("metrics").enumerated().map { try metric($1, at: "metrics[\($0)].") }
        let params = try parameters.orderedPairs("params").enumerated().map { try Self.parameter($1, at: "params[\($0)].") }
        let tags = try parameters.orderedPairs("tags").enumerated().map { try Self.tag($1, at: "tags[\($0)].") }
        try Self.checkCount(metrics.count, TrackingLimits.metricsPerBatchMax, "metrics")
        try Self.checkCount(params.count, TrackingLimits.parametersPerBatchMax, "params")
        try Self.checkCount(tags.count, TrackingLimits.tagsPerBatchMax, "tags")
        try Self.checkCount(
            metrics.count + params.count + tags.count,
            TrackingLimits.entitiesPerBatchMax,
            "metrics, params, and tags"
        )
        var values: [String: String] = [:]
        var twice: [String] = []
        for (key, value) in params where values.updateValue(value, forKey: key) != nil { twice.append("'\(key)'") }
        guard twice.isEmpty else {
            throw PlatformError(
                .invalidArgument,
                "Duplicate parameter keys have been submitted: [\(twice.joined(separator: ", "))]. "
                    + "Please ensure the request contains only one param value per param key."
            )
        }
        try await store.log(runID: runID, metrics: metrics, parameters: values, tags: Dictionary(tags, uniquingKeysWith: { _, last in last }))
        return [:]
    }

    private static func checkCount(_ count: Int, _ limit: Int, _ what: String) throws {
        guard count <= limit else {
            throw PlatformError(.invalidArgument, "A batch logging request can contain at most \(limit) \(what). Got \(count) \(what). Please split up \(what) across multiple requests and try again.")
        }
    }

    private static func parameter(_ pair: (String, String), at path: String = "") throws -> (String, String) {
        try NameRules.check(key: pair.0, path: "\(path)key")
        try NameRules.check(length: pair.0, NameRules.keyMax, "Param key")
        return (pair.0, NameRules.cut(pair.1, NameRules.parameterValueMax))
    }

    private static func tag(_ pair: (String, String), at path: String = "") throws -> (String, String) {
        try NameRules.check(key: pair.0, path: "\(path)key")
        try NameRules.check(length: pair.0, NameRules.keyMax, "\(path)key")
        return (pair.0, NameRules.cut(pair.1, NameRules.tagValueMax))
    }
}
