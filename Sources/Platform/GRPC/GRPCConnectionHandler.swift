import NIOCore
import NIOHPACK
import NIOHTTP2

/// The calls of one connection, directly above HTTP/2's frames.
///
/// There is no channel a stream: a unary call that is answered at once costs one object, one look-up and
/// three frames. HTTP/2 itself (framing, header compression, the states of streams, the client's windows) is
/// NIOHTTP2's; the windows for what comes in are kept here, by what handlers have taken.
final class GRPCConnectionHandler: ChannelInboundHandler {
    typealias InboundIn = HTTP2Frame
    typealias OutboundOut = HTTP2Frame

    private let methods: GRPCMethods
    private let limits: GRPCLimits
    private let work: GRPCWork
    private let alarm: ConnectionAlarm
    private var streams: [HTTP2StreamID: GRPCStream] = [:]
    /// Calls that this read has brought and that have a deadline; most are answered before it ends.
    private var timed: [GRPCStream] = []
    private var lastStreamID = HTTP2StreamID.rootStream
    private var waitingBytes = 0
    private var isReading = false
    private var hasSettings = false
    private var opened = NIODeadline.uptimeNanoseconds(0)
    private var lastRead = NIODeadline.uptimeNanoseconds(0)
    private var lastCall = NIODeadline.uptimeNanoseconds(0)
    private var isAskingForLife = false
    private var check: Scheduled<Void>?
    private var departure = Departure.none

    private enum Departure {
        case none
        /// The client has been told to begin no more calls here; those it has sent already still come.
        case told
        /// The last call is known; the connection ends with it.
        case final
    }

    init(methods: GRPCMethods, limits: GRPCLimits, work: GRPCWork, alarm: ConnectionAlarm) {
        self.methods = methods
        self.limits = limits
        self.work = work
        self.alarm = alarm
    }

    private static let keepalive = HTTP2PingData(withInteger: 0x736c_6970_7761_7901)
    private static let farewell = HTTP2PingData(withInteger: 0x736c_6970_7761_7902)
    private static let okTrailers: HPACKHeaders = ["grpc-status": "0"]
    private static let okHeaders: HPACKHeaders = [
        ":status": "200", "content-type": "application/grpc", "grpc-accept-encoding": MessageCoding.accepted,
    ]

    // MARK: The connection

    func handlerAdded(context: ChannelHandlerContext) {
        if context.channel.isActive { begin(context) }
    }

    func channelActive(context: ChannelHandlerContext) {
        begin(context)
        context.fireChannelActive()
    }

    private func begin(_ context: ChannelHandlerContext) {
        guard check == nil else { return }
        opened = context.eventLoop.now
        lastRead = opened
        scheduleCheck(context)
    }

    private func scheduleCheck(_ context: ChannelHandlerContext) {
        check = context.eventLoop.assumeIsolated().scheduleTask(in: .seconds(limits.checkSeconds)) {
            self.look(context)
            if self.check != nil { self.scheduleCheck(context) }
        }
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        end()
    }

    func channelInactive(context: ChannelHandlerContext) {
        end()
        context.fireChannelInactive()
    }

    private func end() {
        check?.cancel()
        check = nil
        for stream in streams.values { stream.stop() }
        streams.removeAll()
        timed.removeAll()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // What concerns one stream has reset that stream; anything else has ended the connection already,
        // with a GOAWAY that says why.
        if alarm.hasFailed || !(error is any NIOHTTP2Error) { context.close(promise: nil) }
    }

    private func look(_ context: ChannelHandlerContext) {
        let now = context.eventLoop.now
        if !hasSettings {
            if now - opened > .seconds(limits.prefaceSeconds) { context.close(promise: nil) }
            return
        }
        let silence = now - lastRead
        // Asked, and still silent: there is nobody.
        if isAskingForLife, silence > .seconds(2 * limits.silenceSeconds) { return context.close(promise: nil) }
        for stream in Array(streams.values) where !stream.isDone && !stream.isAsked {
            if now - stream.opened > .seconds(limits.messageSeconds) {
                finish(stream, .deadlineExceeded, "the message did not come within \(limits.messageSeconds) seconds", context)
            }
        }
        if streams.isEmpty {
            if now - max(lastCall, opened) > .seconds(limits.idleSeconds) { depart(context) }
        } else if !isAskingForLife, silence > .seconds(limits.silenceSeconds) {
            isAskingForLife = true
            write(.init(streamID: .rootStream, payload: .ping(Self.keepalive, ack: false)), context)
            flushSoon(context)
        }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        switch event {
        case let event as NIOHTTP2WindowUpdatedEvent:
            windowChanged(event, context)
        case let event as StreamClosedEvent:
            closed(event, context)
        case is ChannelShouldQuiesceEvent:
            // Not passed on: at the pipeline's end it would close the connection at once.
            return depart(context)
        default:
            break
        }
        context.fireUserInboundEventTriggered(event)
    }

    /// Says farewell in two steps, so that a call which the client sends at this moment is still answered.
    private func depart(_ context: ChannelHandlerContext) {
        guard case .none = departure else { return }
        departure = .told
        announce(context)
        write(.init(streamID: .rootStream, payload: .ping(Self.farewell, ack: false)), context)
        flushSoon(context)
        // For a client that does not answer pings.
        context.eventLoop.assumeIsolated().scheduleTask(in: .seconds(1)) { self.departFinally(context) }
    }

    /// GOAWAY with the highest stream there can be: begin no more, and what you have begun is answered.
    ///
    /// Past NIOHTTP2, which would refuse from here on what is on its way already. Its own frames are written
    /// in one go each, so this one comes between two of them.
    private func announce(_ context: ChannelHandlerContext) {
        guard let transport = try? context.pipeline.syncOperations.context(handlerType: NIOHTTP2Handler.self) else { return }
        var frame = ByteBuffer()
        // Length, type and flags, the connection itself, the last stream, no error.
        frame.writeInteger(UInt32(8 << 8 | 7))
        frame.writeInteger(UInt8(0))
        frame.writeInteger(UInt32(0))
        frame.writeInteger(UInt32(Int32.max))
        frame.writeInteger(UInt32(0))
        transport.writeAndFlush(NIOAny(frame), promise: nil)
    }

    private func departFinally(_ context: ChannelHandlerContext) {
        guard case .told = departure, context.channel.isActive else { return }
        departure = .final
        write(.init(streamID: .rootStream, payload: .goAway(lastStreamID: lastStreamID, errorCode: .noError, opaqueData: nil)), context)
        flushSoon(context)
        closeIfOver(context)
    }

    private func closeIfOver(_ context: ChannelHandlerContext) {
        guard case .final = departure, streams.isEmpty else { return }
        // Behind everything that was written.
        let channel = context.channel
        context.writeAndFlush(
            wrapOutboundOut(.init(streamID: .rootStream, payload: .ping(Self.keepalive, ack: false)))
        ).whenComplete { _ in channel.close(promise: nil) }
    }

    // MARK: Frames

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        isReading = true
        let frame = unwrapInboundIn(data)
        switch frame.payload {
        case .data(let data):
            guard case .byteBuffer(let bytes) = data.data, let stream = streams[frame.streamID], !stream.isDone else { return }
            received(bytes, isLast: data.endStream, on: stream, context)
        case .headers(let head):
            if let stream = streams[frame.streamID] {
                // Trailers of a client mean nothing in gRPC; their end does.
                if head.endStream, !stream.isDone { received(ByteBuffer(), isLast: true, on: stream, context) }
                return
            }
            accept(frame.streamID, head.headers, isLast: head.endStream, context)
        case .ping(let data, let isAnswer):
            if isAnswer, data == Self.farewell { departFinally(context) }
        case .settings(.settings):
            guard !hasSettings else { return }
            hasSettings = true
            let more = limits.connectionWindowBytes - 65_535
            if more > 0 { write(.init(streamID: .rootStream, payload: .windowUpdate(windowSizeIncrement: more)), context) }
        default:
            break
        }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        isReading = false
        lastRead = context.eventLoop.now
        isAskingForLife = false
        if !streams.isEmpty { lastCall = lastRead }
        if !timed.isEmpty {
            for stream in timed where !stream.isDone { scheduleDeadline(of: stream, context) }
            timed.removeAll(keepingCapacity: true)
        }
        // HTTP/2 has flushed already what was written during the read; this is for what it could not see.
        context.flush()
        context.fireChannelReadComplete()
    }

    private func write(_ frame: HTTP2Frame, _ context: ChannelHandlerContext) {
        context.write(wrapOutboundOut(frame), promise: nil)
    }

    private func flushSoon(_ context: ChannelHandlerContext) {
        if !isReading { context.flush() }
    }

    private func windowChanged(_ event: NIOHTTP2WindowUpdatedEvent, _ context: ChannelHandlerContext) {
        guard let size = event.inboundWindowSize else { return }
        if event.streamID == .rootStream {
            guard hasSettings, size < limits.connectionWindowBytes / 2 else { return }
            write(.init(streamID: .rootStream, payload: .windowUpdate(windowSizeIncrement: limits.connectionWindowBytes - size)), context)
            flushSoon(context)
        } else if let stream = streams[event.streamID] {
            stream.windowBytes = size
            widen(stream, context)
        }
    }

    /// Lets the client go on sending, unless it has sent more than is taken.
    private func widen(_ stream: GRPCStream, _ context: ChannelHandlerContext) {
        guard !stream.isDone, !stream.isInboundEnded, !isHeld(stream), stream.windowBytes < limits.streamWindowBytes / 2 else { return }
        let more = limits.streamWindowBytes - stream.windowBytes
        stream.windowBytes = limits.streamWindowBytes
        write(.init(streamID: stream.id, payload: .windowUpdate(windowSizeIncrement: more)), context)
        flushSoon(context)
    }

    private func closed(_ event: StreamClosedEvent, _ context: ChannelHandlerContext) {
        guard let stream = streams.removeValue(forKey: event.streamID) else { return }
        waitingBytes -= stream.reader.waitingBytes
        stream.stop()
        closeIfOver(context)
    }

    // MARK: Calls

    private func accept(_ id: HTTP2StreamID, _ headers: HPACKHeaders, isLast: Bool, _ context: ChannelHandlerContext) {
        lastStreamID = max(lastStreamID, id)
        let head: GRPCCallHead
        do throws(GRPCCallHead.Problem) {
            head = try GRPCCallHead(headers, methods: methods)
        } catch {
            return refuse(id, error, isLast: isLast, context)
        }
        let now = context.eventLoop.now
        let deadline = head.timeout.map { now + $0 }
        let call = GRPCContext(eventLoop: context.eventLoop, deadline: deadline, remoteAddress: context.remoteAddress, headers: headers)
        let stream = GRPCStream(
            id: id,
            kind: head.method.kind,
            context: call,
            reader: MessageReader(coding: head.coding, bytesMax: head.method.messageBytesMax),
            windowBytes: limits.streamWindowBytes,
            now: now
        )
        streams[id] = stream
        if head.timeout != nil { timed.append(stream) }
        if isLast { received(ByteBuffer(), isLast: true, on: stream, context) }
    }

    private func refuse(_ id: HTTP2StreamID, _ problem: GRPCCallHead.Problem, isLast: Bool, _ context: ChannelHandlerContext) {
        var headers: HPACKHeaders
        switch problem {
        case .http(let status, let text):
            headers = [":status": status, "grpc-status": "\(GRPCStatus.unknown.rawValue)"]
            headers.add(name: "grpc-message", value: StatusText.encoded(text))
        case .grpc(let refusal):
            headers = Self.okHeaders
            headers.add(name: "grpc-status", value: "\(refusal.status.rawValue)")
            headers.add(name: "grpc-message", value: StatusText.encoded(refusal.text), indexing: .nonIndexable)
        }
        write(.init(streamID: id, payload: .headers(.init(headers: headers, endStream: true))), context)
        if !isLast { write(.init(streamID: id, payload: .rstStream(.noError)), context) }
        flushSoon(context)
    }

    private func scheduleDeadline(of stream: GRPCStream, _ context: ChannelHandlerContext) {
        guard let deadline = stream.context.deadline else { return }
        stream.deadlineTask = context.eventLoop.assumeIsolated().scheduleTask(deadline: deadline) {
            self.finish(stream, .deadlineExceeded, "the deadline passed before the answer", context)
        }
    }

    private func received(_ bytes: ByteBuffer, isLast: Bool, on stream: GRPCStream, _ context: ChannelHandlerContext) {
        if isLast { stream.isInboundEnded = true }
        waitingBytes += bytes.readableBytes
        guard waitingBytes <= limits.connectionBytesMax else {
            waitingBytes -= bytes.readableBytes
            return finish(stream, .resourceExhausted, "the messages of this connection wait with more than \(limits.connectionBytesMax) bytes", context)
        }
        stream.reader.append(bytes)
        switch stream.kind {
        case .exchange: pump(stream, context)
        case .unary, .task, .watch: collect(stream, context)
        }
    }

    private func nextMessage(_ stream: GRPCStream) throws(GRPCRefusal) -> ByteBuffer? {
        let before = stream.reader.waitingBytes
        defer { waitingBytes -= before - stream.reader.waitingBytes }
        return try stream.reader.next()
    }

    /// One message and the end make a unary call.
    private func collect(_ stream: GRPCStream, _ context: ChannelHandlerContext) {
        do throws(GRPCRefusal) {
            if let message = try nextMessage(stream) {
                guard stream.message == nil else { throw GRPCRefusal(.unimplemented, "the method takes one message; more came") }
                stream.message = message
            }
            guard stream.isInboundEnded else { return }
            guard stream.reader.waitingBytes == 0 else {
                let isMore = try nextMessage(stream) != nil
                throw GRPCRefusal(isMore ? .unimplemented : .internal, isMore ? "the method takes one message; more came" : "the message was cut short")
            }
            guard let message = stream.message else { throw GRPCRefusal(.unimplemented, "the method takes one message; none came") }
            stream.message = nil
            ask(stream, message, context)
        } catch {
            finish(stream, error.status, error.text, context)
        }
    }

    private func ask(_ stream: GRPCStream, _ message: ByteBuffer, _ context: ChannelHandlerContext) {
        stream.isAsked = true
        if let deadline = stream.context.deadline, deadline <= context.eventLoop.now {
            return finish(stream, .deadlineExceeded, "the deadline passed before the message had come", context)
        }
        switch stream.kind {
        case .unary(let handle):
            switch handle(message, stream.context) {
            case .now(let reply): finish(stream, reply, context)
            case .later(let future): answer(stream, with: future, context)
            }
        case .task(let handle):
            let promise = context.eventLoop.makePromise(of: GRPCReply.self)
            let call = stream.context
            let isTaken = work.submit { promise.succeed(await handle(message, call)) }
            answer(stream, with: promise.futureResult, context)
            if !isTaken { promise.succeed(GRPCReply(.resourceExhausted, "\(limits.tasksWaitingMax) calls wait already")) }
        case .watch(let handle):
            switch handle(message, stream.context) {
            case .value(let value): follow(value, stream, context)
            case .refused(let status, let text): finish(stream, status, text, context)
            }
        case .exchange:
            break
        }
    }

    private func answer(_ stream: GRPCStream, with future: EventLoopFuture<GRPCReply>, _ context: ChannelHandlerContext) {
        future.hop(to: context.eventLoop).assumeIsolated().whenComplete { result in
            self.finish(stream, (try? result.get()) ?? Self.lost, context)
        }
    }

    private static let lost = GRPCReply(.internal, "the answer was lost")

    // MARK: Streams

    private func isHeld(_ stream: GRPCStream) -> Bool {
        stream.slots.count >= limits.exchangesMax || stream.unsentBytes >= limits.unsentBytesMax
    }

    /// Takes the messages that have come, as far as their answers keep up; a loop and not a recursion.
    private func pump(_ stream: GRPCStream, _ context: ChannelHandlerContext) {
        guard !stream.isPumping, case .exchange(let handle) = stream.kind else { return }
        stream.isPumping = true
        stream.isAsked = true
        defer { stream.isPumping = false }
        do throws(GRPCRefusal) {
            while !stream.isDone, !isHeld(stream), let message = try nextMessage(stream) {
                let slot = GRPCStream.Slot()
                stream.slots.append(slot)
                switch handle(message, stream.context) {
                case .now(let reply):
                    slot.reply = reply
                    emit(stream, context)
                case .later(let future):
                    future.hop(to: context.eventLoop).assumeIsolated().whenComplete { result in
                        slot.reply = (try? result.get()) ?? Self.lost
                        self.emit(stream, context)
                        self.pump(stream, context)
                        self.flushSoon(context)
                    }
                }
            }
            guard !stream.isDone else { return }
            widen(stream, context)
            guard stream.isInboundEnded, stream.slots.isEmpty, !isHeld(stream) else { return }
            guard stream.reader.waitingBytes == 0 else { throw GRPCRefusal(.internal, "the last message was cut short") }
            finish(stream, .ok, "", context)
        } catch {
            finish(stream, error.status, error.text, context)
        }
    }

    /// Sends the replies that are there, up to the first that is not.
    private func emit(_ stream: GRPCStream, _ context: ChannelHandlerContext) {
        while !stream.isDone, let reply = stream.slots.first?.reply {
            stream.slots.removeFirst()
            guard reply.status == .ok, let message = reply.message else { return finish(stream, reply, context) }
            send(message, metadata: reply.metadata, on: stream, context)
        }
    }

    private func send(_ message: GRPCMessage, metadata: [GRPCMetadata], on stream: GRPCStream, _ context: ChannelHandlerContext) {
        sendHeaders(metadata, on: stream, context)
        let count = message.framed.readableBytes
        stream.unsentBytes += count
        let frame = HTTP2Frame(streamID: stream.id, payload: .data(.init(data: .byteBuffer(message.framed))))
        context.write(wrapOutboundOut(frame)).assumeIsolated().whenComplete { _ in
            let wasHeld = self.isHeld(stream)
            stream.unsentBytes -= count
            guard wasHeld, !stream.isDone else { return }
            self.pump(stream, context)
            self.flushSoon(context)
        }
    }

    private func follow(_ value: @escaping @Sendable () -> GRPCMessage, _ stream: GRPCStream, _ context: ChannelHandlerContext) {
        // A client that does not take the last value gets none on top.
        if stream.unsentBytes == 0 {
            let message = value()
            if message != stream.watched {
                stream.watched = message
                send(message, metadata: [], on: stream, context)
                flushSoon(context)
            }
        }
        stream.watchTask = context.eventLoop.assumeIsolated().scheduleTask(in: .milliseconds(limits.watchMilliseconds)) {
            if !stream.isDone { self.follow(value, stream, context) }
        }
    }

    // MARK: The end of a call

    private func finish(_ stream: GRPCStream, _ status: GRPCStatus, _ text: String, _ context: ChannelHandlerContext) {
        finish(stream, GRPCReply(status, text), context)
    }

    private func finish(_ stream: GRPCStream, _ reply: GRPCReply, _ context: ChannelHandlerContext) {
        guard !stream.isDone, context.channel.isActive else { return }
        if reply.status == .ok {
            sendHeaders(reply.metadata, on: stream, context)
            if let message = reply.message {
                write(.init(streamID: stream.id, payload: .data(.init(data: .byteBuffer(message.framed)))), context)
            }
            stream.stop()
            write(.init(streamID: stream.id, payload: .headers(.init(headers: Self.okTrailers, endStream: true))), context)
        } else {
            stream.stop()
            write(.init(streamID: stream.id, payload: .headers(.init(headers: trailers(reply, stream), endStream: true))), context)
        }
        // Nothing that the client still sends is read.
        if !stream.isInboundEnded { write(.init(streamID: stream.id, payload: .rstStream(.noError)), context) }
        flushSoon(context)
    }

    private func sendHeaders(_ metadata: [GRPCMetadata], on stream: GRPCStream, _ context: ChannelHandlerContext) {
        guard !stream.hasSentHeaders else { return }
        stream.hasSentHeaders = true
        var headers = Self.okHeaders
        for entry in metadata { headers.add(name: entry.name, value: entry.value) }
        write(.init(streamID: stream.id, payload: .headers(.init(headers: headers))), context)
    }

    private func trailers(_ reply: GRPCReply, _ stream: GRPCStream) -> HPACKHeaders {
        var headers = stream.hasSentHeaders ? HPACKHeaders() : Self.okHeaders
        if !stream.hasSentHeaders {
            for entry in reply.metadata { headers.add(name: entry.name, value: entry.value) }
        }
        headers.add(name: "grpc-status", value: "\(reply.status.rawValue)")
        // Texts differ: they would only push the rest out of the client's table.
        if !reply.text.isEmpty { headers.add(name: "grpc-message", value: StatusText.encoded(reply.text), indexing: .nonIndexable) }
        return headers
    }
}

/// Learns from the frames that go out whether HTTP/2 has given the connection up.
final class ConnectionAlarm: NIOHTTP2FrameDelegate {
    private(set) var hasFailed = false

    func wroteFrame(_ frame: HTTP2Frame) {
        if case .goAway(_, let code, _) = frame.payload, code != .noError { hasFailed = true }
    }
}
