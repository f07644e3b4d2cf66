import SlipwayCore
import SlipwayTracking

/// The shapes of MLflow's REST API.
enum TrackingJSON {
    static func pairs(_ pairs: [String: String]) -> JSONValue {
        .array(pairs.sorted { $0.key < $1.key }.map { ["key": .string($0.key), "value": .string($0.value)] })
    }

    static func number(_ value: Double) -> JSONValue {
        if value.isNaN { return "NaN" }
        guard value.isFinite else { return value > 0 ? "Infinity" : "-Infinity" }
        return .double(value)
    }

    static func experiment(_ experiment: Experiment) -> JSONValue {
        [
            "experiment_id": .string("\(experiment.id)"), "name": .string(experiment.name),
            "artifact_location": .string(experiment.artifactLocation), "lifecycle_stage": .string(experiment.stage.rawValue),
            "creation_time": .int(experiment.created.milliseconds), "last_update_time": .int(experiment.updated.milliseconds),
            "tags": pairs(experiment.tags), "workspace": "default",
        ]
    }

    static func dataset(_ dataset: DatasetSummary) -> JSONValue {
        var members: [String: JSONValue] = [
            "experiment_id": .string("\(dataset.experimentID)"), "name": .string(dataset.name), "digest": .string(dataset.digest),
        ]
        if let context = dataset.context { members["context"] = .string(context) }
        return .object(members)
    }

    static func metric(_ metric: RunMetric) -> JSONValue {
        guard case .object(var members) = self.metric(metric.metric) else { return .null }
        members["run_id"] = .string(metric.runID)
        return .object(members)
    }

    static func run(_ run: Run) -> JSONValue {
        [
            "info": info(run),
            "data": ["metrics": .array(run.metrics.map(metric)), "params": pairs(run.parameters), "tags": pairs(run.tags)],
            "inputs": [
                "dataset_inputs": .array(run.datasetInputs),
                "model_inputs": .array(run.modelInputs.map { ["model_id": .string($0)] }),
            ],
            "outputs": [
                "model_outputs": .array(run.modelOutputs.map { ["model_id": .string($0.modelID), "step": .int($0.step)] })
            ],
        ]
    }

    static func info(_ run: Run) -> JSONValue {
        var members: [String: JSONValue] = [
            "run_id": .string(run.id), "run_uuid": .string(run.id), "run_name": .string(run.name),
            "experiment_id": .string("\(run.experimentID)"), "user_id": .string(run.user),
            "status": .string(run.status.rawValue), "start_time": .int(run.started.milliseconds),
            "lifecycle_stage": .string(run.stage.rawValue), "artifact_uri": .string(run.artifactURI),
        ]
        if let ended = run.ended { members["end_time"] = .int(ended.milliseconds) }
        return .object(members)
    }

    static func metric(_ metric: Metric) -> JSONValue {
        var members: [String: JSONValue] = [
            "key": .string(metric.key), "value": number(metric.value), "timestamp": .int(metric.timestamp.milliseconds),
            "step": .int(metric.step),
        ]
        if let model = metric.modelID { members["model_id"] = .string(model) }
        return .object(members)
    }

    static func loggedModel(_ model: LoggedModel) -> JSONValue {
        var info: [String: JSONValue] = [
            "model_id": .string(model.id), "experiment_id": .string("\(model.experimentID)"), "name": .string(model.name),
            "creation_timestamp_ms": .int(model.created.milliseconds), "last_updated_timestamp_ms": .int(model.updated.milliseconds),
            "artifact_uri": .string(model.artifactURI), "status": .string(model.status), "tags": pairs(model.tags),
        ]
        if let run = model.sourceRunID { info["source_run_id"] = .string(run) }
        if let type = model.modelType { info["model_type"] = .string(type) }
        let metrics = model.metrics.map { entry -> JSONValue in
            guard case .object(var members) = metric(entry.metric) else { return .null }
            members["run_id"] = .string(entry.runID)
            return .object(members)
        }
        return ["info": .object(info), "data": ["params": pairs(model.parameters), "metrics": .array(metrics)]]
    }

    static func registeredModel(_ model: RegisteredModel) -> JSONValue {
        [
            "name": .string(model.name), "creation_timestamp": .int(model.created.milliseconds),
            "last_updated_timestamp": .int(model.updated.milliseconds), "description": .string(model.description),
            "latest_versions": .array(model.latestVersions.map { version($0, showsAliases: false) }), "tags": pairs(model.tags),
            "aliases": .array(
                model.aliases.sorted { $0.key < $1.key }.map { ["alias": .string($0.key), "version": .string("\($0.value)")] }
            ),
        ]
    }

    static func version(_ record: ModelVersionRecord) -> JSONValue {
        version(record, showsAliases: true)
    }

    /// - Parameter showsAliases: MLflow leaves them out where the model says them itself.
    private static func version(_ version: ModelVersionRecord, showsAliases: Bool) -> JSONValue {
        var members: [String: JSONValue] = [
            "name": .string(version.name), "version": .string("\(version.version)"),
            "creation_timestamp": .int(version.created.milliseconds), "last_updated_timestamp": .int(version.updated.milliseconds),
            "user_id": .string(version.user), "current_stage": .string(version.stage), "description": .string(version.description),
            "source": .string(version.source), "run_id": .string(version.runID), "run_link": .string(version.runLink),
            "status": .string(version.status), "status_message": "", "tags": pairs(version.tags),
        ]
        if showsAliases { members["aliases"] = .array(version.aliases.map { .string($0) }) }
        if let model = version.modelID { members["model_id"] = .string(model) }
        return .object(members)
    }
}
