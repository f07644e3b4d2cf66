import Foundation
import SlipwayCore
import SlipwayInference
import SlipwayONNXRuntime
import SlipwayTesting
import Testing

@Suite("ONNX Runtime")
struct ONNXRuntimeTests {
    private let runtime = ONNXRuntime(libraryPath: ONNXRuntime.locateLibrary(folders: [packageRoot]))

    private func model(_ name: String) -> String {
        packageRoot.appending(path: "Tests/Inference/Models/\(name).onnx").path
    }

    @Test("A graph tells its signature, with -1 for any size")
    func signature() throws {
        let session = try runtime.open(file: model("affine"))
        #expect(session.signature.inputs == [TensorSpec(name: "x", type: .fp32, shape: [-1, 3])])
        #expect(session.signature.outputs == [TensorSpec(name: "y", type: .fp32, shape: [-1, 3])])
    }

    @Test("A run computes, from several threads at once")
    func run() async throws {
        let session = try runtime.open(file: model("affine"))
        try await withThrowingTaskGroup(of: [Float].self) { group in
            for start in 0..<8 {
                group.addTask {
                    let input = fp32("x", [2, 3], (0..<6).map { Float($0 + start) })
                    return floats(try session.run(inputs: [input], outputs: ["y"])[0])
                }
            }
            var results: Set<[Float]> = []
            for try await result in group { results.insert(result) }
            var expected: Set<[Float]> = []
            for start in 0..<8 { expected.insert((0..<6).map { Float(2 * ($0 + start) + 1) }) }
            #expect(results == expected)
        }
    }

    @Test("Every type goes in and comes out as it was, strings and empty tensors too", arguments: [0, 1, 3])
    func types(count: Int) throws {
        let session = try runtime.open(file: model("identity"))
        let inputs = session.signature.inputs.map { spec -> Tensor in
            guard let width = spec.type.width else {
                let texts = (0..<count).map { Array("é \($0)".utf8) }
                return Tensor(name: spec.name, type: spec.type, shape: [count], storage: .strings(texts))
            }
            let bytes = TensorBytes(count: count * width)
            for index in 0..<count * width {
                bytes.pointer.storeBytes(of: spec.type == .bool ? UInt8(index & 1) : UInt8(index + 1), toByteOffset: index, as: UInt8.self)
            }
            return Tensor(name: spec.name, type: spec.type, shape: [count], storage: .fixed(bytes))
        }
        let outputs = try session.run(inputs: inputs.reversed(), outputs: session.signature.outputs.map(\.name))
        for (input, output) in zip(inputs, outputs) {
            #expect(output.name == input.name.replacing("in_", with: "out_"))
            #expect(output.type == input.type)
            #expect(output.shape == [count])
            switch (input.storage, output.storage) {
            case (.fixed(let left), .fixed(let right)): #expect(left.bytes.elementsEqual(right.bytes))
            case (.strings(let left), .strings(let right)): #expect(left == right)
            default: Issue.record("\(input.name) changed its kind")
            }
        }
    }

    @Test("A file that is no ONNX graph is refused with the runtime's reason")
    func notONNX() async throws {
        try await withScratchFolder { folder in
            let file = folder.appending(path: "model.onnx")
            for content in ["", "not a model", String(repeating: "\u{08}\u{01}", count: 4000)] {
                try Data(content.utf8).write(to: file)
                let error = #expect(throws: PlatformError.self) { try runtime.open(file: file.path) }
                #expect(error?.code == .invalidArgument)
                #expect(error?.message.hasPrefix("failed to load the model:") == true)
            }
        }
    }

    @Test("A string may hold any bytes, NUL too, or none")
    func nul() throws {
        let session = try runtime.open(file: model("text"))
        for item: [UInt8] in [[65, 0, 66], [], [0], [0xFF, 0xFE]] {
            let text = Tensor(name: "x", type: .bytes, shape: [1], storage: .strings([item]))
            let output = try #require(try session.run(inputs: [text], outputs: ["y"]).first)
            guard case .strings(let answered) = output.storage else { return #expect(output.type == .bytes) }
            #expect(answered == [item])
        }
    }

    @Test("A missing library is unavailable, and the error says what to run", arguments: [nil, "/nonexistent/libonnxruntime.so"])
    func missingLibrary(path: String?) {
        let error = #expect(throws: PlatformError.self) {
            try ONNXRuntime(libraryPath: path).open(file: model("affine"))
        }
        #expect(error?.code == .unavailable)
        #expect(error?.remedy?.contains("make setup") == true)
    }
}

private func fp32(_ name: String, _ shape: [Int], _ values: [Float]) -> Tensor {
    let bytes = TensorBytes(count: values.count * 4)
    values.withUnsafeBytes { source in
        if let base = source.baseAddress { bytes.pointer.copyMemory(from: base, byteCount: source.count) }
    }
    return Tensor(name: name, type: .fp32, shape: shape, storage: .fixed(bytes))
}

private func floats(_ tensor: Tensor) -> [Float] {
    guard case .fixed(let bytes) = tensor.storage else { return [] }
    return Array(bytes.bytes.bindMemory(to: Float.self))
}
