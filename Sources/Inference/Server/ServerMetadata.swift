import SlipwayCore
import SlipwayInference

/// What the server tells of itself and its models, as JSON in Triton's shapes.
enum ServerMetadata {
    static let json: JSONValue = [
        "name": .string(ServerDescription.name),
        "version": .string(ServerDescription.version),
        "extensions": .array(ServerDescription.extensions.map(JSONValue.string)),
    ]

    static func json(_ model: ModelDescription) -> JSONValue {
        [
            "name": .string(model.name),
            "versions": .array(model.versions.map { .string("\($0)") }),
            "platform": .string(model.platform),
            "inputs": .array(model.inputs.map(tensor)),
            "outputs": .array(model.outputs.map(tensor)),
        ]
    }

    private static func tensor(_ spec: TensorSpec) -> JSONValue {
        [
            "name": .string(spec.name), "datatype": .string(spec.type.rawValue),
            "shape": .array(spec.shape.map { .int(Int64($0)) }),
        ]
    }

    static func json(_ entry: RepositoryEntry) -> JSONValue {
        var members: [String: JSONValue] = ["name": .string(entry.name)]
        if !entry.version.isEmpty { members["version"] = .string(entry.version) }
        if !entry.state.isEmpty { members["state"] = .string(entry.state) }
        if !entry.reason.isEmpty { members["reason"] = .string(entry.reason) }
        return .object(members)
    }

    /// Durations in nanoseconds, `last_inference` in milliseconds since 1970.
    static func json(_ statistics: VersionStatistics) -> JSONValue {
        [
            "name": .string(statistics.model),
            "version": .string(statistics.version),
            "last_inference": .int(statistics.lastInference),
            "inference_count": .int(Int64(statistics.inferenceCount)),
            "execution_count": .int(Int64(statistics.executionCount)),
            "inference_stats": [
                "success": json(statistics.success),
                "fail": json(statistics.fail),
                "queue": json(statistics.queue),
                "compute_input": json(statistics.computeInput),
                "compute_infer": json(statistics.computeInfer),
                "compute_output": json(statistics.computeOutput),
                "cache_hit": ["count": 0, "ns": 0],
                "cache_miss": ["count": 0, "ns": 0],
            ],
            "response_stats": [:],
            "batch_stats": .array(
                statistics.batches.map { batch in
                    [
                        "batch_size": .int(Int64(batch.rows)),
                        "compute_input": json(batch.computeInput),
                        "compute_infer": json(batch.computeInfer),
                        "compute_output": json(batch.computeOutput),
                    ]
                }
            ),
            "memory_usage": [],
        ]
    }

    private static func json(_ duration: VersionStatistics.Duration) -> JSONValue {
        ["count": .int(Int64(duration.count)), "ns": .int(Int64(duration.nanoseconds))]
    }
}
