public import HTTPTypes
public import NIOCore
public import SlipwayCore

/// Requests that are answered on the event loop, before the router: the hot path.
///
/// A server has at most one set of them. What it does not accept goes to the router unchanged.
public protocol FastRoutes: Sendable {
    /// Decides from the head alone whether ``answer(_:on:)`` gets the request, once its body is complete.
    ///
    /// Called on the event loop for every request, so it must only look at bytes.
    func accepts(method: HTTPRequest.Method, path: String) -> Bool
    /// Bodies over this many bytes are refused with ``tooLarge`` before they are read.
    var bodyBytesMax: Int { get }
    /// 413 with `{"error":…}`, unless the protocol has words of its own.
    var tooLarge: FastResponse { get }
    /// Why a request with a body, of the fast routes or the router's, gets no further than its head; `nil`: it may come.
    ///
    /// Asked before any of the body is read: whoever may not send something need not send it first.
    func refusal(of head: HTTPRequest) -> FastResponse?
    /// Answers one request. Never blocks for longer than a small model takes.
    func answer(_ request: FastRequest, on eventLoop: any EventLoop) -> FastAnswer
}

extension FastRoutes {
    public func refusal(of head: HTTPRequest) -> FastResponse? { nil }

    public var tooLarge: FastResponse {
        let text = "{\"error\":\"the body is larger than \(bodyBytesMax) bytes\"}"
        return FastResponse(status: .contentTooLarge, headers: [.contentType: "application/json"], body: ByteBuffer(string: text))
    }
}

/// A complete request on the fast path.
public struct FastRequest: Sendable {
    public let head: HTTPRequest
    /// The path of ``head`` without its query; never empty.
    public let path: String
    public let body: ByteBuffer
    /// Set when the connection closes: nobody waits for the answer any more.
    public let cancellation: Cancellation?
    /// A hash of the address at the other end; 0 when there is none.
    public let peer: UInt64

    public init(head: HTTPRequest, path: String, body: ByteBuffer, cancellation: Cancellation? = nil, peer: UInt64 = 0) {
        self.head = head
        self.path = path
        self.body = body
        self.cancellation = cancellation
        self.peer = peer
    }
}

public enum FastAnswer: Sendable {
    case now(FastResponse)
    /// Completed on the event loop that was passed in, or on another: the handler hops back.
    case later(EventLoopFuture<FastResponse>)
}

public struct FastResponse: Sendable {
    public var status: HTTPResponse.Status
    /// Content-Length is set by the handler.
    public var headers: HTTPFields
    public var body: ByteBuffer

    public init(status: HTTPResponse.Status, headers: HTTPFields = [:], body: ByteBuffer) {
        self.status = status
        self.headers = headers
        self.body = body
    }
}
