import Foundation
import SlipwayCore
import SlipwayInference
import SlipwayInferenceMessages
import SlipwayTesting
import Testing

@testable import SlipwayInferenceServer

@Suite("Model configuration")
struct ModelConfigTests {
    private static let graph = ModelSignature(
        inputs: [TensorSpec(name: "x", type: .fp32, shape: [-1, -1, 3]), TensorSpec(name: "t", type: .bytes, shape: [-1, 1])],
        outputs: [TensorSpec(name: "y", type: .fp32, shape: [-1, 3]), TensorSpec(name: "z", type: .int64, shape: [-1])]
    )

    private func completed(_ text: String, graph: ModelSignature = graph) throws -> VersionConfiguration {
        let config = try ModelConfigText.parse(text: text, model: "m")
        try config.refuseUnsupported()
        return try VersionConfiguration(config, graph: graph, model: "m", backend: .onnx(NoRuntime()), filename: "model.onnx")
    }

    @Test("An empty configuration is the graph's own")
    func empty() throws {
        let configuration = try completed("")
        #expect(configuration.signature == Self.graph)
        #expect(configuration.policy == BatchingPolicy())
        #expect(configuration.config.backend == "onnxruntime" && configuration.config.platform == "onnxruntime_onnx")
        #expect(configuration.config.input.map(\.dataType) == [.typeFp32, .typeString])
    }

    @Test("With a batch size the graph's first dimension is the batch")
    func batching() throws {
        let configuration = try completed("max_batch_size: 8 dynamic_batching { max_queue_delay_microseconds: 50 preserve_ordering: true }")
        #expect(configuration.config.input.map(\.dims) == [[-1, 3], [1]])
        #expect(configuration.signature == Self.graph)
        #expect(configuration.policy.rowsMax == 8)
        #expect(configuration.policy.gathering?.delayMicroseconds == 50)
        #expect(configuration.policy.gathering?.preservesOrder == true)
    }

    @Test("A configuration may say more than the graph, and offer fewer outputs")
    func narrower() throws {
        let configuration = try completed(
            "input { name: 'x' dims: [-1, 5, 3] } input { name: 't' } output { name: 'z' }"
        )
        #expect(configuration.signature.inputs.map(\.shape) == [[-1, 5, 3], [-1, 1]])
        #expect(configuration.signature.outputs.map(\.name) == ["z"])
    }

    @Test("The queue's policy and the instances become the scheduler's")
    func queue() throws {
        let policy = try completed(
            """
            max_batch_size: 4
            instance_group { count: 2 } instance_group { kind: KIND_CPU count: 3 }
            dynamic_batching { preferred_batch_size: 2 default_queue_policy { timeout_action: DELAY
              default_timeout_microseconds: 700 allow_timeout_override: true max_queue_size: 9 } }
            """
        ).policy
        #expect(policy.instances == 5)
        #expect(policy.timeoutMicroseconds == 700 && policy.timeoutAction == .delay && policy.allowsTimeoutOverride)
        #expect(policy.queueMax == 9)
        #expect(policy.gathering?.preferredRows == [2])
    }

    @Test("Parameters of Triton's ONNX Runtime backend open the session; others are the user's")
    func sessionOptions() throws {
        let text = """
            optimization { graph { level: -1 } }
            parameters { key: "intra_op_thread_count" value { string_value: "3" } }
            parameters { key: "inter_op_thread_count" value { string_value: "0" } }
            parameters { key: "execution_mode" value { string_value: "1" } }
            parameters { key: "enable_mem_arena" value { string_value: "0" } }
            parameters { key: "enable_mem_pattern" value { string_value: "true" } }
            parameters { key: "session.set_denormal_as_zero" value { string_value: "1" } }
            parameters { key: "owner" value { string_value: "me" } }
            """
        let options = try ModelConfigText.parse(text: text, model: "m").sessionOptions
        var expected = SessionOptions()
        expected.intraOpThreads = 3
        expected.graphOptimization = .basic
        expected.keepsArena = false
        expected.runsOperatorsInParallel = true
        expected.entries = ["session.set_denormal_as_zero": "1"]
        // A backend of another kind finds what was given, as it was given.
        expected.parameters = [
            "intra_op_thread_count": "3", "inter_op_thread_count": "0", "execution_mode": "1", "enable_mem_arena": "0",
            "enable_mem_pattern": "true", "session.set_denormal_as_zero": "1", "owner": "me",
        ]
        #expect(options == expected)
    }

    @Test(
        "What contradicts the graph is refused and names the tensor",
        arguments: [
            ("input { name: 'x' }", "2"), ("input { name: 'x' } input { name: 'x' }", "'x' twice"),
            ("input { name: 'x' } input { name: 'q' }", "'q'"), ("output { name: 'q' }", "'q'"),
            ("output { name: 'y' data_type: TYPE_FP64 }", "'y'"), ("output { name: 'y' dims: [-1, 4] }", "'y'"),
            ("output { name: 'y' dims: [0, 3] }", "'y'"), ("max_batch_size: 2 output { name: 'y' dims: [-1, 3] }", "'y'"),
            ("output { name: 'y' dims: [-1, 3] reshape { shape: [-1, 5] } }", "different size"),
            ("output { name: 'y' dims: [4, 3] reshape { shape: [-1, 3] } }", "variable-size"),
        ] as [(String, String)]
    )
    func contradictions(text: String, said: String) {
        let error = #expect(throws: PlatformError.self) { try completed(text) }
        #expect(error?.code == .invalidArgument)
        #expect(error?.message.contains(said) == true, "\(error?.message ?? "")")
    }

    @Test("JSON in Triton's form is read back as the same configuration")
    func json() throws {
        let config = try completed(
            """
            max_batch_size: 8
            dynamic_batching { preferred_batch_size: [2, 4] max_queue_delay_microseconds: 9007199254740 }
            version_policy { specific { versions: [1, 7] } }
            parameters { key: "k" value { string_value: "v" } }
            """
        ).config
        let json = try ModelConfigJSON.value(config)
        #expect(json["dynamic_batching"]?["max_queue_delay_microseconds"] == 9_007_199_254_740)
        #expect(json["input"]?.arrayValue?.first?["format"] == "FORMAT_NONE")
        #expect(json["batch_input"] == [] && json["model_warmup"] == [])
        let back = try ModelConfigText.parse(json: json.canonicalText, model: "m")
        let again = try ModelConfigJSON.value(back)
        for (key, value) in try #require(json.objectValue) { #expect(again[key] == value, "\(key)") }
        #expect(again == json)
    }

    @Test("Version policies choose; a specific version that is absent is an error")
    func policies() throws {
        let available = try [1, 2, 9].map { try ModelVersion($0) }
        func chosen(_ text: String) throws -> [Int] {
            try ModelConfigText.parse(text: text, model: "m").chosenVersions(of: available).map(\.number)
        }
        #expect(try chosen("") == [9])
        #expect(try chosen("version_policy { latest { num_versions: 2 } }") == [2, 9])
        #expect(try chosen("version_policy { all { } }") == [1, 2, 9])
        #expect(try chosen("version_policy { specific { versions: [9, 1, 9] } }") == [1, 9])
        #expect(throws: PlatformError.self) { try chosen("version_policy { specific { versions: 3 } }") }
        #expect(throws: PlatformError.self) { try chosen("version_policy { specific { versions: -1 } }") }
    }

    @Test("A reshape moves sizes, never elements")
    func reshape() {
        let flat = TensorReshape(from: [6, -1], to: [2, 3, -1], isBatching: true)
        #expect(flat.shape([4, 6, 5]) == [4, 2, 3, 5])
        #expect(flat.shape([4, 5]) == nil)
        #expect(flat.shape([4, 7, 5]) == nil)
        #expect(TensorReshape(from: [1], to: [], isBatching: true).shape([4, 1]) == [4])
        #expect(TensorReshape(from: [], to: [1], isBatching: false).shape([]) == [1])
    }

    private struct NoRuntime: ModelRuntime {
        func open(file: String, options: SessionOptions) throws -> any ModelSession {
            throw PlatformError(.unexpected, "never opened")
        }
    }
}
