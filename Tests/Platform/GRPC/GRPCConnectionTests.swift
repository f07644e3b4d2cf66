import NIOCore
import NIOEmbedded
import NIOHPACK
import NIOHTTP2
import Testing

@testable import SlipwayGRPC

@Suite("gRPC connections")
struct GRPCConnectionTests {
    private let service = GRPCCallTests.Service()

    @Test("At a stop, calls under way finish, calls on their way are taken, and then the connection ends")
    func farewell() throws {
        let peer = try GRPCPeer(service.methods)
        peer.call(1, "/test/Later")
        peer.server.pipeline.fireUserInboundEventTriggered(ChannelShouldQuiesceEvent())
        // Sent before the client has read the farewell.
        peer.call(3)
        #expect(peer.goAways.first?.last == .maxID)
        #expect(peer.messages(3) == ["hello"])
        peer.carry()
        #expect(peer.goAways.last?.last == 3)
        #expect(peer.errors.isEmpty)
        #expect(peer.goAways.allSatisfy { $0.code == .noError })
        #expect(peer.isOpen)
        service.reply(0, "done")
        peer.carry()
        #expect(peer.messages(1) == ["done"])
        #expect(peer.status(1) == .ok)
        #expect(!peer.isOpen)
    }

    @Test("A connection without calls ends after its time, one with a call does not")
    func idle() throws {
        var limits = GRPCLimits()
        limits.idleSeconds = 20
        limits.silenceSeconds = 1000
        let idle = try GRPCPeer(service.methods, limits: limits)
        idle.call(1)
        idle.advance(.seconds(18))
        #expect(idle.isOpen)
        idle.advance(.seconds(12))
        #expect(!idle.isOpen)
        #expect(idle.goAways.allSatisfy { $0.code == .noError } && !idle.goAways.isEmpty)
        let busy = try GRPCPeer(service.methods, limits: limits)
        busy.call(1, "/test/Later")
        for _ in 0..<10 { busy.advance(.seconds(10)) }
        #expect(busy.isOpen)
    }

    @Test("A message that does not come to its end is waited for, but not for ever")
    func slowMessage() throws {
        let peer = try GRPCPeer(service.methods)
        peer.open(1)
        peer.data(1, ByteBuffer(bytes: [0, 0, 0, 0, 5, 1]))
        for _ in 0..<13 { peer.advance(.seconds(10)) }
        #expect(peer.status(1) == .deadlineExceeded)
        #expect(peer.isOpen)
    }

    @Test("Whoever says nothing, or speaks HTTP/1, is shown out")
    func strangers() throws {
        let silent = try GRPCPeer(service.methods, isGreeting: false)
        silent.advance(.seconds(20))
        #expect(!silent.isOpen)
        let other = try GRPCPeer(service.methods, isGreeting: false)
        other.sendRaw("GET / HTTP/1.1\r\nHost: test\r\n\r\n")
        #expect(!other.isOpen)
    }

    @Test("Pings are answered; a flood of them ends the connection")
    func pings() throws {
        var limits = GRPCLimits()
        // The rate is by the real clock: few enough to be fast on any machine.
        limits.controlFramesMax = 50
        let peer = try GRPCPeer(service.methods, limits: limits)
        peer.send(.rootStream, .ping(HTTP2PingData(withInteger: 7), ack: false))
        let answered = peer.frames.contains {
            if case .ping(let data, true) = $0.payload { data == HTTP2PingData(withInteger: 7) } else { false }
        }
        #expect(answered)
        for number in 0..<20_000 where peer.isOpen {
            peer.send(.rootStream, .ping(HTTP2PingData(withInteger: UInt64(number)), ack: false), isCarried: number % 1000 == 0)
        }
        peer.carry()
        #expect(peer.goAways.last?.code == .enhanceYourCalm)
        #expect(!peer.isOpen)
    }

    @Test("A client that pings with every answer is no flood")
    func busyPinger() throws {
        let peer = try GRPCPeer(service.methods)
        for number in 0..<500 {
            peer.call(HTTP2StreamID(1 + 2 * number))
            peer.send(.rootStream, .ping(HTTP2PingData(withInteger: UInt64(number)), ack: false))
        }
        #expect(peer.isOpen)
        #expect(peer.status(999) == .ok)
    }

    @Test("Calls opened and reset in a rush end the connection")
    func rapidReset() throws {
        var limits = GRPCLimits()
        limits.resetsMax = 100
        let peer = try GRPCPeer(service.methods, limits: limits)
        for number in 0..<200 where peer.isOpen {
            let id = HTTP2StreamID(1 + 2 * number)
            peer.open(id, "/test/Later")
            peer.reset(id)
        }
        #expect(!peer.isOpen)
        #expect(peer.goAways.last?.code == .enhanceYourCalm)
    }

    @Test("Messages begun on many streams are bounded together")
    func together() throws {
        var limits = GRPCLimits()
        limits.connectionBytesMax = 100
        let peer = try GRPCPeer(service.methods, limits: limits)
        for id in [1, 3, 5] as [HTTP2StreamID] {
            peer.open(id)
            peer.data(id, ByteBuffer(bytes: [0, 0, 0, 0, 90] + [UInt8](repeating: 1, count: 40)))
        }
        #expect(peer.status(1) == nil)
        #expect(peer.status(3) == nil)
        #expect(peer.status(5) == .resourceExhausted)
        // What a refused stream held is free again.
        peer.reset(3)
        peer.call(7)
        #expect(peer.messages(7) == ["hello"])
    }
}
