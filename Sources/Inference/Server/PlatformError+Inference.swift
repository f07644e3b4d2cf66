public import HTTPTypes
import Hummingbird
import NIOCore
public import SlipwayCore
public import SlipwayHTTP

extension PlatformError.Code {
    /// The status with which the Open Inference Protocol answers this code, as Triton does.
    public var inferenceStatus: HTTPResponse.Status {
        switch self {
        case .invalidArgument: .badRequest
        case .notFound: .notFound
        case .alreadyExists: .conflict
        case .failedPrecondition: .badRequest
        case .permissionDenied: .forbidden
        case .unauthenticated: .unauthorized
        case .exhausted: .tooManyRequests
        case .unavailable: .serviceUnavailable
        case .corrupt: .internalServerError
        case .unexpected: .internalServerError
        }
    }
}

extension PlatformError {
    /// `{"error": "…"}`: every error of the protocol.
    public var inferenceResponse: FastResponse {
        var headers: HTTPFields = [.contentType: "application/json"]
        // Both pass by themselves: clients that know the header come back and need not guess when.
        if code == .exhausted || code == .unavailable { headers[.retryAfter] = "1" }
        let body = JSONValue.object(["error": .string(message)]).canonicalBytes
        return FastResponse(
            status: code.inferenceStatus,
            headers: headers,
            body: ByteBuffer(bytes: body)
        )
    }
}

extension FastResponse {
    /// The same answer through the router.
    var routed: Response {
        var headers = headers
        headers[.contentLength] = "\(body.readableBytes)"
        return Response(status: status, headers: headers, body: ResponseBody(byteBuffer: body))
    }
}
