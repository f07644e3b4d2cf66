import SlipwayCore
import SlipwayInference

@testable import SlipwayGateway

extension FuzzTarget {
    /// Rows that the gateway finds become a body that fits into the space asked for; and where the model server reads
    /// that body, its tensor has the shape that the gateway has counted.
    static let predict = FuzzTarget(
        name: "predict",
        seeds: [
            #"{"instances":[[1,2.5],[3,-4e2]]}"#, #"{"model":"tumor","instances":[1,2,3]}"#, #"{"instances":[["a","b\"\\"],["c","d"]],"x":{"y":[null]}}"#,
            #"{"inputs":[{"name":"x","datatype":"FP32","shape":[1],"data":[1]}],"model":"m"}"#, #"{"instances":[[[true],[false]]]}"#, #"{"instances":[[NaN,-Infinity]]}"#,
            #"{"instances":[[1],[2,3]]}"#, #"{ "instances" : [ [ ] ] }"#,
        ],
        words: ["\"instances\":", "\"inputs\":", "\"model\":\"", "[[", "]]", "],[", "NaN", "-Infinity", "true", "null", "\\\"", "\\"]
    ) { input in
        try input.withUnsafeBytes { bytes in
            try verdict {
                let body = try PredictBody.read(bytes, wantsModel: true)
                try expect(body.model == nil || PredictBody.mayNameModel(bytes), "a model was found that the quick look denies")
                guard case .instances(let rows) = body.content else { return }
                try expect(rows.range.lowerBound >= 0 && rows.range.upperBound <= bytes.count && !rows.shape.isEmpty, "rows outside of the body")
                let start = Array(#"{"inputs":[{"name":"x","datatype":"FP64","shape":["#.utf8)
                let space = UnsafeMutableRawBufferPointer.allocate(byteCount: rows.bytesMax(start: start), alignment: 1)
                defer { space.deallocate() }
                let count = rows.writeInference(start: start, body: bytes, into: space)
                guard let parsed = try? InferenceBody.parseRequest(UnsafeRawBufferPointer(rebasing: space[0..<count])) else { return }
                try expect(parsed.request.inputs.map(\.shape) == [rows.shape], "the rows are \(rows.shape), the tensor is \(parsed.request.inputs.map(\.shape))")
            }
        }
    }

    /// A path that names a model names one segment of it.
    static let gatewayPath = FuzzTarget(
        name: "gateway-path",
        seeds: ["/predict", "/models/a/predict", "/variant/B/predict", "/v2/models/a/infer", "/v2/models/a/versions/3/infer", "/v2/models//infer", "/models//predict"],
        words: ["/models/", "/predict", "/variant/", "/v2/models/", "/versions/", "/infer", "//"]
    ) { input in
        let text = String(decoding: input, as: UTF8.self)
        let named: [Substring]
        switch GatewayPath(text) {
        case nil: return .refused
        case .predict: return .accepted
        case .predictModel(let name): named = [name]
        case .predictVariant(let name): named = [name]
        case .infer(let model, let version): named = [model] + (version.map { [$0] } ?? [])
        }
        for name in named { try expect(!name.isEmpty && !name.utf8.contains(UInt8(ascii: "/")), "'\(name)' in '\(text)' is no segment") }
        return .accepted
    }
}
