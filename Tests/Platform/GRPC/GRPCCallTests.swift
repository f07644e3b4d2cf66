import Foundation
import NIOCore
import NIOHPACK
import NIOHTTP2
import SlipwayCore
import Synchronization
import Testing

@testable import SlipwayGRPC

@Suite("gRPC calls")
struct GRPCCallTests {
    /// `Echo` answers what it got, `Later` when it is told to, `Chat` each message in turn, `Watch` a counter.
    final class Service: Sendable {
        let promises = Mutex<[EventLoopPromise<GRPCReply>]>([])
        let contexts = Mutex<[GRPCContext]>([])
        let watched = Mutex<[UInt8]>([1])

        var methods: GRPCMethods {
            var methods = GRPCMethods()
            methods.unary("/test/Echo", messageBytesMax: 1 << 24) { message, _ in
                .now(GRPCReply(GRPCMessage(Array(message.readableBytesView)), metadata: [GRPCMetadata("x-seen", "yes")]))
            }
            methods.unary("/test/Small", messageBytesMax: 10) { message, _ in .now(GRPCReply(GRPCMessage(Array(message.readableBytesView)))) }
            methods.unary("/test/Fail") { _, _ in .now(GRPCReply(.notFound, "no 100% 'modèle'\n")) }
            methods.unary("/test/Later") { _, call in .later(self.promise(call)) }
            methods.exchange("/test/Chat") { _, call in .later(self.promise(call)) }
            methods.exchange("/test/Talk") { message, _ in .now(GRPCReply(GRPCMessage(Array(message.readableBytesView)))) }
            methods.watch("/test/Watch") { _, _ in .value { GRPCMessage(self.watched.withLock { $0 }) } }
            return methods
        }

        private func promise(_ call: GRPCContext) -> EventLoopFuture<GRPCReply> {
            let promise = call.eventLoop.makePromise(of: GRPCReply.self)
            promises.withLock { $0.append(promise) }
            contexts.withLock { $0.append(call) }
            return promise.futureResult
        }

        func reply(_ index: Int, _ text: String) {
            promises.withLock { $0[index] }.succeed(GRPCReply(GRPCMessage(Array(text.utf8))))
        }
    }

    private let service = Service()

    @Test("A unary call is answered with headers, one message and a status in the trailers")
    func unary() throws {
        let peer = try GRPCPeer(service.methods)
        peer.call(1)
        #expect(peer.messages(1) == ["hello"])
        #expect(peer.status(1) == .ok)
        let head = try #require(peer.headers(1).first)
        #expect(!head.isLast)
        #expect(head.0.first(name: ":status") == "200")
        #expect(head.0.first(name: "content-type") == "application/grpc")
        #expect(head.0.first(name: "grpc-accept-encoding") == "identity,deflate,gzip")
        #expect(head.0.first(name: "x-seen") == "yes")
        #expect(peer.headers(1).last?.isLast == true)
    }

    @Test("A message may come byte by byte, its end in a frame of its own")
    func split() throws {
        let peer = try GRPCPeer(service.methods)
        peer.open(1)
        for byte in framed("hello").readableBytesView { peer.data(1, ByteBuffer(bytes: [byte])) }
        #expect(peer.status(1) == nil)
        peer.data(1, ByteBuffer(), isLast: true)
        #expect(peer.messages(1) == ["hello"])
    }

    @Test("A message larger than every window comes through, and so does its answer")
    func windows() throws {
        let peer = try GRPCPeer(service.methods)
        let text = String(repeating: "0123456789abcdef", count: 1 << 18)
        peer.open(1)
        // Frames of at most 16 KiB, as HTTP/2 has it; the client's window holds them back.
        var rest = framed(text)
        while let part = rest.readSlice(length: min(16_000, rest.readableBytes)), part.readableBytes > 0 {
            peer.data(1, part, isLast: rest.readableBytes == 0)
        }
        #expect(peer.status(1) == nil)
        // The client's own windows are 65,535 bytes: it must widen them to get the answer.
        for _ in 0..<200 {
            peer.send(.rootStream, .windowUpdate(windowSizeIncrement: 60_000))
            if peer.status(1) == nil { peer.send(1, .windowUpdate(windowSizeIncrement: 60_000)) }
        }
        #expect(peer.status(1) == .ok)
        #expect(peer.messages(1) == [text])
    }

    @Test("A unary call with no message, with two or with half of one is refused")
    func cardinality() throws {
        let peer = try GRPCPeer(service.methods)
        peer.open(1, isLast: true)
        #expect(peer.status(1) == .unimplemented)
        var two = framed("a")
        var second = framed("b")
        two.writeBuffer(&second)
        peer.open(3)
        peer.data(3, two, isLast: true)
        #expect(peer.status(3) == .unimplemented)
        peer.open(5)
        peer.data(5, ByteBuffer(bytes: [0, 0, 0, 0, 9, 1]), isLast: true)
        #expect(peer.status(5) == .internal)
        #expect(peer.messages(3).isEmpty)
    }

    @Test("An unknown method is answered by trailers alone")
    func unknown() throws {
        let peer = try GRPCPeer(service.methods)
        peer.call(1, "/test/Nothing")
        let heads = peer.headers(1)
        #expect(heads.count == 1)
        #expect(heads.first?.isLast == true)
        #expect(heads.first?.0.first(name: ":status") == "200")
        #expect(peer.status(1) == .unimplemented)
    }

    @Test("Other content types are HTTP's 415, other methods its 405")
    func notGRPC() throws {
        let peer = try GRPCPeer(service.methods)
        for (id, type, status) in [(1, "application/json", "415"), (3, "application/grpc-web", "415"), (5, "application/grpc+proto", nil)] as [(HTTP2StreamID, String, String?)] {
            peer.open(id, type: type)
            peer.data(id, framed("x"), isLast: true)
            #expect(peer.headers(id).first?.0.first(name: ":status") == status ?? "200")
        }
        peer.send(7, .headers(.init(headers: [":method": "GET", ":scheme": "http", ":authority": "t", ":path": "/test/Echo"], endStream: true)))
        #expect(peer.headers(7).first?.0.first(name: ":status") == "405")
    }

    @Test("A handler's refusal is trailers alone, its text percent-encoded")
    func refusal() throws {
        let peer = try GRPCPeer(service.methods)
        peer.call(1, "/test/Fail")
        #expect(peer.status(1) == .notFound)
        #expect(peer.text(1) == "no 100%25 'mod%C3%A8le'%0A")
        #expect(peer.headers(1).count == 1)
    }

    @Test("A long text is cut between characters")
    func longText() {
        let encoded = StatusText.encoded(String(repeating: "è", count: 5000))
        #expect(encoded.utf8.count <= StatusText.bytesMax)
        #expect(encoded.utf8.count % 6 == 0)
        #expect(StatusText.encoded("plain") == "plain")
    }

    @Test("A message over the method's limit is refused by its length alone")
    func tooLarge() throws {
        let peer = try GRPCPeer(service.methods)
        peer.open(1, "/test/Small")
        peer.data(1, ByteBuffer(bytes: [0, 0, 0, 0, 11]))
        #expect(peer.status(1) == .resourceExhausted)
        peer.call(3, "/test/Small", "0123456789")
        #expect(peer.messages(3) == ["0123456789"])
    }

    @Test("gzip and deflate are read, with the limit on what comes out; anything else is refused", arguments: ["gzip", "deflate"])
    func compressed(_ encoding: String) throws {
        let base64 = encoding == "gzip" ? "H4sIAAAAAAACA8tIzcnJ11HIQKIAn6HKCRMAAAA=" : "eJzLSM3JyddRyECiAEQoBtU="
        let bytes = [UInt8](try #require(Data(base64Encoded: base64)))
        let peer = try GRPCPeer(service.methods)
        peer.open(1, "/test/Echo", [("grpc-encoding", encoding)])
        peer.data(1, framed(bytes, flag: 1), isLast: true)
        #expect(peer.messages(1) == ["hello, hello, hello"])
        // Not each message must be compressed.
        peer.call(3, "/test/Echo", "plain", [("grpc-encoding", encoding)])
        #expect(peer.messages(3) == ["plain"])
        peer.open(5, "/test/Echo", [("grpc-encoding", encoding)])
        peer.data(5, framed(Array(bytes.dropLast(3)), flag: 1), isLast: true)
        #expect(peer.status(5) == .internal)
        let reader = MessageReader(coding: encoding == "gzip" ? .gzip : .deflate, bytesMax: bytes.count)
        var small = reader
        small.append(framed(bytes, flag: 1))
        // Under a limit that the compressed bytes keep and the others do not.
        if bytes.count < 19 { #expect(throws: GRPCRefusal.self) { _ = try small.next() } }
        var tiny = MessageReader(coding: encoding == "gzip" ? .gzip : .deflate, bytesMax: 18)
        tiny.append(framed(bytes, flag: 1))
        #expect { _ = try tiny.next() } throws: { ($0 as? GRPCRefusal)?.status == .resourceExhausted }
        peer.open(7, "/test/Echo")
        peer.data(7, framed(bytes, flag: 1), isLast: true)
        #expect(peer.status(7) == .internal)
        peer.open(9, "/test/Echo", [("grpc-encoding", "snappy")], isLast: true)
        #expect(peer.status(9) == .unimplemented)
        #expect(peer.headers(9).last?.0.first(name: "grpc-accept-encoding") != nil)
    }

    @Test("A deadline that passes ends the call, tells the handler, and drops the answer")
    func deadline() throws {
        let peer = try GRPCPeer(service.methods)
        peer.call(1, "/test/Later", "x", [("grpc-timeout", "100m")])
        peer.advance(.milliseconds(99))
        #expect(peer.status(1) == nil)
        peer.advance(.milliseconds(2))
        #expect(peer.status(1) == .deadlineExceeded)
        #expect(service.contexts.withLock { $0[0].cancellation.isCancelled })
        service.reply(0, "late")
        peer.carry()
        #expect(peer.messages(1).isEmpty)
        #expect(peer.isOpen)
    }

    @Test("Timeouts are a number of at most eight digits and a unit")
    func timeouts() {
        #expect(GRPCTimeout.parse("1H") == .hours(1))
        #expect(GRPCTimeout.parse("20M") == .minutes(20))
        #expect(GRPCTimeout.parse("3S") == .seconds(3))
        #expect(GRPCTimeout.parse("99999999m") == .milliseconds(99_999_999))
        #expect(GRPCTimeout.parse("7u") == .microseconds(7))
        #expect(GRPCTimeout.parse("8n") == .nanoseconds(8))
        #expect(GRPCTimeout.parse("99999999H") != nil)
        for text in ["", "S", "1", "-1S", "+1S", "1s", "123456789S", "1.5S", " 1S"] { #expect(GRPCTimeout.parse(text) == nil, "\(text)") }
    }

    @Test("A client that resets its call gets nothing more; the handler learns of it")
    func cancelled() throws {
        let peer = try GRPCPeer(service.methods)
        peer.call(1, "/test/Later")
        peer.reset(1)
        #expect(service.contexts.withLock { $0[0].cancellation.isCancelled })
        service.reply(0, "late")
        peer.carry()
        #expect(peer.headers(1).isEmpty)
        peer.call(3)
        #expect(peer.messages(3) == ["hello"])
    }

    @Test("Answers of a stream keep the order of their questions; the client's end ends it")
    func order() throws {
        let peer = try GRPCPeer(service.methods)
        peer.open(1, "/test/Chat")
        for text in ["a", "b", "c"] { peer.data(1, framed(text)) }
        service.reply(2, "C")
        service.reply(1, "B")
        peer.carry()
        #expect(peer.messages(1).isEmpty)
        service.reply(0, "A")
        peer.carry()
        #expect(peer.messages(1) == ["A", "B", "C"])
        #expect(peer.status(1) == nil)
        peer.data(1, framed("d"), isLast: true)
        #expect(peer.status(1) == nil)
        service.reply(3, "D")
        peer.carry()
        #expect(peer.messages(1) == ["A", "B", "C", "D"])
        #expect(peer.status(1) == .ok)
    }

    @Test("A stream that runs ahead of its answers is read no further")
    func backPressure() throws {
        var limits = GRPCLimits()
        limits.exchangesMax = 2
        let peer = try GRPCPeer(service.methods, limits: limits)
        peer.open(1, "/test/Chat")
        for text in ["a", "b", "c", "d"] { peer.data(1, framed(text)) }
        #expect(service.promises.withLock { $0.count } == 2)
        service.reply(0, "A")
        peer.carry()
        #expect(service.promises.withLock { $0.count } == 3)
        for index in 1...2 { service.reply(index, "x") }
        peer.carry()
        service.reply(3, "D")
        peer.data(1, ByteBuffer(), isLast: true)
        #expect(peer.messages(1) == ["A", "x", "x", "D"])
        #expect(peer.status(1) == .ok)
    }

    @Test("A stream whose client takes no answers is read no further")
    func slowReader() throws {
        var limits = GRPCLimits()
        limits.unsentBytesMax = 1000
        let peer = try GRPCPeer(service.methods, limits: limits)
        peer.open(1, "/test/Talk")
        let text = String(repeating: "x", count: 50_000)
        for _ in 0..<4 {
            var rest = framed(text)
            while let part = rest.readSlice(length: min(16_000, rest.readableBytes)), part.readableBytes > 0 { peer.data(1, part) }
        }
        // One fits into the client's window, the second waits, and behind it nothing is answered.
        #expect(peer.messages(1).count == 1)
        for _ in 0..<10 {
            peer.send(.rootStream, .windowUpdate(windowSizeIncrement: 60_000))
            peer.send(1, .windowUpdate(windowSizeIncrement: 60_000))
        }
        #expect(peer.messages(1).count == 4)
    }

    @Test("A watched value is sent at once, and again when it has changed")
    func watch() throws {
        let peer = try GRPCPeer(service.methods)
        peer.call(1, "/test/Watch")
        #expect(peer.messages(1) == ["\u{1}"])
        peer.advance(.seconds(2))
        #expect(peer.messages(1) == ["\u{1}"])
        service.watched.withLock { $0 = [2] }
        peer.advance(.seconds(1))
        #expect(peer.messages(1) == ["\u{1}", "\u{2}"])
        peer.reset(1)
        service.watched.withLock { $0 = [3] }
        peer.advance(.seconds(1))
        #expect(peer.messages(1).count == 2)
    }
}
