public import SlipwayCore
public import SlipwayInferenceMessages
import SwiftProtobuf

/// A model configuration as JSON in Triton's form: field names as in `config.pbtxt`, whole numbers as numbers,
/// and the fields that clients look at present even when they are empty.
public enum ModelConfigJSON {
    public static func value(_ config: Inference_ModelConfig) throws(PlatformError) -> JSONValue {
        var options = JSONEncodingOptions()
        options.preserveProtoFieldNames = true
        options.alwaysPrintInt64sAsNumbers = true
        let written: JSONValue
        do {
            written = try JSONValue(parsing: try config.jsonString(options: options))
        } catch {
            throw .wrapping(error, doing: "write the configuration of '\(config.name)'")
        }
        var members = filled(written.objectValue ?? [:], with: top)
        for key in ["input", "output"] {
            let defaults = key == "input" ? input : output
            members[key] = .array((members[key]?.arrayValue ?? []).map { .object(filled($0.objectValue ?? [:], with: defaults)) })
        }
        members["instance_group"] = .array(
            (members["instance_group"]?.arrayValue ?? []).map { .object(filled($0.objectValue ?? [:], with: group)) }
        )
        members["optimization"] = .object(filled(members["optimization"]?.objectValue ?? [:], with: optimization))
        if let batching = members["dynamic_batching"]?.objectValue {
            members["dynamic_batching"] = .object(filled(batching, with: dynamicBatching))
        }
        members["model_warmup"] = .array(
            (members["model_warmup"]?.arrayValue ?? []).map { .object(filled($0.objectValue ?? [:], with: ["batch_size": 0, "count": 0, "inputs": [:]])) }
        )
        return .object(members)
    }

    private static let top: [String: JSONValue] = [
        "name": "", "platform": "", "backend": "", "runtime": "", "max_batch_size": 0, "input": [], "output": [],
        "batch_input": [], "batch_output": [], "instance_group": [], "default_model_filename": "",
        "cc_model_filenames": [:], "metric_tags": [:], "parameters": [:], "model_warmup": [],
    ]
    private static let input: [String: JSONValue] = [
        "name": "", "data_type": "TYPE_INVALID", "format": "FORMAT_NONE", "dims": [], "is_shape_tensor": false,
        "allow_ragged_batch": false, "optional": false, "is_non_linear_format_io": false,
    ]
    private static let output: [String: JSONValue] = [
        "name": "", "data_type": "TYPE_INVALID", "dims": [], "label_filename": "", "is_shape_tensor": false,
        "is_non_linear_format_io": false,
    ]
    private static let group: [String: JSONValue] = [
        "name": "", "kind": "KIND_AUTO", "count": 0, "gpus": [], "secondary_devices": [], "profile": [], "passive": false,
        "host_policy": "",
    ]
    private static let optimization: [String: JSONValue] = [
        "priority": "PRIORITY_DEFAULT", "gather_kernel_buffer_threshold": 0, "eager_batching": false,
        "input_pinned_memory": ["enable": false], "output_pinned_memory": ["enable": false],
    ]
    private static let dynamicBatching: [String: JSONValue] = [
        "preferred_batch_size": [], "max_queue_delay_microseconds": 0, "preserve_ordering": false, "priority_levels": 0,
        "default_priority_level": 0, "priority_queue_policy": [:],
    ]

    private static func filled(_ members: [String: JSONValue], with defaults: [String: JSONValue]) -> [String: JSONValue] {
        members.merging(defaults) { written, defaults in
            guard let members = written.objectValue, let more = defaults.objectValue else { return written }
            return .object(filled(members, with: more))
        }
    }
}
