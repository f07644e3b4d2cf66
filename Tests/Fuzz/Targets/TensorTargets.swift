import SlipwayCore

@testable import SlipwayInference

extension FuzzTarget {
    private static let inferSeeds = [
        #"{"inputs":[{"name":"x","datatype":"FP32","shape":[1,2],"data":[1.5,-2e3]}]}"#,
        #"{"id":"7","inputs":[{"name":"x","shape":[2,1],"datatype":"INT64","data":[[1],[9223372036854775807]]}],"outputs":[{"name":"y","parameters":{"binary_data":true}}]}"#,
        #"{"inputs":[{"name":"s","datatype":"BYTES","shape":[2],"data":["é\u00e9","\ud83d\ude00"]}],"parameters":{"binary_data_output":true}}"#,
        #"{"inputs":[{"name":"b","datatype":"BOOL","shape":[3],"data":[true,0,1]}]}"#,
        #"{"inputs":[{"data":[[[NaN],[Infinity]]],"name":"x","datatype":"FP64","shape":[]}]}"#,
        #"{"inputs":[{"name":"z","datatype":"UINT8","shape":[67108864,0],"data":[]}]}"#,
        "\u{45}" + #"{"inputs":[{"name":"x","datatype":"FP32","shape":[1],"parameters":{"binary_data_size":4}}]}abcd"#,
    ]
    private static let inferAnswerSeeds = [
        #"{"model_name":"m","model_version":"1","outputs":[{"name":"y","datatype":"FP32","shape":[1,1],"data":[0.25]}]}"#,
        #"{"model_name":"m","model_version":"3","id":"a","outputs":[{"name":"y","datatype":"BYTES","shape":[1],"data":["x"]},{"name":"z","datatype":"UINT64","shape":[2],"data":[0,18446744073709551615]}]}"#,
        #"{"model_name":"m","model_version":"1","outputs":[{"name":"y","datatype":"INT8","shape":[67108864,0],"data":[]}]}"#,
    ]
    private static let brokenAnswerSeeds = [
        #"{"model_name":"m","model_version":"0","outputs":[]}"#, #"{"model_name":"m","model_version":"1","outputs":[{"name":"y","datatype":"FP32","shape":[2],"data":[1]}]}"#,
    ]
    private static let inferWords = [
        "\"inputs\":[", "\"outputs\":[", "\"name\":\"x\"", "\"shape\":[", "\"datatype\":\"", "\"data\":[", "\"parameters\":{", "\"binary_data_size\":",
        "\"binary_data\":true", "\"binary_data_output\":true", "FP16", "FP32", "FP64", "BF16", "INT8", "INT16", "INT32", "INT64", "UINT8", "UINT64", "BOOL",
        "BYTES", "NaN", "-Infinity", "\\ud83d\\ude00", "67108864", "\"model_name\":\"", "\"model_version\":\"",
    ]

    /// A request that is read and written again, as JSON and as binary, is the same request to the last bit.
    ///
    /// A first byte that is not `{` says where the JSON ends, counted in bytes behind it: its value and 50 more.
    static let infer = FuzzTarget(name: "infer", seeds: inferSeeds, words: inferWords) { input in
        try withBody(input) { body, jsonBytes in
            try verdict([.invalidArgument, .exhausted]) {
                let parsed = try InferenceBody.parseRequest(body, jsonBytes: jsonBytes, model: "m")
                try expectWhole(parsed.request.inputs)
                for isBinary in [false, true] {
                    guard isBinary || !parsed.request.inputs.contains(where: hasNoText) else { continue }
                    let space = UnsafeMutableRawBufferPointer.allocate(byteCount: InferenceBody.bytesMax(of: parsed.request, isBinary: isBinary), alignment: 1)
                    defer { space.deallocate() }
                    let written = InferenceBody.write(parsed.request, isBinary: isBinary, into: space)
                    let again = try mustHold("a request of ours is read") {
                        try InferenceBody.parseRequest(UnsafeRawBufferPointer(rebasing: space[0..<written.bytes]), jsonBytes: written.jsonBytes, model: "m")
                    }
                    try expect(again.request.id == parsed.request.id && again.request.outputs == parsed.request.outputs, "another request was read back")
                    try expectSame(parsed.request.inputs, again.request.inputs)
                }
            }
        }
    }

    static let inferAnswer = FuzzTarget(name: "infer-answer", seeds: inferAnswerSeeds + brokenAnswerSeeds, words: inferWords) { input in
        try withBody(input) { body, jsonBytes in
            try verdict([.invalidArgument, .exhausted]) {
                let response = try InferenceBody.parseResponse(body, jsonBytes: jsonBytes)
                try expectWhole(response.outputs)
                for binary in [BinaryOutputs.none, .all] {
                    guard binary == .all || !response.outputs.contains(where: hasNoText) else { continue }
                    let space = UnsafeMutableRawBufferPointer.allocate(byteCount: InferenceBody.bytesMax(of: response, binary: binary), alignment: 1)
                    defer { space.deallocate() }
                    let written = InferenceBody.write(response, binary: binary, into: space)
                    let again = try mustHold("a response of ours is read") {
                        try InferenceBody.parseResponse(UnsafeRawBufferPointer(rebasing: space[0..<written.bytes]), jsonBytes: written.jsonBytes)
                    }
                    try expect(again.model == response.model && again.id == response.id && again.version == response.version, "another response was read back")
                    try expectSame(response.outputs, again.outputs)
                }
                // What the gateway answers a `/predict` with.
                for output in response.outputs where output.type.width == nil || !hasNoText(output) {
                    let space = UnsafeMutableRawBufferPointer.allocate(byteCount: TensorWriter.bytesMax(of: output), alignment: 1)
                    defer { space.deallocate() }
                    let count = TensorWriter.write(output, into: space)
                    try expect(count <= space.count, "nested elements need more bytes than said")
                }
            }
        }
    }

    /// The input in memory of exactly its size: a sanitizer sees a read past its end.
    private static func withBody<Result>(_ input: [UInt8], _ body: (UnsafeRawBufferPointer, Int?) throws -> Result) rethrows -> Result {
        let hasBinary = input.first.map { $0 != UInt8(ascii: "{") } ?? false
        let bytes = hasBinary ? input.dropFirst() : input[...]
        let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: max(bytes.count, 1), alignment: 1)
        defer { copy.deallocate() }
        copy.copyBytes(from: bytes)
        return try body(UnsafeRawBufferPointer(rebasing: copy[0..<bytes.count]), hasBinary ? Int(input[0]) + 50 : nil)
    }

    /// 16-bit floats have no JSON form, nor have byte strings that are not UTF-8.
    private static func hasNoText(_ tensor: Tensor) -> Bool {
        switch tensor.storage {
        case .fixed: tensor.type == .fp16 || tensor.type == .bf16
        case .strings(let items): items.contains { String(validating: $0, as: UTF8.self) == nil }
        }
    }

    static func expectWhole(_ tensors: [Tensor]) throws {
        for tensor in tensors {
            switch tensor.storage {
            case .fixed(let bytes):
                try expect(bytes.count == tensor.elementCount * (tensor.type.width ?? 0), "'\(tensor.name)' has \(bytes.count) bytes for \(tensor.shape)")
            case .strings(let items): try expect(items.count == tensor.elementCount, "'\(tensor.name)' has \(items.count) texts for \(tensor.shape)")
            }
        }
    }

    private static func expectSame(_ left: [Tensor], _ right: [Tensor]) throws {
        try expect(left.count == right.count, "\(left.count) tensors, read back as \(right.count)")
        for (left, right) in zip(left, right) {
            try expect(left.name == right.name && left.type == right.type && left.shape == right.shape, "'\(left.name)' was read back as another tensor")
            switch (left.storage, right.storage) {
            case (.strings(let first), .strings(let second)): try expect(first == second, "'\(left.name)' was read back with other texts")
            case (.fixed(let first), .fixed(let second)):
                // A NaN's payload has no text.
                if left.type == .fp32 || left.type == .fp64 {
                    try expect(sameNumbers(left.type, first, second), "'\(left.name)' was read back with other numbers")
                } else {
                    try expect(first.bytes.elementsEqual(second.bytes), "'\(left.name)' was read back with other bytes")
                }
            default: throw BrokenRule("'\(left.name)' was read back as another kind of tensor")
            }
        }
    }

    private static func sameNumbers(_ type: DataType, _ left: TensorBytes, _ right: TensorBytes) -> Bool {
        guard left.count == right.count else { return false }
        if type == .fp32 {
            return zip(left.bytes.bindMemory(to: Float.self), right.bytes.bindMemory(to: Float.self)).allSatisfy { $0.bitPattern == $1.bitPattern || ($0.isNaN && $1.isNaN) }
        }
        return zip(left.bytes.bindMemory(to: Double.self), right.bytes.bindMemory(to: Double.self)).allSatisfy { $0.bitPattern == $1.bitPattern || ($0.isNaN && $1.isNaN) }
    }
}
