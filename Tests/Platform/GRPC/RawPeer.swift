import NIOCore
import NIOEmbedded

@testable import SlipwayGRPC

/// A peer that writes HTTP/2 by hand, and so can break every rule of it.
final class RawPeer {
    enum Kind: UInt8 {
        case data = 0
        case headers = 1
        case priority = 2
        case reset = 3
        case settings = 4
        case push = 5
        case ping = 6
        case goAway = 7
        case windowUpdate = 8
        case continuation = 9
    }

    struct Frame {
        let kind: UInt8
        let flags: UInt8
        let stream: UInt32
        let payload: ByteBuffer
    }

    private let server = EmbeddedChannel()
    private var waiting = ByteBuffer()
    private(set) var frames: [Frame] = []

    init(_ methods: GRPCMethods, limits: GRPCLimits = GRPCLimits()) throws {
        try server.pipeline.syncOperations.addGRPC(methods: methods, limits: limits, work: GRPCWork(waitingMax: 1))
        server.connect(to: try SocketAddress(ipAddress: "127.0.0.1", port: 1), promise: nil)
        send(bytes: Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8))
        send(.settings, [])
    }

    deinit { _ = try? server.finish() }

    var isOpen: Bool { server.isActive }

    /// The code of the GOAWAY that the server said, if it said one.
    var goAwayCode: UInt32? {
        frames.last { $0.kind == Kind.goAway.rawValue }?.payload.getInteger(at: 4)
    }

    func frames(_ kind: Kind, stream: UInt32) -> [Frame] { frames.filter { $0.kind == kind.rawValue && $0.stream == stream } }

    func advance(_ time: TimeAmount) {
        server.embeddedEventLoop.advanceTime(by: time)
        read()
    }

    func send(_ kind: Kind, _ payload: [UInt8], flags: UInt8 = 0, stream: UInt32 = 0) {
        send(bytes: Self.frame(kind, payload, flags: flags, stream: stream))
    }

    static func frame(_ kind: Kind, _ payload: [UInt8], flags: UInt8 = 0, stream: UInt32 = 0) -> [UInt8] {
        let count = payload.count
        return [UInt8(count >> 16), UInt8(truncatingIfNeeded: count >> 8), UInt8(truncatingIfNeeded: count), kind.rawValue, flags]
            + [UInt8(truncatingIfNeeded: stream >> 24), UInt8(truncatingIfNeeded: stream >> 16), UInt8(truncatingIfNeeded: stream >> 8), UInt8(truncatingIfNeeded: stream)]
            + payload
    }

    func send(bytes: [UInt8]) {
        _ = try? server.writeInbound(ByteBuffer(bytes: bytes))
        server.embeddedEventLoop.run()
        read()
    }

    private func read() {
        while var bytes = try? server.readOutbound(as: ByteBuffer.self) { waiting.writeBuffer(&bytes) }
        while let high = waiting.getInteger(at: waiting.readerIndex, as: UInt8.self),
            let low = waiting.getInteger(at: waiting.readerIndex + 1, as: UInt16.self),
            waiting.readableBytes >= 9 + Int(high) << 16 + Int(low)
        {
            waiting.moveReaderIndex(forwardBy: 3)
            guard let kind = waiting.readInteger(as: UInt8.self), let flags = waiting.readInteger(as: UInt8.self),
                let stream = waiting.readInteger(as: UInt32.self), let payload = waiting.readSlice(length: Int(high) << 16 + Int(low))
            else { return }
            frames.append(Frame(kind: kind, flags: flags, stream: stream, payload: payload))
        }
    }

    // MARK: Calls

    static let endHeaders: UInt8 = 4
    static let endStream: UInt8 = 1

    /// A header as HPACK's literal without a table and without Huffman's code.
    static func header(_ name: String, _ value: String) -> [UInt8] {
        [0] + text(name) + text(value)
    }

    private static func text(_ text: String) -> [UInt8] {
        let bytes = Array(text.utf8)
        guard bytes.count >= 127 else { return [UInt8(bytes.count)] + bytes }
        var head: [UInt8] = [127]
        var rest = bytes.count - 127
        while rest >= 128 {
            head.append(UInt8(rest % 128) | 128)
            rest /= 128
        }
        return head + [UInt8(rest)] + bytes
    }

    /// The head of a call of `/test/Echo`.
    static let head: [UInt8] =
        header(":method", "POST") + header(":scheme", "http") + header(":path", "/test/Echo") + header(":authority", "t")
        + header("content-type", "application/grpc") + header("te", "trailers")
}
