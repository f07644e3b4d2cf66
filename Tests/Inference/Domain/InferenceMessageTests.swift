import Foundation
import SlipwayCore
import SlipwayInferenceMessages
import SlipwayTesting
import SwiftProtobuf
import Testing

@testable import SlipwayInference

@Suite("Messages of the gRPC hot path")
struct InferenceMessageTests {
    private func parse(_ message: Inference_ModelInferRequest) throws -> InferenceMessage.Parsed {
        try parse(try message.serializedBytes() as [UInt8])
    }

    private func parse(_ bytes: [UInt8]) throws -> InferenceMessage.Parsed {
        try bytes.withUnsafeBytes { try InferenceMessage.parseRequest($0) }
    }

    private func input(_ name: String, _ type: String, _ shape: [Int64]) -> Inference_ModelInferRequest.InferInputTensor {
        var input = Inference_ModelInferRequest.InferInputTensor()
        (input.name, input.datatype, input.shape) = (name, type, shape)
        return input
    }

    private func request(_ inputs: Inference_ModelInferRequest.InferInputTensor...) -> Inference_ModelInferRequest {
        var request = Inference_ModelInferRequest()
        request.modelName = "m"
        request.inputs = inputs
        return request
    }

    private func bytes(of tensor: Tensor) -> [UInt8] {
        guard case .fixed(let bytes) = tensor.storage else { return [] }
        return Array(bytes.bytes)
    }

    private func refusal(_ message: Inference_ModelInferRequest) throws -> PlatformError? {
        do {
            _ = try parse(message)
            return nil
        } catch let error as PlatformError {
            return error
        }
    }

    @Test("What the generated code writes is read: names, version, id, outputs, timeout, raw tensors")
    func head() throws {
        var message = request(input("a", "FP32", [2, 2]), input("s", "BYTES", [2]))
        (message.modelVersion, message.id) = ("7", "seven")
        var output = Inference_ModelInferRequest.InferRequestedOutputTensor()
        output.name = "y"
        message.outputs = [output]
        message.parameters["timeout"] = .with { $0.int64Param = 5_000 }
        message.parameters["other"] = .with { $0.stringParam = "x" }
        message.rawInputContents = [Data((0..<16).map { UInt8($0) }), Data([1, 0, 0, 0, 9, 0, 0, 0, 0])]
        let parsed = try parse(message)
        #expect(parsed.request.model == "m")
        #expect(parsed.request.version == (try ModelVersion(7)))
        #expect(parsed.request.id == "seven")
        #expect(parsed.request.outputs == ["y"])
        #expect(parsed.request.timeoutMicroseconds == 5_000)
        #expect(parsed.request.inputs.map(\.name) == ["a", "s"])
        #expect(parsed.request.inputs.map(\.shape) == [[2, 2], [2]])
        #expect(bytes(of: parsed.request.inputs[0]) == (0..<16).map { UInt8($0) })
        guard case .strings(let items) = parsed.request.inputs[1].storage else { throw PlatformError(.unexpected, "no strings") }
        #expect(items == [[9], []])
    }

    /// A datatype, how its elements get into `contents`, and their bytes.
    struct TypedCase: Sendable, CustomTestStringConvertible {
        let type: String
        let fill: @Sendable (inout Inference_InferTensorContents) -> Void
        let bytes: [UInt8]
        var testDescription: String { type }
    }

    private static func little<Value>(_ values: [Value]) -> [UInt8] { values.withUnsafeBytes { Array($0) } }

    static let typed: [TypedCase] = [
        TypedCase(type: "BOOL", fill: { $0.boolContents = [true, false] }, bytes: [1, 0]),
        TypedCase(type: "INT8", fill: { $0.intContents = [-128, 127] }, bytes: [0x80, 0x7F]),
        TypedCase(type: "INT16", fill: { $0.intContents = [-32768, 3] }, bytes: little([Int16.min, 3])),
        TypedCase(type: "INT32", fill: { $0.intContents = [.min, .max] }, bytes: little([Int32.min, .max])),
        TypedCase(type: "INT64", fill: { $0.int64Contents = [.min, .max] }, bytes: little([Int64.min, .max])),
        TypedCase(type: "UINT8", fill: { $0.uintContents = [0, 255] }, bytes: [0, 255]),
        TypedCase(type: "UINT16", fill: { $0.uintContents = [0, 65535] }, bytes: little([UInt16(0), .max])),
        TypedCase(type: "UINT32", fill: { $0.uintContents = [0, .max] }, bytes: little([UInt32(0), .max])),
        TypedCase(type: "UINT64", fill: { $0.uint64Contents = [0, .max] }, bytes: little([UInt64(0), .max])),
        TypedCase(type: "FP32", fill: { $0.fp32Contents = [-0.0, 3.4e38] }, bytes: little([Float(-0.0), 3.4e38])),
        TypedCase(type: "FP64", fill: { $0.fp64Contents = [0.1, -.infinity] }, bytes: little([0.1, -.infinity])),
    ]

    @Test("Typed contents of every datatype become its elements", arguments: typed)
    func contents(_ example: TypedCase) throws {
        var tensor = input("x", example.type, [2])
        example.fill(&tensor.contents)
        #expect(bytes(of: try parse(request(tensor)).request.inputs[0]) == example.bytes)
    }

    @Test("Elements that are not packed are read as well")
    func unpacked() throws {
        // contents { fp32_contents: 1, fp32_contents: 2 } each with a head of its own.
        let contents: [UInt8] = [6 << 3 | 5, 0, 0, 0x80, 0x3F, 6 << 3 | 5, 0, 0, 0, 0x40]
        let tensor: [UInt8] = [1 << 3 | 2, 1, UInt8(ascii: "x"), 2 << 3 | 2, 4] + Array("FP32".utf8) + [3 << 3, 2, 5 << 3 | 2, UInt8(contents.count)] + contents
        let parsed = try parse([5 << 3 | 2, UInt8(tensor.count)] + tensor)
        #expect(bytes(of: parsed.request.inputs[0]) == Self.little([Float(1), 2]))
        #expect(parsed.request.inputs[0].shape == [2])
    }

    @Test("Numbers that a datatype does not have are refused, not cut")
    func ranges() throws {
        for (type, value) in [("INT8", Int32(128)), ("INT8", -129), ("INT16", 40_000)] {
            var tensor = input("x", type, [1])
            tensor.contents.intContents = [value]
            #expect(try refusal(request(tensor))?.message.contains("\(value)") == true)
        }
        var tensor = input("x", "UINT8", [1])
        tensor.contents.uintContents = [256]
        #expect(try refusal(request(tensor))?.code == .invalidArgument)
    }

    @Test("Too few, too many and misplaced elements are refused with the tensor's name")
    func wrongContents() throws {
        for values: [Float] in [[1], [1, 2, 3]] {
            var tensor = input("x", "FP32", [2])
            tensor.contents.fp32Contents = values
            #expect(try refusal(request(tensor))?.message.contains("'x'") == true)
        }
        #expect(try refusal(request(input("x", "FP32", [2])))?.message.contains("unable to find data") == true)
        #expect(try refusal(request(input("x", "FP32", [0]))) == nil)
        #expect(try refusal(request()) == nil, "what a model needs is for others to say")
        var other = input("x", "FP32", [2])
        other.contents.fp64Contents = [1, 2]
        #expect(try refusal(request(other))?.message.contains("fp64_contents") == true)
        var half = input("x", "FP16", [1])
        half.contents.fp32Contents = [1]
        #expect(try refusal(request(half))?.message.contains("FP16") == true)
        var both = request(input("x", "FP32", [1]))
        both.inputs[0].contents.fp32Contents = [1]
        both.rawInputContents = [Data(count: 4)]
        #expect(try refusal(both)?.message.contains("must not be specified") == true)
        var short = request(input("x", "FP32", [1]), input("z", "FP32", [1]))
        short.rawInputContents = [Data(count: 4)]
        #expect(try refusal(short)?.message.contains("'z'") == true)
    }

    @Test("A shape promises no memory: huge, negative and overflowing ones are refused")
    func shapes() throws {
        let shapes: [[Int64]] = [[-1], [Int64.max], [1 << 40, 1 << 40], [1 << 31, 1 << 31, 1 << 31], [Int64](repeating: 1, count: 1000)]
        for shape in shapes {
            let error = try refusal(request(input("x", "FP32", shape)))
            #expect(error?.code == .invalidArgument || error?.code == .exhausted, "\(shape.prefix(5))")
        }
    }

    @Test("A sequence's number means nothing to a model without sequences; shared memory is refused by name")
    func unsupported() throws {
        var message = request(input("x", "BOOL", [1]))
        message.rawInputContents = [Data([1])]
        message.parameters["sequence_id"] = .with { $0.int64Param = 4 }
        message.parameters["sequence_start"] = .with { $0.boolParam = true }
        #expect(try refusal(message) == nil)
        message.parameters = [:]
        message.inputs[0].parameters["shared_memory_region"] = .with { $0.stringParam = "r" }
        #expect(try refusal(message)?.message.contains("shared memory") == true)
    }

    @Test("The answer is what the generated code reads, and its size is known beforehand")
    func response() throws {
        let storage = TensorBytes(count: 8)
        storage.pointer.storeBytes(of: 0x0102_0304_0506_0708, as: UInt64.self)
        let response = InferenceResponse(
            model: "modèle",
            version: try ModelVersion(12),
            id: "id",
            outputs: [
                Tensor(name: "y", type: .fp32, shape: [1, 2], storage: .fixed(storage)),
                Tensor(name: "s", type: .bytes, shape: [2], storage: .strings([[1, 2], []])),
                Tensor(name: "n", type: .int64, shape: [], storage: .fixed(storage)),
                Tensor(name: "none", type: .fp32, shape: [0, 300], storage: .fixed(TensorBytes(count: 0))),
            ]
        )
        let parameters: [(name: String, value: InferenceMessage.Parameter)] = [("variant", .text("A")), ("empty", .text("")), ("flag", .bool(true))]
        let count = InferenceMessage.bytes(of: response, parameters: parameters)
        let written = [UInt8](unsafeUninitializedCapacity: count) { space, size in
            size = InferenceMessage.write(response, parameters: parameters, into: UnsafeMutableRawBufferPointer(space))
        }
        #expect(written.count == count)
        let read = try Inference_ModelInferResponse(serializedBytes: written)
        #expect(read.modelName == "modèle" && read.modelVersion == "12" && read.id == "id")
        #expect(read.parameters["variant"]?.stringParam == "A" && read.parameters["flag"]?.boolParam == true)
        #expect(read.parameters["empty"]?.parameterChoice == .stringParam(""))
        #expect(read.outputs.map(\.name) == ["y", "s", "n", "none"])
        #expect(read.outputs.map(\.datatype) == ["FP32", "BYTES", "INT64", "FP32"])
        #expect(read.outputs.map(\.shape) == [[1, 2], [2], [], [0, 300]])
        #expect(read.rawOutputContents.map(\.count) == [8, 10, 8, 0])
        let streamedCount = InferenceMessage.streamedBytes(of: response)
        let streamed = [UInt8](unsafeUninitializedCapacity: streamedCount) { space, size in
            size = InferenceMessage.writeStreamed(response, into: UnsafeMutableRawBufferPointer(space))
        }
        #expect(streamed.count == streamedCount)
        #expect(try Inference_ModelStreamInferResponse(serializedBytes: streamed).inferResponse.outputs == read.outputs)
        let error = try Inference_ModelStreamInferResponse(serializedBytes: InferenceMessage.streamedError("no", id: "id"))
        #expect(error.errorMessage == "no" && error.inferResponse.id == "id")
    }

    @Test("Whatever the bytes, the reader ends with a request or a refusal, and agrees with the generated code")
    func fuzz() throws {
        var good = request(input("x", "FP32", [2, 3]), input("s", "BYTES", [1]))
        good.inputs[0].contents.fp32Contents = [1, 2, 3, 4, 5, 6]
        good.inputs[1].contents.bytesContents = [Data("text".utf8)]
        // No parameters: the generated code takes a broken entry of a map for a broken message, we for an unknown field.
        let whole: [UInt8] = try good.serializedBytes()
        for seed in 0..<3000 {
            var random = SeededGenerator(seed: UInt64(seed))
            var bytes = whole
            for _ in 0..<Int.random(in: 1...4, using: &random) where !bytes.isEmpty {
                let place = Int.random(in: 0..<bytes.count, using: &random)
                switch Int.random(in: 0..<4, using: &random) {
                case 0: bytes[place] = .random(in: 0...255, using: &random)
                case 1: bytes.remove(at: place)
                case 2: bytes.insert(.random(in: 0...255, using: &random), at: place)
                default: bytes = Array(bytes[..<max(place, 1)])
                }
            }
            guard let parsed = try? parse(bytes) else { continue }
            // What we take, protobuf takes, and reads the same.
            let reference = try Inference_ModelInferRequest(serializedBytes: bytes)
            #expect(parsed.request.model == reference.modelName, "seed \(seed)")
            #expect(parsed.request.inputs.map(\.name) == reference.inputs.map(\.name), "seed \(seed)")
            #expect(parsed.request.inputs.map { $0.shape.map(Int64.init) } == reference.inputs.map(\.shape), "seed \(seed)")
        }
    }
}
