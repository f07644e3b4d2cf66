public import HTTPTypes
public import Hummingbird
import NIOCore
public import SlipwayCore

extension PlatformError.Code {
    /// The HTTP status that our own APIs answer for this code.
    public var status: HTTPResponse.Status {
        switch self {
        case .invalidArgument: .badRequest
        case .notFound: .notFound
        case .alreadyExists: .conflict
        case .failedPrecondition: .conflict
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
    /// `{"error":{"code":…,"message":…,"remedy":…}}`: the body of every error of our own APIs.
    ///
    /// Part of the API: fields are only ever added.
    public var body: JSONValue {
        var members: [String: JSONValue] = ["code": .string(code.rawValue), "message": .string(message)]
        if let remedy { members["remedy"] = .string(remedy) }
        return ["error": .object(members)]
    }
}

extension PlatformError: HTTPResponseError {
    public var status: HTTPResponse.Status { code.status }

    public func response(from request: Request, context: some RequestContext) throws -> Response {
        Response(json: body, status: code.status)
    }
}

extension Response {
    /// A JSON answer in canonical form.
    public init(json: JSONValue, status: HTTPResponse.Status = .ok) {
        let bytes = json.canonicalBytes
        self.init(
            status: status,
            headers: [.contentType: "application/json", .contentLength: "\(bytes.count)"],
            body: ResponseBody(byteBuffer: ByteBuffer(bytes: bytes))
        )
    }
}
