import NIOCore
import NIOHTTP1
import NIOPosix
import Synchronization

/// A model server that misbehaves as a test says.
final class ScriptedUpstream: Sendable {
    enum Act: Sendable {
        /// A good answer: version's number as the label, with these probabilities.
        case answer
        case nonFinite
        case status(Int, String)
        case garbage
        /// Closes the connection without a byte of an answer.
        case hangUp
        /// Sends half of an answer, then closes.
        case half
        /// Never answers.
        case silence
        /// Answers, and closes the connection then.
        case answerAndClose
    }

    struct Seen: Sendable {
        var connections = 0
        var requests: [HTTPRequestHead] = []
        var bodies: [ByteBuffer] = []
    }

    private struct State {
        var script: [Act] = []
        var otherwise = Act.answer
        var seen = Seen()
        var channels: [any Channel] = []
    }

    private let state = Mutex(State())
    private let channel = Mutex<(any Channel)?>(nil)

    var seen: Seen { state.withLock { $0.seen } }

    /// What to do with the next requests, in order; then `otherwise`.
    func plays(_ acts: [Act], otherwise: Act = .answer) {
        state.withLock {
            $0.script = acts
            $0.otherwise = otherwise
        }
    }

    /// Listens, on a free port unless told otherwise, and answers which.
    @discardableResult
    func start(port: Int = 0) async throws -> Int {
        let bound = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.configureHTTPServerPipeline()
                    try channel.pipeline.syncOperations.addHandler(ScriptedHandler(upstream: self))
                }
            }
            .bind(host: "127.0.0.1", port: port).get()
        channel.withLock { $0 = bound }
        return bound.localAddress?.port ?? 0
    }

    /// - Returns: The port that is free again.
    @discardableResult
    func stop() async throws -> Int {
        let bound = channel.withLock { $0 }
        let port = bound?.localAddress?.port ?? 0
        try await bound?.close().get()
        await closeConnections()
        return port
    }

    /// Closes every connection, and returns when they are closed: none of them answers a request that follows.
    func closeConnections() async {
        let channels = state.withLock { state in
            defer { state.channels = [] }
            return state.channels
        }
        // One that the other side has ended already throws; it is closed all the same.
        for channel in channels { _ = try? await channel.close().get() }
    }

    fileprivate func connected(_ channel: any Channel) {
        state.withLock {
            $0.seen.connections += 1
            $0.channels.append(channel)
        }
    }

    fileprivate func next(_ head: HTTPRequestHead, _ body: ByteBuffer) -> Act {
        state.withLock { state in
            state.seen.requests.append(head)
            state.seen.bodies.append(body)
            return state.script.isEmpty ? state.otherwise : state.script.removeFirst()
        }
    }
}

private final class ScriptedHandler: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    private let upstream: ScriptedUpstream
    private var head: HTTPRequestHead?
    private var body = ByteBuffer()

    init(upstream: ScriptedUpstream) {
        self.upstream = upstream
    }

    func channelActive(context: ChannelHandlerContext) { upstream.connected(context.channel) }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head): self.head = head
        case .body(var part): body.writeBuffer(&part)
        case .end:
            guard let head else { return }
            let whole = body
            body = ByteBuffer()
            if head.method == .GET { return write(200, Self.metadata, context) }
            switch upstream.next(head, whole) {
            case .answer: write(200, Self.good(head.uri), context)
            case .nonFinite: write(200, Self.good(head.uri).replacing("0.75", with: "NaN"), context)
            case .status(let status, let message): write(status, "{\"error\":\"\(message)\"}", context)
            case .garbage: write(200, "not what you think", context)
            case .hangUp: context.close(promise: nil)
            case .silence: break
            case .half:
                write(200, Self.good(head.uri), context, declared: 10_000)
                context.close(promise: nil)
            case .answerAndClose:
                write(200, Self.good(head.uri), context, closes: true)
            }
        }
    }

    private func write(_ status: Int, _ text: String, _ context: ChannelHandlerContext, declared: Int? = nil, closes: Bool = false) {
        var headers: HTTPHeaders = ["content-type": "application/json", "content-length": "\(declared ?? text.utf8.count)"]
        if closes { headers.add(name: "connection", value: "close") }
        let head = HTTPResponseHead(version: .http1_1, status: .init(statusCode: status), headers: headers)
        context.write(wrapOutboundOut(.head(head)), promise: nil)
        context.write(wrapOutboundOut(.body(.byteBuffer(ByteBuffer(string: text)))), promise: nil)
        guard declared == nil else { return context.flush() }
        let channel = context.channel
        context.writeAndFlush(wrapOutboundOut(.end(nil))).whenComplete { _ in
            if closes { channel.close(promise: nil) }
        }
    }

    /// An answer that names the version in the request's path, as `…/versions/<n>/infer` or `…-v<n>/infer`.
    private static func good(_ uri: String) -> String {
        let parts = uri.split(separator: "/").dropLast()
        let model = parts.count > 2 ? parts[2] : ""
        let version = parts.count > 4 ? parts[4] : "1"
        return #"{"model_name":"\#(model)","model_version":"\#(version)","outputs":["#
            + #"{"name":"label","datatype":"INT64","shape":[1],"data":[1]},"#
            + #"{"name":"probabilities","datatype":"FP32","shape":[1,2],"data":[0.25,0.75]}]}"#
    }

    private static let metadata = #"{"name":"tumor","versions":["1"],"platform":"x","inputs":[{"name":"X","datatype":"FP32","shape":[-1,3]}],"#
        + #""outputs":[{"name":"label","datatype":"INT64","shape":[-1]},{"name":"probabilities","datatype":"FP32","shape":[-1,2]}]}"#
}
