import Foundation
import NIOCore
import NIOPosix

/// Loads a gRPC server with one unary call, again and again: what wrk is for HTTP.
///
/// Frames are written and read by hand, the call's metadata by its places in the server's table after the
/// first time, so that the load generator takes as little of the machine as it can. One thread, closed loop:
/// each stream begins its next call when the last has ended.
struct GRPCLoad {
    private static let secondsToEnd = 30

    /// `/package.Service/Method`.
    let path: String
    /// The message, encoded.
    let message: [UInt8]
    /// Calls at a time on each connection.
    var streams = 1

    struct Outcome {
        /// In nanoseconds, one a call.
        var times: [UInt32] = []
        var failures = 0
        var seconds = 0.0
    }

    func run(port: Int, connections: Int, seconds: Int) throws -> Outcome {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        defer { try? group.syncShutdownGracefully() }
        let loop = group.next()
        let head = HTTP2Bytes.head(path: path, authority: "127.0.0.1:\(port)")
        let data = HTTP2Bytes.message(message)
        let bootstrap = ClientBootstrap(group: group)
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .connectTimeout(.seconds(10))
        var channels: [any Channel] = []
        for _ in 0..<connections {
            let channel = try bootstrap.channelInitializer { [streams] channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(GRPCLoadHandler(head: head, data: data, streams: streams))
                }
            }.connect(host: "127.0.0.1", port: port).wait()
            channels.append(channel)
        }
        let began = DispatchTime.now().uptimeNanoseconds
        for channel in channels { channel.triggerUserOutboundEvent(GRPCLoadHandler.Event.begin, promise: nil) }
        Thread.sleep(forTimeInterval: Double(seconds))
        let elapsed = Double(DispatchTime.now().uptimeNanoseconds - began) / 1e9
        var outcome = Outcome()
        outcome.seconds = elapsed
        let results = channels.map { channel in
            loop.submit { try channel.pipeline.syncOperations.handler(type: GRPCLoadHandler.self).end() }
        }
        let limit = NIODeadline.now() + .seconds(Int64(Self.secondsToEnd))
        for result in results {
            try require(NIODeadline.now() < limit, "the load did not end within \(Self.secondsToEnd) s")
            let part = try result.wait()
            outcome.times += part.times
            outcome.failures += part.failures
        }
        for channel in channels { channel.close(promise: nil) }
        return outcome
    }

    /// Into the figures of one target, as ``Wrk`` does it.
    func measure(_ target: LoadTarget, port: Int, connections: Int, seconds: Int, into figures: inout LoadFigures) throws {
        let before = target.processes.map(processCPUSeconds).reduce(0, +)
        let outcome = try run(port: port, connections: connections, seconds: seconds)
        let used = target.processes.map(processCPUSeconds).reduce(0, +) - before
        try require(!outcome.times.isEmpty, "'\(target.name)' answered nothing")
        try require(!target.isOurs || outcome.failures == 0, "'\(target.name)' failed \(outcome.failures) of \(outcome.times.count) calls")
        let sorted = outcome.times.sorted()
        figures.requestsPerSecond.append(Double(sorted.count) / outcome.seconds)
        figures.p50.append(Double(sorted[sorted.count / 2]) / 1e3)
        figures.p99.append(Double(sorted[sorted.count * 99 / 100]) / 1e3)
        figures.microsecondsCPU.append(used / Double(sorted.count) * 1e6)
        figures.residentMiB.append((target.memory ?? target.processes).map(residentMemoryMiB).reduce(0, +))
        figures.failures += outcome.failures
    }
}

/// Frames of HTTP/2 as they go out.
enum HTTP2Bytes {
    enum Kind {
        static let data: UInt8 = 0
        static let headers: UInt8 = 1
        static let reset: UInt8 = 3
        static let settings: UInt8 = 4
        static let ping: UInt8 = 6
        static let goAway: UInt8 = 7
        static let windowUpdate: UInt8 = 8
    }

    /// A call's metadata: the first puts four entries into the server's table, the others name them.
    struct Head {
        let first: [UInt8]
        let others: [UInt8]
    }

    static func head(path: String, authority: String) -> Head {
        // Static table: 3 is `:method: POST`, 6 `:scheme: http`, 4 the name `:path`, 1 `:authority`, 31 `content-type`.
        var first: [UInt8] = [0x83, 0x86]
        first += [0x44] + text(path)
        first += [0x41] + text(authority)
        first += [0x5F] + text("application/grpc")
        first += [0x40] + text("te") + text("trailers")
        // Entries are numbered from the newest, 62 and up.
        return Head(first: first, others: [0x83, 0x86, 0x80 | 65, 0x80 | 64, 0x80 | 63, 0x80 | 62])
    }

    /// Shorter than 127 bytes, not in Huffman's code.
    private static func text(_ text: String) -> [UInt8] { [UInt8(text.utf8.count)] + Array(text.utf8) }

    static func message(_ bytes: [UInt8]) -> [UInt8] {
        let count = UInt32(bytes.count)
        return [0, UInt8(truncatingIfNeeded: count >> 24), UInt8(truncatingIfNeeded: count >> 16), UInt8(truncatingIfNeeded: count >> 8), UInt8(truncatingIfNeeded: count)] + bytes
    }

    static func frame(_ kind: UInt8, flags: UInt8 = 0, stream: UInt32 = 0, _ payload: [UInt8], into out: inout ByteBuffer) {
        out.writeInteger(UInt32(payload.count) << 8 | UInt32(kind))
        out.writeInteger(flags)
        out.writeInteger(stream)
        out.writeBytes(payload)
    }
}

/// One connection of the load.
private final class GRPCLoadHandler: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundIn = Never
    typealias OutboundOut = ByteBuffer

    enum Event: Sendable { case begin }

    private struct Call {
        var began: UInt64
        var isAnswered = false
    }

    private static let frameBytesMax = 16_384
    /// What the server may send before it is told to go on; it is told when half of it has come.
    private static let windowBytes = 1 << 30

    private let head: HTTP2Bytes.Head
    private let data: [UInt8]
    private let streams: Int
    private var calls: [UInt32: Call] = [:]
    private var nextStream: UInt32 = 1
    private var input = ByteBuffer()
    private var output = ByteBuffer()
    /// What may still be sent on the connection.
    private var credit = 65_535
    private var streamCredit = 65_535
    private var taken = 0
    /// Calls that wait for credit.
    private var waiting = 0
    private var isRunning = false
    private var outcome = GRPCLoad.Outcome()

    init(head: HTTP2Bytes.Head, data: [UInt8], streams: Int) {
        self.head = head
        self.data = data
        self.streams = streams
    }

    func channelActive(context: ChannelHandlerContext) {
        output.writeString("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        // INITIAL_WINDOW_SIZE, 16 MiB a stream.
        HTTP2Bytes.frame(HTTP2Bytes.Kind.settings, [0, 4, 1, 0, 0, 0], into: &output)
        widen(Self.windowBytes)
        flush(context)
        context.fireChannelActive()
    }

    func triggerUserOutboundEvent(context: ChannelHandlerContext, event: Any, promise: EventLoopPromise<Void>?) {
        isRunning = true
        for _ in 0..<streams { begin() }
        flush(context)
        promise?.succeed()
    }

    /// Stops counting.
    func end() -> GRPCLoad.Outcome {
        isRunning = false
        defer { outcome = GRPCLoad.Outcome() }
        return outcome
    }

    private func widen(_ count: Int) {
        HTTP2Bytes.frame(HTTP2Bytes.Kind.windowUpdate, withUnsafeBytes(of: UInt32(count).bigEndian) { Array($0) }, into: &output)
    }

    private func begin() {
        guard isRunning else { return }
        guard credit >= data.count, streamCredit >= data.count else {
            waiting += 1
            return
        }
        credit -= data.count
        let stream = nextStream
        nextStream += 2
        HTTP2Bytes.frame(HTTP2Bytes.Kind.headers, flags: 4, stream: stream, stream == 1 ? head.first : head.others, into: &output)
        var start = 0
        while data.count - start > Self.frameBytesMax {
            HTTP2Bytes.frame(HTTP2Bytes.Kind.data, stream: stream, Array(data[start..<start + Self.frameBytesMax]), into: &output)
            start += Self.frameBytesMax
        }
        HTTP2Bytes.frame(HTTP2Bytes.Kind.data, flags: 1, stream: stream, start == 0 ? data : Array(data[start...]), into: &output)
        calls[stream] = Call(began: DispatchTime.now().uptimeNanoseconds)
    }

    private func flush(_ context: ChannelHandlerContext) {
        guard output.readableBytes > 0 else { return }
        context.writeAndFlush(wrapOutboundOut(output), promise: nil)
        output = context.channel.allocator.buffer(capacity: 4096)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var bytes = unwrapInboundIn(data)
        if input.readableBytes == 0 { input = bytes } else { input.writeBuffer(&bytes) }
        while let first = input.getInteger(at: input.readerIndex, as: UInt32.self), input.readableBytes >= 9 + Int(first >> 8) {
            let count = Int(first >> 8)
            let flags = input.getInteger(at: input.readerIndex + 4, as: UInt8.self) ?? 0
            let stream = input.getInteger(at: input.readerIndex + 5, as: UInt32.self) ?? 0
            input.moveReaderIndex(forwardBy: 9)
            received(UInt8(truncatingIfNeeded: first), flags: flags, stream: stream, count)
            input.moveReaderIndex(forwardBy: count)
        }
        if input.readableBytes == 0 { input.clear() }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        flush(context)
        context.fireChannelReadComplete()
    }

    private func received(_ kind: UInt8, flags: UInt8, stream: UInt32, _ count: Int) {
        switch kind {
        case HTTP2Bytes.Kind.data:
            calls[stream]?.isAnswered = true
            taken += count
            if taken > Self.windowBytes / 2 {
                widen(taken)
                taken = 0
            }
            if flags & 1 != 0 { ended(stream) }
        case HTTP2Bytes.Kind.headers:
            if flags & 1 != 0 { ended(stream) }
        case HTTP2Bytes.Kind.reset:
            calls[stream]?.isAnswered = false
            ended(stream)
        case HTTP2Bytes.Kind.settings where flags & 1 == 0:
            var place = input.readerIndex
            for _ in 0..<count / 6 {
                if input.getInteger(at: place, as: UInt16.self) == 4 { streamCredit = Int(input.getInteger(at: place + 2, as: UInt32.self) ?? 0) }
                place += 6
            }
            HTTP2Bytes.frame(HTTP2Bytes.Kind.settings, flags: 1, [], into: &output)
            resume()
        case HTTP2Bytes.Kind.ping where flags & 1 == 0:
            HTTP2Bytes.frame(HTTP2Bytes.Kind.ping, flags: 1, input.getBytes(at: input.readerIndex, length: count) ?? [], into: &output)
        case HTTP2Bytes.Kind.windowUpdate where stream == 0:
            credit += Int(input.getInteger(at: input.readerIndex, as: UInt32.self) ?? 0)
            resume()
        case HTTP2Bytes.Kind.goAway:
            if isRunning { outcome.failures += 1 }
        default:
            break
        }
    }

    private func resume() {
        let count = waiting
        waiting = 0
        for _ in 0..<count { begin() }
    }

    private func ended(_ stream: UInt32) {
        guard let call = calls.removeValue(forKey: stream) else { return }
        guard isRunning else { return }
        // An answer without a message is a refusal.
        if !call.isAnswered { outcome.failures += 1 }
        outcome.times.append(UInt32(clamping: DispatchTime.now().uptimeNanoseconds - call.began))
        begin()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        outcome.failures += 1
        context.close(promise: nil)
    }
}

extension GRPCLoad {
    /// `ModelInfer` with rows of 30 numbers in `raw_input_contents`, as the benchmark's other requests have them.
    static func infer(model: String, rows: Int, streams: Int = 1) -> GRPCLoad {
        var numbers: [UInt8] = []
        for row in 0..<rows {
            for column in 0..<30 {
                let value = Float(column) + 0.5 + Float(row % 7)
                numbers += withUnsafeBytes(of: value.bitPattern.littleEndian) { Array($0) }
            }
        }
        let shape = field(3, varint(UInt64(rows)) + varint(30))
        let input = field(1, Array("input".utf8)) + field(2, Array("FP32".utf8)) + shape
        let message = field(1, Array(model.utf8)) + field(5, input) + field(7, numbers)
        return GRPCLoad(path: "/inference.GRPCInferenceService/ModelInfer", message: message, streams: streams)
    }

    private static func field(_ number: UInt8, _ bytes: [UInt8]) -> [UInt8] { [number << 3 | 2] + varint(UInt64(bytes.count)) + bytes }

    private static func varint(_ value: UInt64) -> [UInt8] {
        var (bytes, rest): ([UInt8], UInt64) = ([], value)
        while rest >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        return bytes + [UInt8(rest)]
    }
}
