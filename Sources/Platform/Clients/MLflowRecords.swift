import SlipwayCore
import SlipwayTracking

/// What MLflow's REST API says, as the domain's values.
enum MLflowRecords {
    static func experiment(_ json: JSONValue, doing: String) throws(PlatformError) -> SourceExperiment {
        let created = time(json["creation_time"])
        return SourceExperiment(
            id: try json.text("experiment_id", doing: doing),
            name: try json.text("name", doing: doing),
            artifactLocation: json["artifact_location"]?.stringValue ?? "",
            stage: stage(json),
            created: created ?? Timestamp(milliseconds: 0),
            updated: time(json["last_update_time"]) ?? created ?? Timestamp(milliseconds: 0),
            tags: json["tags"]?.pairs ?? [:]
        )
    }

    static func run(_ json: JSONValue, doing: String) throws -> SourceRun {
        let info = json["info"] ?? .null
        let data = json["data"] ?? .null
        let tags = data["tags"]?.pairs ?? [:]
        let run = Run(
            id: try info.text("run_id", doing: doing),
            name: info["run_name"]?.stringValue ?? tags["mlflow.runName"] ?? "",
            experimentID: 0,
            user: info["user_id"]?.stringValue ?? "",
            status: info["status"]?.stringValue.flatMap { RunStatus(rawValue: $0) } ?? .running,
            started: time(info["start_time"]) ?? Timestamp(milliseconds: 0),
            ended: time(info["end_time"]).flatMap { $0.milliseconds > 0 ? $0 : nil },
            stage: stage(info),
            artifactURI: info["artifact_uri"]?.stringValue ?? "",
            metrics: try (data["metrics"]?.arrayValue ?? []).map { try metric($0, doing: doing) },
            parameters: data["params"]?.pairs ?? [:],
            tags: tags,
            datasetInputs: json["inputs"]?["dataset_inputs"]?.arrayValue ?? [],
            modelInputs: (json["inputs"]?["model_inputs"]?.arrayValue ?? []).compactMap { $0["model_id"]?.stringValue },
            modelOutputs: (json["outputs"]?["model_outputs"]?.arrayValue ?? []).compactMap { item in
                item["model_id"]?.stringValue.map { ModelOutput(modelID: $0, step: integer(item["step"]) ?? 0) }
            }
        )
        return SourceRun(experimentID: try info.text("experiment_id", doing: doing), run: run)
    }

    static func metric(_ json: JSONValue, doing: String) throws(PlatformError) -> Metric {
        Metric(
            key: try json.text("key", doing: doing),
            value: try number(json["value"], doing: doing),
            timestamp: time(json["timestamp"]) ?? Timestamp(milliseconds: 0),
            step: integer(json["step"]) ?? 0,
            modelID: json["model_id"]?.stringValue.flatMap { $0.isEmpty ? nil : $0 }
        )
    }

    static func loggedModel(_ json: JSONValue, doing: String) throws -> SourceLoggedModel {
        let info = json["info"] ?? .null
        let data = json["data"] ?? .null
        let created = time(info["creation_timestamp_ms"]) ?? Timestamp(milliseconds: 0)
        let id = try info.text("model_id", doing: doing)
        let model = LoggedModel(
            id: id,
            experimentID: 0,
            name: info["name"]?.stringValue ?? "",
            status: info["status"]?.stringValue ?? "LOGGED_MODEL_STATUS_UNSPECIFIED",
            artifactURI: info["artifact_uri"]?.stringValue ?? "",
            sourceRunID: info["source_run_id"]?.stringValue.flatMap { $0.isEmpty ? nil : $0 },
            modelType: info["model_type"]?.stringValue.flatMap { $0.isEmpty ? nil : $0 },
            created: created,
            updated: time(info["last_updated_timestamp_ms"]) ?? created,
            tags: info["tags"]?.pairs ?? [:],
            parameters: data["params"]?.pairs ?? [:],
            metrics: try (data["metrics"]?.arrayValue ?? []).map { item in
                var value = try metric(item, doing: doing)
                value.modelID = id
                return LoggedModelMetric(metric: value, runID: item["run_id"]?.stringValue ?? "")
            }
        )
        return SourceLoggedModel(experimentID: try info.text("experiment_id", doing: doing), model: model)
    }

    static func registeredModel(_ json: JSONValue, doing: String) throws(PlatformError) -> RegisteredModel {
        var aliases: [String: Int64] = [:]
        for item in json["aliases"]?.arrayValue ?? [] {
            if let alias = item["alias"]?.stringValue, let version = integer(item["version"]) { aliases[alias] = version }
        }
        let created = time(json["creation_timestamp"]) ?? Timestamp(milliseconds: 0)
        return RegisteredModel(
            name: try json.text("name", doing: doing),
            description: json["description"]?.stringValue ?? "",
            created: created,
            updated: time(json["last_updated_timestamp"]) ?? created,
            tags: json["tags"]?.pairs ?? [:],
            aliases: aliases,
            latestVersions: []
        )
    }

    static func version(_ json: JSONValue, doing: String) throws(PlatformError) -> ModelVersionRecord {
        guard let number = integer(json["version"]), number > 0 else {
            throw PlatformError(.unexpected, "could not \(doing): the source's answer has no 'version'")
        }
        let created = time(json["creation_timestamp"]) ?? Timestamp(milliseconds: 0)
        let source = json["source"]?.stringValue ?? ""
        let named = source.hasPrefix("models:/m-") ? String(source.dropFirst("models:/".count)) : nil
        return ModelVersionRecord(
            name: try json.text("name", doing: doing),
            version: number,
            created: created,
            updated: time(json["last_updated_timestamp"]) ?? created,
            description: json["description"]?.stringValue ?? "",
            user: json["user_id"]?.stringValue ?? "",
            stage: json["current_stage"]?.stringValue ?? "None",
            source: source,
            storageLocation: "",
            runID: json["run_id"]?.stringValue ?? "",
            runLink: json["run_link"]?.stringValue ?? "",
            status: json["status"]?.stringValue ?? "READY",
            modelID: json["model_id"]?.stringValue.flatMap { $0.isEmpty ? nil : $0 } ?? named,
            tags: json["tags"]?.pairs ?? [:],
            aliases: (json["aliases"]?.arrayValue ?? []).compactMap(\.stringValue)
        )
    }

    /// Older servers write int64 as text, as protobuf does.
    static func integer(_ json: JSONValue?) -> Int64? {
        json?.intValue ?? json?.stringValue.flatMap { Int64($0) }
    }

    private static func number(_ json: JSONValue?, doing: String) throws(PlatformError) -> Double {
        switch json?.stringValue {
        case "NaN": return .nan
        case "Infinity": return .infinity
        case "-Infinity": return -.infinity
        default:
            // Protobuf leaves a zero out.
            guard let json else { return 0 }
            guard let value = json.doubleValue else {
                throw PlatformError(.unexpected, "could not \(doing): the source's answer has a metric that is no number")
            }
            return value
        }
    }

    private static func time(_ json: JSONValue?) -> Timestamp? {
        integer(json).map { Timestamp(milliseconds: $0) }
    }

    private static func stage(_ json: JSONValue) -> LifecycleStage {
        json["lifecycle_stage"]?.stringValue.flatMap { LifecycleStage(rawValue: $0) } ?? .active
    }
}
