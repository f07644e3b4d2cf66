import HTTPTypes
import NIOCore

/// What a client is told whose request could not be taken in; its connection ends with it.
enum ConnectionRefusal {
    static let late = refusal(.requestTimeout, "the request came too slowly")
    static let headTooLarge = refusal(.requestHeaderFieldsTooLarge, "the request's head is larger than it may be")
    static let unreadable = refusal(.badRequest, "what came is not HTTP/1.1")

    private static func refusal(_ status: HTTPResponse.Status, _ message: String) -> FastResponse {
        FastResponse(
            status: status,
            headers: [.contentType: "application/json"],
            body: ByteBuffer(string: "{\"error\":\"\(message)\"}")
        )
    }
}
