public import NIOCore
import NIOHPACK
public import SlipwayCore

/// What a listener answers, by path: `/inference.GRPCInferenceService/ModelInfer`.
public struct GRPCMethods: Sendable {
    enum Kind: Sendable {
        case unary(@Sendable (ByteBuffer, GRPCContext) -> GRPCAnswer)
        case task(@Sendable (ByteBuffer, GRPCContext) async -> GRPCReply)
        case exchange(@Sendable (ByteBuffer, GRPCContext) -> GRPCAnswer)
        case watch(@Sendable (ByteBuffer, GRPCContext) -> GRPCWatch)
    }

    struct Method: Sendable {
        let kind: Kind
        let messageBytesMax: Int
    }

    private(set) var table: [String: Method] = [:]

    /// For messages that hold some names and numbers.
    public static let smallMessageBytesMax = 1 << 20

    public init() {}

    /// One message in, one out. Called on the connection's event loop: never blocks for longer than a small
    /// model takes.
    public mutating func unary(
        _ path: String,
        messageBytesMax: Int = smallMessageBytesMax,
        _ handle: @escaping @Sendable (ByteBuffer, GRPCContext) -> GRPCAnswer
    ) {
        table[path] = Method(kind: .unary(handle), messageBytesMax: messageBytesMax)
    }

    /// One message in, one out, by a task that may wait.
    public mutating func task(
        _ path: String,
        messageBytesMax: Int = smallMessageBytesMax,
        _ handle: @escaping @Sendable (ByteBuffer, GRPCContext) async -> GRPCReply
    ) {
        table[path] = Method(kind: .task(handle), messageBytesMax: messageBytesMax)
    }

    /// Many messages in, one out for each, in their order. A reply that is not ``GRPCStatus/ok`` ends the stream.
    public mutating func exchange(
        _ path: String,
        messageBytesMax: Int = smallMessageBytesMax,
        _ handle: @escaping @Sendable (ByteBuffer, GRPCContext) -> GRPCAnswer
    ) {
        table[path] = Method(kind: .exchange(handle), messageBytesMax: messageBytesMax)
    }

    /// One message in; out comes a value, and again whenever it has changed, until the client leaves.
    public mutating func watch(_ path: String, _ handle: @escaping @Sendable (ByteBuffer, GRPCContext) -> GRPCWatch) {
        table[path] = Method(kind: .watch(handle), messageBytesMax: Self.smallMessageBytesMax)
    }
}

/// A call, as its handler sees it.
public struct GRPCContext: Sendable {
    /// The connection's event loop.
    public let eventLoop: any EventLoop
    /// When the client stops waiting, by the clock of ``eventLoop``.
    public let deadline: NIODeadline?
    /// Set when nobody waits for the answer any more: the client has left, or its deadline has passed.
    public let cancellation = Cancellation()
    /// Where the connection comes from; `nil` where that has no address.
    public let remoteAddress: SocketAddress?
    private let headers: HPACKHeaders

    init(eventLoop: any EventLoop, deadline: NIODeadline?, remoteAddress: SocketAddress? = nil, headers: HPACKHeaders) {
        self.eventLoop = eventLoop
        self.deadline = deadline
        self.remoteAddress = remoteAddress
        self.headers = headers
    }

    /// A call that came over no connection.
    init(eventLoop: any EventLoop, metadata: [(String, String)]) {
        self.init(eventLoop: eventLoop, deadline: nil, headers: HPACKHeaders(metadata))
    }

    /// The first value of the client's metadata by that name, in lower case.
    public func metadata(_ name: String) -> String? { headers.first(name: name) }
}

public enum GRPCAnswer: Sendable {
    case now(GRPCReply)
    /// Completed on any event loop: the connection hops back.
    case later(EventLoopFuture<GRPCReply>)
}

/// How a call, or one message of a stream, is answered.
public struct GRPCReply: Sendable {
    public var status: GRPCStatus
    /// For people; on the wire in the trailers.
    public var text: String
    public var message: GRPCMessage?
    /// Sent in front of the message; names in lower case. Only the first reply of a stream has any.
    public var metadata: [GRPCMetadata]

    public init(_ message: GRPCMessage, metadata: [GRPCMetadata] = []) {
        status = .ok
        text = ""
        self.message = message
        self.metadata = metadata
    }

    public init(_ status: GRPCStatus, _ text: String, metadata: [GRPCMetadata] = []) {
        self.status = status
        self.text = text
        message = nil
        self.metadata = metadata
    }
}

public struct GRPCMetadata: Sendable {
    public let name: String
    public let value: String

    public init(_ name: String, _ value: String) {
        self.name = name
        self.value = value
    }
}

/// Something whose changes a client follows.
public enum GRPCWatch: Sendable {
    /// Asked again and again, on the event loop.
    case value(@Sendable () -> GRPCMessage)
    case refused(GRPCStatus, String)
}
