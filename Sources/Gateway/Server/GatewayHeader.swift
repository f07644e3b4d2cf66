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
    static let requestID = name("x-request-id")
    static let setCookie = name("set-cookie")

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
    /// Milliseconds, as text.
    var timeout: String?
    /// The variant that a tester asks for.
    var variant: String?
    /// As the client calls the request, cleaned.
    var requestID: String?
    /// All of them, as a client may send several.
    var cookies: String?

    init(_ fields: HTTPFields) {
        for field in fields {
            // By length first: most headers are none of these, and there are some on every request.
            let name = field.name.canonicalName
            switch name.utf8.count {
            case 6 where name == "cookie": cookies = cookies.map { $0 + "; " + field.value } ?? field.value
            case 7 where name == "x-model": model = field.value
            case 9 where name == "x-variant": variant = field.value
            case 11 where name == "x-client-id": clientID = field.value
            case 12 where name == "x-timeout-ms": timeout = field.value
            case 12 where name == "x-request-id": requestID = RequestID.cleaned(field.value)
            case 16 where name == "content-encoding": contentEncoding = field.value
            case 31 where name == "inference-header-content-length": jsonLength = field.value
            default: break
            }
        }
    }
}
