import Atomics
import SlipwayCore
import SlipwayInference

/// What the server tells of itself and its models, in Triton's shapes.
enum ServerMetadata {
    static let version = "0.1.0"

    static let json: JSONValue = [
        "name": "slipway",
        "version": .string(version),
        "extensions": ["model_repository", "model_configuration", "binary_tensor_data", "statistics", "parameters"],
    ]

    static func metadata(_ loaded: LoadedVersion, versions: [ModelVersion]) -> JSONValue {
        [
            "name": .string(loaded.model),
            "versions": .array(versions.map { .string("\($0)") }),
            "platform": "onnxruntime_onnx",
            "inputs": .array(loaded.signature.inputs.map(tensor)),
            "outputs": .array(loaded.signature.outputs.map(tensor)),
        ]
    }

    private static func tensor(_ spec: TensorSpec) -> JSONValue {
        ["name": .string(spec.name), "datatype": .string(spec.type.rawValue), "shape": dimensions(spec)]
    }

    private static func dimensions(_ spec: TensorSpec) -> JSONValue {
        .array(spec.shape.map { .int(Int64($0)) })
    }

    static func config(_ loaded: LoadedVersion) -> JSONValue {
        [
            "name": .string(loaded.model),
            "platform": "onnxruntime_onnx",
            "backend": "onnxruntime",
            "max_batch_size": 0,
            "default_model_filename": "model.onnx",
            "version_policy": ["specific": ["versions": [.int(Int64(loaded.version.number))]]],
            "input": .array(loaded.signature.inputs.map(configTensor)),
            "output": .array(loaded.signature.outputs.map(configTensor)),
        ]
    }

    private static func configTensor(_ spec: TensorSpec) -> JSONValue {
        // The configuration has its own word for byte strings.
        let type = spec.type == .bytes ? "STRING" : spec.type.rawValue
        return ["name": .string(spec.name), "data_type": .string("TYPE_\(type)"), "dims": dimensions(spec)]
    }

    /// Durations in nanoseconds, `last_inference` in milliseconds since 1970.
    static func statistics(_ loaded: LoadedVersion) -> JSONValue {
        let counters = loaded.counters
        let successes = counters.successes.load(ordering: .relaxed)
        let entry = { (count: Int, nanoseconds: Int) -> JSONValue in
            ["count": .int(Int64(count)), "ns": .int(Int64(nanoseconds))]
        }
        return [
            "name": .string(loaded.model),
            "version": .string("\(loaded.version)"),
            "last_inference": .int(counters.lastInferenceMilliseconds.load(ordering: .relaxed)),
            "inference_count": .int(Int64(successes)),
            "execution_count": .int(Int64(successes)),
            "inference_stats": [
                "success": entry(successes, counters.successNanoseconds.load(ordering: .relaxed)),
                "fail": entry(counters.failures, counters.failureNanoseconds.load(ordering: .relaxed)),
                "queue": entry(successes, counters.queueNanoseconds.load(ordering: .relaxed)),
                "compute_input": entry(successes, 0),
                "compute_infer": entry(successes, counters.computeNanoseconds.load(ordering: .relaxed)),
                "compute_output": entry(successes, 0),
                "cache_hit": entry(0, 0),
                "cache_miss": entry(0, 0),
            ],
            "batch_stats": [],
        ]
    }
}
