import NIOCore
import NIOEmbedded
import NIOHPACK
import NIOHTTP2

@testable import SlipwayGRPC

/// A connection without a socket: a client's HTTP/2 and the server's, whose bytes are carried by hand.
final class GRPCPeer {
    let server = EmbeddedChannel()
    private let client = EmbeddedChannel()
    private(set) var frames: [HTTP2Frame] = []

    init(_ methods: GRPCMethods, limits: GRPCLimits = GRPCLimits(), isGreeting: Bool = true) throws {
        try server.pipeline.syncOperations.addGRPC(methods: methods, limits: limits, work: GRPCWork(waitingMax: 1))
        server.connect(to: try SocketAddress(ipAddress: "127.0.0.1", port: 1), promise: nil)
        guard isGreeting else { return }
        try client.pipeline.syncOperations.addHandler(NIOHTTP2Handler(mode: .client, headerBlockValidation: .disabled))
        client.connect(to: try SocketAddress(ipAddress: "127.0.0.1", port: 1), promise: nil)
        carry()
    }

    /// What either side's HTTP/2 complained of.
    private(set) var errors: [any Error] = []

    private func note(_ error: any Error) { errors.append(error) }

    deinit {
        _ = try? server.finish()
        _ = try? client.finish()
    }

    /// Whether the server has not closed the connection.
    var isOpen: Bool { server.isActive }

    /// Carries bytes both ways until nobody has any left.
    func carry() {
        var isMoving = true
        while isMoving {
            isMoving = false
            while let bytes = try? client.readOutbound(as: ByteBuffer.self) {
                isMoving = true
                do { _ = try server.writeInbound(bytes) } catch { note(error) }
            }
            server.embeddedEventLoop.run()
            while let bytes = try? server.readOutbound(as: ByteBuffer.self) {
                isMoving = true
                do { _ = try client.writeInbound(bytes) } catch { note(error) }
            }
        }
        while let frame = try? client.readInbound(as: HTTP2Frame.self) { frames.append(frame) }
    }

    func advance(_ time: TimeAmount) {
        server.embeddedEventLoop.advanceTime(by: time)
        carry()
    }

    func sendRaw(_ text: String) {
        _ = try? server.writeInbound(ByteBuffer(string: text))
        server.embeddedEventLoop.run()
    }

    func send(_ id: HTTP2StreamID, _ payload: HTTP2Frame.FramePayload, isCarried: Bool = true) {
        client.writeAndFlush(HTTP2Frame(streamID: id, payload: payload), promise: nil)
        if isCarried { carry() }
    }

    func open(_ id: HTTP2StreamID, _ path: String = "/test/Echo", _ extra: [(String, String)] = [], type: String = "application/grpc", isLast: Bool = false) {
        var headers: HPACKHeaders = [":method": "POST", ":scheme": "http", ":authority": "test", ":path": path, "content-type": type, "te": "trailers"]
        headers.add(contentsOf: extra)
        send(id, .headers(.init(headers: headers, endStream: isLast)))
    }

    func data(_ id: HTTP2StreamID, _ bytes: ByteBuffer, isLast: Bool = false) {
        send(id, .data(.init(data: .byteBuffer(bytes), endStream: isLast)))
    }

    func call(_ id: HTTP2StreamID, _ path: String = "/test/Echo", _ text: String = "hello", _ extra: [(String, String)] = []) {
        open(id, path, extra)
        data(id, framed(text), isLast: true)
    }

    func reset(_ id: HTTP2StreamID) { send(id, .rstStream(.cancel)) }

    // MARK: What came back

    /// The messages of a stream.
    func messages(_ id: HTTP2StreamID) -> [String] {
        var bytes = ByteBuffer()
        for frame in frames where frame.streamID == id {
            guard case .data(let data) = frame.payload, case .byteBuffer(var part) = data.data else { continue }
            bytes.writeBuffer(&part)
        }
        var messages: [String] = []
        while bytes.readInteger(as: UInt8.self) == 0, let length = bytes.readInteger(as: UInt32.self),
            let text = bytes.readString(length: Int(length))
        {
            messages.append(text)
        }
        return messages
    }

    func headers(_ id: HTTP2StreamID) -> [(HPACKHeaders, isLast: Bool)] {
        frames.compactMap { frame in
            guard frame.streamID == id, case .headers(let head) = frame.payload else { return nil }
            return (head.headers, head.endStream)
        }
    }

    func status(_ id: HTTP2StreamID) -> GRPCStatus? {
        headers(id).last.flatMap { $0.0.first(name: "grpc-status") }.flatMap(Int.init).flatMap(GRPCStatus.init)
    }

    func text(_ id: HTTP2StreamID) -> String? { headers(id).last?.0.first(name: "grpc-message") }

    var goAways: [(last: HTTP2StreamID, code: HTTP2ErrorCode)] {
        frames.compactMap { frame in
            guard case .goAway(let last, let code, _) = frame.payload else { return nil }
            return (last, code)
        }
    }
}

func framed(_ bytes: [UInt8], flag: UInt8 = 0) -> ByteBuffer {
    var buffer = ByteBuffer()
    buffer.writeInteger(flag)
    buffer.writeInteger(UInt32(bytes.count))
    buffer.writeBytes(bytes)
    return buffer
}

func framed(_ text: String) -> ByteBuffer { framed(Array(text.utf8)) }
