import Foundation
public import HTTPTypes
import NIOCore
public import SlipwayCore
public import SlipwayHTTP
public import SlipwayInference

/// Between the bytes of HTTP and ``InferenceBody``.
public enum InferenceWire {
    /// `Inference-Header-Content-Length`: how many bytes of a body are JSON.
    public static let jsonLength = HTTPField.Name("Inference-Header-Content-Length") ?? .contentLength

    /// - Parameter dataPlane: Tells the model's input when the body is that input's bytes and nothing else.
    /// - Throws: `invalid_argument` in Triton's words; `exhausted` for a body that unfolds to more than
    ///   ``InferenceLimits/bodyBytesMax``.
    public static func parse(
        _ request: FastRequest,
        model: String,
        version: ModelVersion?,
        dataPlane: any InferenceDataPlane
    ) throws(PlatformError) -> ParsedInference {
        var body = request.body
        if let header = request.head.headerFields[.contentEncoding], let encoding = try BodyEncoding.of(header) {
            body = try encoding.decoded(body, bytesMax: InferenceLimits.bodyBytesMax)
        }
        var inference = try parse(body, jsonBytes: jsonBytes(request.head.headerFields[jsonLength]), model: model, version: version, dataPlane: dataPlane)
        inference.request.cancellation = request.cancellation
        return inference
    }

    private static func parse(
        _ body: ByteBuffer,
        jsonBytes: Int?,
        model: String,
        version: ModelVersion?,
        dataPlane: any InferenceDataPlane
    ) throws(PlatformError) -> ParsedInference {
        guard jsonBytes != 0 else { return try RawInference.parse(body, model: model, version: version, dataPlane: dataPlane) }
        let parsed = body.withUnsafeReadableBytes { bytes in
            Result { () throws(PlatformError) in
                try InferenceBody.parseRequest(bytes, jsonBytes: jsonBytes, model: model, version: version)
            }
        }
        return try parsed.get()
    }

    /// The encoding that the client asks an answer in.
    public static func answerEncoding(_ request: FastRequest) -> BodyEncoding? {
        request.head.headerFields[.acceptEncoding].flatMap(BodyEncoding.accepted)
    }

    public static func jsonBytes(_ header: String?) throws(PlatformError) -> Int? {
        guard let header else { return nil }
        guard let count = Int(header), count >= 0 else {
            throw PlatformError(.invalidArgument, "Inference-Header-Content-Length '\(header.prefix(40))' is not a number of bytes")
        }
        return count
    }

    /// - Parameter encoding: ``answerEncoding(_:)``.
    public static func write(
        _ response: InferenceResponse,
        binary: BinaryOutputs,
        encoding: BodyEncoding? = nil
    ) -> FastResponse {
        if let refusal = InferenceBody.refusal(of: response, binary: binary) { return refusal.inferenceResponse }
        var body = ByteBuffer()
        var jsonBytes: Int?
        body.writeWithUnsafeMutableBytes(minimumWritableBytes: InferenceBody.bytesMax(of: response, binary: binary)) { space in
            let written = InferenceBody.write(response, binary: binary, into: space)
            jsonBytes = written.jsonBytes
            return written.bytes
        }
        var answer = FastResponse(status: .ok, headers: [.contentType: "application/json"], body: body)
        if let jsonBytes { answer.headers = [.contentType: "application/octet-stream", jsonLength: "\(jsonBytes)"] }
        guard let encoding, let encoded = encoding.encoded(body) else { return answer }
        answer.body = encoded
        answer.headers[.contentEncoding] = encoding.rawValue
        return answer
    }
}
