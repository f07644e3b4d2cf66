import HTTPTypes
import NIOCore

/// The headers that the gateway reads and writes.
enum GatewayHeader {
    static let clientID = name("x-client-id")
    static let model = name("x-model")
    static let token = name("x-token")
    static let jsonLength = name("inference-header-content-length")
    static let servedModel = name("x-slipway-model")
    static let servedVariant = name("x-slipway-variant")
    static let servedVersion = name("x-slipway-version")
    static let generation = name("x-slipway-generation")
    static let retryAfter = name("retry-after")

    private static func name(_ text: String) -> HTTPField.Name {
        guard let name = HTTPField.Name(text) else { preconditionFailure("'\(text)' is not a header's name") }
        return name
    }
}

/// What one pass over a request's headers found.
struct RequestHeaders {
    var clientID: String?
    var model: String?
    /// The length of the JSON before the binary part, as text.
    var jsonLength: String?
    var contentEncoding: String?

    init(_ fields: HTTPFields) {
        for field in fields {
            switch field.name.canonicalName {
            case "x-client-id": clientID = field.value
            case "x-model": model = field.value
            case "inference-header-content-length": jsonLength = field.value
            case "content-encoding": contentEncoding = field.value
            default: break
            }
        }
    }
}
