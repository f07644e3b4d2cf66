import SlipwayCore
import SlipwayInference
import SlipwayInferenceMessages
import SwiftProtobuf

@testable import SlipwayInferenceServer

extension FuzzTarget {
    /// `model_name`, `id`, an input with typed contents; one with raw contents; shapes, parameters and a requested output.
    private static let grpcSeeds = [
        "\u{0A}\u{01}m\u{1A}\u{01}7\u{2A}\u{14}\u{0A}\u{01}x\u{12}\u{05}INT32\u{1A}\u{02}\u{01}\u{02}*\u{04}\u{12}\u{02}\u{01}\u{02}",
        "\u{0A}\u{01}m\u{12}\u{01}3\u{2A}\u{0C}\u{0A}\u{01}x\u{12}\u{04}FP32\u{1A}\u{01}\u{01}:\u{04}\0\0\0@",
        "\u{0A}\u{01}m\u{2A}\u{15}\u{0A}\u{01}s\u{12}\u{05}BYTES\u{1A}\u{01}\u{02}*\u{06}B\u{01}aB\u{01}b2\u{03}\u{0A}\u{01}y",
        "\u{0A}\u{01}m\"\u{0F}\u{0A}\u{07}timeout\u{12}\u{04}\u{10}\u{05}\u{18}\u{01}",
    ]
    /// A length past the end; fewer elements than the shape has.
    private static let brokenGRPCSeeds = [
        "\u{0A}\u{7F}m", "\u{0A}\u{01}m\u{2A}\u{12}\u{0A}\u{01}x\u{12}\u{05}INT32\u{1A}\u{01}\u{02}*\u{03}\u{12}\u{01}\u{01}",
    ]
    private static let grpcWords = ["BOOL", "INT8", "INT32", "INT64", "UINT8", "UINT64", "FP16", "BF16", "FP32", "FP64", "BYTES", "timeout", "sequence_id"]

    /// What is accepted is a message for the reference's decoder too, and says the same to it.
    static let grpcInfer = FuzzTarget(name: "grpc-infer", seeds: grpcSeeds + brokenGRPCSeeds, words: grpcWords) { input in
        // Memory of exactly its size: a sanitizer sees a read past its end.
        let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: max(input.count, 1), alignment: 1)
        defer { copy.deallocate() }
        copy.copyBytes(from: input)
        let body = UnsafeRawBufferPointer(rebasing: copy[0..<input.count])
        _ = InferenceMessage.id(of: body)
        return try verdict([.invalidArgument, .exhausted]) {
            let request = try InferenceMessage.parseRequest(body).request
            try expectWhole(request.inputs)
            guard let known = try? Inference_ModelInferRequest(serializedBytes: input) else { return }
            try expect(known.modelName == request.model && known.id == request.id ?? "", "the names of the request differ")
            try expect(known.inputs.map(\.name) == request.inputs.map(\.name), "the names of the inputs differ")
            try expect(known.inputs.map(\.shape) == request.inputs.map { $0.shape.map(Int64.init) }, "the shapes differ")
        }
    }

    private static let configSeeds = [
        "name: \"m\"\nbackend: \"onnxruntime\"\nmax_batch_size: 8\ninput [{ name: \"x\", data_type: TYPE_FP32, dims: [ -1, 3 ] }]\noutput { name: 'y' data_type: TYPE_FP32 dims: 3 reshape { shape: [ ] } }",
        "instance_group [{ count: 2 kind: KIND_CPU }]\ndynamic_batching { preferred_batch_size: [ 4, 8 ] max_queue_delay_microseconds: 100 }\nversion_policy { specific { versions: 1 versions: 3 } }",
        "parameters { key: \"intra_op_thread_count\" value { string_value: \"2\" } } # threads\nmodel_warmup { name: \"w\" batch_size: 1 inputs { key: \"x\" value { data_type: TYPE_FP32 dims: 3 zero_data: true } } }",
        "optimization { graph { level: -1 } input_pinned_memory { enable: false } }\nensemble_scheduling { }",
        "max_batch_size: 0x10 default_model_filename: \"a\\101\\x2e\" \"onnx\"",
    ]
    private static let configWords = [
        "max_batch_size:", "input", "output", "dims:", "TYPE_FP32", "TYPE_STRING", "instance_group", "dynamic_batching", "version_policy", "model_warmup",
        "parameters", "key:", "value", "reshape", "KIND_CPU", "preferred_batch_size:", "optimization", "zero_data: true", "9223372036854775807", "-1",
    ]

    /// A configuration that is read can be written and read again; asking whether it is supported has an answer of ours.
    static let modelConfig = FuzzTarget(name: "model-config", seeds: configSeeds, words: configWords) { input in
        let text = String(decoding: input, as: UTF8.self)
        return try verdict([.invalidArgument, .exhausted, .failedPrecondition]) {
            let config = try ModelConfigText.parse(text: text, model: "m")
            let again = try mustHold("a configuration that was written is read") { try ModelConfigText.parse(text: config.textFormatString(), model: "m") }
            try expect(again == config, "another configuration was read back")
            try config.refuseUnsupported()
        }
    }
}
