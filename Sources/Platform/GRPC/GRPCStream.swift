import NIOCore
import NIOHPACK
import NIOHTTP2
import SlipwayCore

/// One call on a connection. Touched only on the connection's event loop.
final class GRPCStream {
    /// A message of an exchange, from when it was read until its reply is out.
    final class Slot {
        var reply: GRPCReply?
    }

    let id: HTTP2StreamID
    let kind: GRPCMethods.Kind
    let context: GRPCContext
    let opened: NIODeadline
    var reader: MessageReader
    /// The message of a unary call, once it is complete.
    var message: ByteBuffer?
    /// Whether the client has said all it wants to say.
    var isInboundEnded = false
    /// Whether the handler has been asked: no second time for a unary call.
    var isAsked = false
    /// Whether the status is out, or the client is gone: nothing more is sent.
    var isDone = false
    var hasSentHeaders = false
    var deadlineTask: Scheduled<Void>?
    /// What the client may still send before a window update.
    var windowBytes: Int
    var slots = CircularBuffer<Slot>()
    /// Bytes of replies handed to the connection and not to the kernel yet.
    var unsentBytes = 0
    var isPumping = false
    /// The next look at a watched value, and the last one sent.
    var watchTask: Scheduled<Void>?
    var watched: GRPCMessage?

    init(id: HTTP2StreamID, kind: GRPCMethods.Kind, context: GRPCContext, reader: MessageReader, windowBytes: Int, now: NIODeadline) {
        self.id = id
        self.kind = kind
        self.context = context
        self.reader = reader
        self.windowBytes = windowBytes
        opened = now
    }

    /// Ends whatever would call back.
    func stop() {
        isDone = true
        context.cancellation.cancel()
        deadlineTask?.cancel()
        deadlineTask = nil
        watchTask?.cancel()
        watchTask = nil
        slots.removeAll()
        message = nil
    }
}

/// What the head of a call says.
struct GRPCCallHead {
    enum Problem: Error {
        /// Not gRPC: answered with HTTP's own status.
        case http(status: String, text: String)
        case grpc(GRPCRefusal)
    }

    let method: GRPCMethods.Method
    let coding: MessageCoding
    let timeout: TimeAmount?

    init(_ headers: HPACKHeaders, methods: GRPCMethods) throws(Problem) {
        var method = ""
        var path = ""
        var contentType = ""
        var encoding = ""
        var timeoutText: String?
        for (name, value, _) in headers {
            switch name {
            case ":method": method = value
            case ":path": path = value
            case "content-type": contentType = value
            case "grpc-encoding": encoding = value
            case "grpc-timeout": timeoutText = value
            default: break
            }
        }
        guard method == "POST" else { throw .http(status: "405", text: "gRPC calls are POST") }
        guard Self.isGRPC(contentType) else {
            throw .http(status: "415", text: "content type '\(contentType.prefix(100))' is not application/grpc")
        }
        guard let found = methods.table[path] else {
            throw .grpc(GRPCRefusal(.unimplemented, "there is no method '\(path.prefix(200))'"))
        }
        guard let coding = MessageCoding(encoding) else {
            throw .grpc(GRPCRefusal(.unimplemented, "'grpc-encoding: \(encoding.prefix(40))' is not supported; \(MessageCoding.accepted) are"))
        }
        timeout = timeoutText.flatMap { GRPCTimeout.parse($0) }
        if let timeoutText, timeout == nil {
            throw .grpc(GRPCRefusal(.invalidArgument, "'grpc-timeout: \(timeoutText.prefix(40))' is not a number and a unit"))
        }
        self.method = found
        self.coding = coding
    }

    private static func isGRPC(_ contentType: String) -> Bool {
        if contentType == "application/grpc" { return true }
        let name = contentType.lowercased()
        return name == "application/grpc" || name.hasPrefix("application/grpc+proto") || name.hasPrefix("application/grpc;")
    }
}
