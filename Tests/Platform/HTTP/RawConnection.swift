import Foundation
import NIOCore
import NIOPosix
import Synchronization

/// A client that sends what a test says, HTTP or not.
final class RawConnection: ChannelInboundHandler, Sendable {
    typealias InboundIn = ByteBuffer

    private let received = Mutex("")
    private let socket = Mutex<(any Channel)?>(nil)

    /// - Parameter reads: False: it never takes a byte of what it is sent.
    static func open(_ port: Int, reads: Bool = true) async throws -> RawConnection {
        let connection = RawConnection()
        let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .channelOption(.autoRead, value: reads)
            .channelOption(.allowRemoteHalfClosure, value: false)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(connection) }
            }
            .connect(host: "127.0.0.1", port: port).get()
        connection.socket.withLock { $0 = channel }
        return connection
    }

    var text: String { received.withLock { $0 } }
    var isOpen: Bool { socket.withLock { $0?.isActive == true } }

    /// Sends; false when nobody takes it any more.
    @discardableResult
    func send(_ text: String) async -> Bool {
        guard let channel = socket.withLock({ $0 }) else { return false }
        do {
            try await channel.writeAndFlush(ByteBuffer(string: text))
            return true
        } catch {
            return false
        }
    }

    /// Says that nothing more will be sent, and goes on reading.
    func endSending() async throws { _ = try await socket.withLock { $0 }?.close(mode: .output).get() }

    func close() async { _ = try? await socket.withLock { $0 }?.close().get() }

    /// Waits for the other side to close.
    ///
    /// - Returns: False when it has not after a minute.
    func isClosed() async throws -> Bool { try await eventually { !isOpen } }

    func receives(_ part: String) async throws -> Bool { try await eventually { text.contains(part) } }

    func receives(_ part: String, times: Int) async throws -> Bool {
        try await eventually { text.components(separatedBy: part).count - 1 >= times }
    }

    private func eventually(_ holds: () -> Bool) async throws -> Bool {
        for _ in 0..<6_000 {
            if holds() { return true }
            try await Task.sleep(for: .milliseconds(10))
        }
        return holds()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let bytes = unwrapInboundIn(data)
        received.withLock { $0 += String(buffer: bytes) }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}
