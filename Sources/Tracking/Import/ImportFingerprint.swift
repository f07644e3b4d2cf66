import SlipwayCore
import SlipwayTracking

/// The digest of what a source says about something, in whatever order it says it.
///
/// An import notes it once all is here, so that the next one sees in one look what has not changed.
enum ImportFingerprint {
    static func of(_ source: SourceRun) -> String {
        let run = source.run
        return digest([
            "name": .string(run.name), "user": .string(run.user), "status": .string(run.status.rawValue),
            "started": .int(run.started.milliseconds), "ended": .int(run.ended?.milliseconds ?? -1),
            "stage": .string(run.stage.rawValue), "parameters": pairs(run.parameters), "tags": pairs(run.tags),
            "metrics": .array(run.metrics.map(metric).sorted { $0.canonicalText < $1.canonicalText }),
            "datasets": .array(run.datasetInputs.sorted { $0.canonicalText < $1.canonicalText }),
            "inputs": .array(run.modelInputs.sorted().map { .string($0) }),
            "outputs": .array(run.modelOutputs.map { "\($0.modelID) \($0.step)" }.sorted().map { .string($0) }),
        ])
    }

    static func of(_ source: SourceLoggedModel) -> String {
        let model = source.model
        return digest([
            "name": .string(model.name), "status": .string(model.status), "updated": .int(model.updated.milliseconds),
            "tags": pairs(model.tags), "parameters": pairs(model.parameters),
            "metrics": .array(
                model.metrics.map { .array([.string($0.runID), metric($0.metric)]) }.sorted { $0.canonicalText < $1.canonicalText }
            ),
        ])
    }

    static func of(_ model: RegisteredModel) -> String {
        digest([
            "created": .int(model.created.milliseconds), "updated": .int(model.updated.milliseconds),
            "description": .string(model.description), "tags": pairs(model.tags),
        ])
    }

    static func of(_ version: ModelVersionRecord) -> String {
        digest([
            "created": .int(version.created.milliseconds), "updated": .int(version.updated.milliseconds),
            "description": .string(version.description), "stage": .string(version.stage), "status": .string(version.status),
            "source": .string(version.source), "run": .string(version.runID), "tags": pairs(version.tags),
        ])
    }

    private static func digest(_ json: JSONValue) -> String { Digest(of: json.canonicalBytes).text }

    private static func pairs(_ values: [String: String]) -> JSONValue { .object(values.mapValues { .string($0) }) }

    private static func metric(_ metric: Metric) -> JSONValue {
        // JSON has no NaN; its bits are a number.
        let bits = metric.value.isNaN ? Double.nan.bitPattern : metric.value.bitPattern
        return .array([
            .string(metric.key), .int(Int64(bitPattern: bits)), .int(metric.timestamp.milliseconds), .int(metric.step),
            .string(metric.modelID ?? ""),
        ])
    }
}
