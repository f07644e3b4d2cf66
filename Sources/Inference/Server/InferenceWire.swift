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

    public static func parse(
        _ request: FastRequest,
        model: String,
        version: ModelVersion?
    ) throws(PlatformError) -> ParsedInference {
        if let encoding = request.head.headerFields[.contentEncoding], encoding.lowercased() != "identity" {
            throw PlatformError(.invalidArgument, "content encoding '\(encoding.prefix(40))' is not supported", remedy: "send the body uncompressed")
        }
        let jsonBytes = try jsonBytes(request.head.headerFields[jsonLength])
        let parsed = request.body.withUnsafeReadableBytes { bytes in
            Result { () throws(PlatformError) in
                try InferenceBody.parseRequest(bytes, jsonBytes: jsonBytes, model: model, version: version)
            }
        }
        var inference = try parsed.get()
        inference.request.cancellation = request.cancellation
        return inference
    }

    public static func jsonBytes(_ header: String?) throws(PlatformError) -> Int? {
        guard let header else { return nil }
        guard let count = Int(header), count >= 0 else {
            throw PlatformError(.invalidArgument, "Inference-Header-Content-Length '\(header.prefix(40))' is not a number of bytes")
        }
        return count
    }

    public static func write(_ response: InferenceResponse, binary: BinaryOutputs) -> FastResponse {
        var body = ByteBuffer()
        var jsonBytes: Int?
        body.writeWithUnsafeMutableBytes(minimumWritableBytes: InferenceBody.bytesMax(of: response, binary: binary)) { space in
            let written = InferenceBody.write(response, binary: binary, into: space)
            jsonBytes = written.jsonBytes
            return written.bytes
        }
        guard let jsonBytes else {
            return FastResponse(status: .ok, headers: [.contentType: "application/json"], body: body)
        }
        return FastResponse(
            status: .ok,
            headers: [.contentType: "application/octet-stream", jsonLength: "\(jsonBytes)"],
            body: body
        )
    }
}
