import Foundation
import SlipwayCore
import SlipwayInference
import SlipwayPipeline
import SlipwayTesting
import SlipwayTracking
import Testing

@testable import SlipwayPipelineRunner

@Suite("What a run reads")
struct RunInputTests {
    private static let golden =
        #"{"inputs":[{"name":"X","datatype":"FP64","shape":[2,2],"data":[[1,2],[3,4.5]]},"#
        + #"{"name":"s","datatype":"BYTES","shape":[1],"data":["a"]}],"#
        + #""outputs":[{"name":"b","datatype":"BOOL","shape":[2],"data":[true,false]},"#
        + #"{"name":"i","datatype":"INT64","shape":[],"data":7}]}"#

    @Test("Golden tensors of every kind are read, nested or flat")
    func golden() throws {
        let tensors = try GoldenTensors(json: Array(Self.golden.utf8), name: "golden.json")
        #expect(try tensors.inputs[0].doubles() == [1, 2, 3, 4.5])
        #expect(tensors.outputs.map(\.elements) == [.numbers([1, 0]), .numbers([7])])
        #expect(tensors.outputs.map(\.type) == ["BOOL", "INT64"])
    }

    @Test(
        "Golden tensors that contradict themselves are refused by name",
        arguments: [
            ("[2,2]", "[2,3]", "has 4 elements, its shape says 6"), ("\"a\"", "1", "not of its datatype"),
            ("[2,2]", "[-1,2]", "impossible shape"), ("[2,2]", "[99999999,2]", "impossible shape"),
            ("FP64", "FP99", "lacks name, datatype"),
            ("\"outputs\"", "\"output\"", "needs 'inputs' and 'outputs'"),
            (":7}", ":7.5}", "not a whole number"), ("4.5", "null", "not of its datatype"),
        ]
    )
    func goldenRefused(text: String, replacement: String, message: String) throws {
        let broken = Self.golden.replacing(text, with: replacement, maxReplacements: 1)
        let error = try #require(throws: PlatformError.self) {
            try GoldenTensors(json: Array(broken.utf8), name: "golden.json")
        }
        #expect(error.message.contains(message), "\(error.message)")
    }

    @Test("No damage to golden.json crashes its reader", arguments: 0..<200)
    func goldenFuzz(seed: Int) {
        var random = SeededGenerator(seed: UInt64(seed))
        var bytes = Array(Self.golden.utf8)
        for _ in 0..<4 {
            let place = Int.random(in: 0..<bytes.count, using: &random)
            bytes[place] = Array("[]{},:\"019-eE.".utf8).randomElement(using: &random) ?? 0
        }
        do {
            #expect(try !GoldenTensors(json: bytes, name: "golden.json").outputs.isEmpty)
        } catch {
            #expect(error.code == .invalidArgument)
        }
    }

    @Test("A holdout feeds one matrix in the file's order, or each input the column of its name")
    func holdout() throws {
        let table = try CSVTable(csv: Array("a,y,b\n1,0,2\n3,1,4".utf8), name: "h.csv")
        var policy = EvaluatePolicy(label: "y")
        policy.data = "h.csv"
        let holdout = try Holdout(table, policy: policy)
        #expect(holdout.truth == [0, 1])
        let matrix = EchoSession(inputs: [TensorSpec(name: "X", type: .fp32, shape: [-1, 2])])
        #expect(try holdout.scores(matrix, output: nil).elements == [1, 2, 3, 4])
        let columns = EchoSession(inputs: [
            TensorSpec(name: "b", type: .int64, shape: [-1, 1]),
            TensorSpec(name: "a", type: .fp32, shape: [-1, 1]),
        ])
        let scores = try holdout.scores(columns, output: "o")
        #expect(scores.elements == [2, 4] && scores.areClasses)
        let narrow = EchoSession(inputs: [TensorSpec(name: "X", type: .fp32, shape: [-1, 3])])
        for (session, output) in [
            (narrow, nil), (matrix, "q"),
            (
                EchoSession(inputs: [
                    TensorSpec(name: "z", type: .fp32, shape: [-1, 1]),
                    TensorSpec(name: "a", type: .fp32, shape: [-1, 1]),
                ]), nil
            ),
        ] as [(EchoSession, String?)] {
            #expect(throws: PlatformError.self) { try holdout.scores(session, output: output) }
        }
        #expect(throws: PlatformError.self) { try Holdout(table, policy: EvaluatePolicy(label: "z")) }
        let texts = try CSVTable(csv: Array("a,y\n1,x".utf8), name: "h.csv")
        #expect(throws: PlatformError.self) { try Holdout(texts, policy: policy) }
    }

    @Test(
        "No artifact's path leads out of the run's folder",
        arguments: ["../x", "a/../../x", "/etc/passwd", "", "a//b", "a/./b", "."]
    )
    func paths(path: String) throws {
        let folder = RunFolder(try RunID("r"), in: "/tmp")
        #expect(throws: PlatformError.self) { try folder.file(.model, path) }
        #expect(!folder.has(.model, path))
    }

    @Test("A full log says so and stops growing; the last lines stay at hand")
    func log() async throws {
        try await withScratchFolder { folder in
            let file = folder.appending(path: "a.log").path
            let log = RunLog(file: file, bytesMax: 20)
            for number in 0..<10 { log.write("line \(number)") }
            log.close()
            let text = try String(contentsOfFile: file, encoding: .utf8)
            #expect(text == "line 0\nline 1\n(the log is full: later lines are dropped)\n")
            #expect(log.lastLines == (5..<10).map { "line \($0)" })
        }
    }

    @Test("The graph is model.onnx or the only one; data files beside it are served with it")
    func graph() throws {
        #expect(try ServedArtifacts.graph(among: ["MLmodel", "a.onnx"]) == "a.onnx")
        #expect(try ServedArtifacts.graph(among: ["b.onnx", "model.onnx"]) == "model.onnx")
        #expect(throws: PlatformError.self) { try ServedArtifacts.graph(among: ["a.onnx", "b.onnx"]) }
        #expect(throws: PlatformError.self) { try ServedArtifacts.graph(among: ["MLmodel"]) }
        let files = CandidateFiles(
            files: ["data/m.onnx": "1", "data/m.onnx.data": "2", "MLmodel": "3", "other.data": "4"],
            digests: [:],
            graph: "data/m.onnx"
        )
        #expect(files.served == ["model.onnx": "1", "m.onnx.data": "2"])
    }

    @Test("A deadline gives up with what it was doing; work that is in time is not disturbed")
    func deadline() async throws {
        let error = await #expect(throws: PlatformError.self) {
            try await withDeadline(.milliseconds(20), clock: ContinuousClock(), doing: "wait") {
                try await Task.sleep(for: .seconds(600))
            }
        }
        #expect(error?.code == .unavailable && error?.message.contains("wait") == true)
        #expect(try await withDeadline(.seconds(600), clock: ContinuousClock(), doing: "add") { 2 } == 2)
    }

    @Test("Run ids sort by time and are what a folder may be called")
    func identifiers() throws {
        let first = try EngineSettings.randomID(at: Timestamp(milliseconds: 1_769_860_800_000))
        #expect(first.text.hasPrefix("r20260131-120000-") && first.text.count == 23)
    }
}

/// Answers its first input as it came.
private struct EchoSession: ModelSession {
    let inputs: [TensorSpec]
    var signature: ModelSignature {
        ModelSignature(inputs: inputs, outputs: [TensorSpec(name: "o", type: .fp32, shape: [-1])])
    }

    func run(inputs: [Tensor], outputs: [String]) throws -> [Tensor] { Array(inputs.prefix(1)) }
}
