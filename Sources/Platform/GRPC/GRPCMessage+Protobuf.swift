public import NIOCore
public import SlipwayCore
public import SwiftProtobuf

extension PlatformError {
    /// This error as the end of a call.
    public var grpcReply: GRPCReply { GRPCReply(code.grpcStatus, message) }
}

extension GRPCMethods {
    /// A call whose messages are generated ones and that is answered at once.
    ///
    /// - Parameter answer: Throws ``PlatformError``.
    public mutating func unary<Request: Message, Response: Message>(
        _ path: String,
        _ answer: @escaping @Sendable (Request) throws(PlatformError) -> Response
    ) {
        unary(path) { bytes, _ in
            do throws(PlatformError) {
                return .now(try GRPCReply(encoding: try answer(try bytes.decoded())))
            } catch {
                return .now(error.grpcReply)
            }
        }
    }

    /// A call whose messages are generated ones and that takes its time.
    public mutating func task<Request: Message, Response: Message>(
        _ path: String,
        messageBytesMax: Int = smallMessageBytesMax,
        _ answer: @escaping @Sendable (Request) async throws -> Response
    ) {
        task(path, messageBytesMax: messageBytesMax) { bytes, _ in
            do {
                let request: Request = try bytes.decoded()
                return try GRPCReply(encoding: try await answer(request))
            } catch {
                return PlatformError.wrapping(error, doing: "answer the call").grpcReply
            }
        }
    }
}

extension GRPCReply {
    public init(encoding message: some Message) throws(PlatformError) {
        self.init(try GRPCMessage(encoding: message))
    }
}

extension GRPCMessage {
    public init(encoding message: some Message) throws(PlatformError) {
        do {
            let bytes: [UInt8] = try message.serializedBytes()
            self.init(bytes)
        } catch {
            throw PlatformError(.unexpected, "the answer could not be encoded", cause: error)
        }
    }
}

extension ByteBuffer {
    /// - Throws: `invalid_argument` when the bytes are no such message.
    public func decoded<Request: Message>() throws(PlatformError) -> Request {
        do {
            return try Request(serializedBytes: [UInt8](buffer: self))
        } catch {
            throw PlatformError(.invalidArgument, "the message is not a \(Request.protoMessageName)", cause: error)
        }
    }
}
