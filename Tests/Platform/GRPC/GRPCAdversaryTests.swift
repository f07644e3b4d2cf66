import NIOCore
import SlipwayTesting
import Synchronization
import Testing

@testable import SlipwayGRPC

/// Peers that keep to no rule: each ends in a limit that has a name, and the listener's other connections
/// never learn of it.
@Suite("gRPC peers that keep to no rule")
struct GRPCAdversaryTests {
    private let service = GRPCCallTests.Service()

    /// HTTP/2's error codes.
    private enum Code {
        static let protocolError: UInt32 = 1
        static let flowControl: UInt32 = 3
        static let frameSize: UInt32 = 6
        static let compression: UInt32 = 9
        static let calm: UInt32 = 11
    }

    @Test("A good call written by hand is answered: what follows fails for its own reason")
    func control() throws {
        let peer = try RawPeer(service.methods)
        peer.send(.headers, RawPeer.head, flags: RawPeer.endHeaders, stream: 1)
        peer.send(.data, [0, 0, 0, 0, 2, 104, 105], flags: RawPeer.endStream, stream: 1)
        #expect(peer.frames(.data, stream: 1).count == 1)
        #expect(peer.isOpen)
        #expect(peer.goAwayCode == nil)
    }

    @Test("Metadata over headerBytesMax ends the connection, in one frame or in many")
    func headerBomb() throws {
        let bomb = (0..<300).flatMap { RawPeer.header("x-\($0)", String(repeating: "y", count: 100)) }
        let split = try RawPeer(service.methods)
        split.send(.headers, RawPeer.head, stream: 1)
        for start in stride(from: 0, to: bomb.count, by: 8000) {
            let end = min(start + 8000, bomb.count)
            split.send(.continuation, Array(bomb[start..<end]), flags: end == bomb.count ? RawPeer.endHeaders : 0, stream: 1)
        }
        #expect(!split.isOpen)
        #expect(split.goAwayCode == Code.protocolError)
        let whole = try RawPeer(service.methods)
        whole.send(.headers, RawPeer.head + bomb, flags: RawPeer.endHeaders, stream: 1)
        #expect(!whole.isOpen)
        #expect(service.contexts.withLock { $0.isEmpty })
    }

    @Test("Small headers that name one large entry of the table again and again end at headerBytesMax")
    func headerTableBomb() throws {
        let peer = try RawPeer(service.methods)
        // One entry of 3,000 bytes into the table, then 1,000 times its index: 3 MB from 4 KB.
        let entry: [UInt8] = [0x40, 1, UInt8(ascii: "x"), 127, 185, 22] + [UInt8](repeating: UInt8(ascii: "y"), count: 3000)
        peer.send(.headers, RawPeer.head + entry + [UInt8](repeating: 0x80 | 62, count: 1000), flags: RawPeer.endHeaders | RawPeer.endStream, stream: 1)
        #expect(!peer.isOpen)
        #expect(peer.goAwayCode == Code.compression)
    }

    @Test("CONTINUATION frames without an end are taken a few times only")
    func continuationFlood() throws {
        let peer = try RawPeer(service.methods)
        peer.send(.headers, RawPeer.head, stream: 1)
        var sent = 0
        while peer.isOpen, sent < 10_000 {
            peer.send(.continuation, [], stream: 1)
            sent += 1
        }
        #expect(!peer.isOpen)
        #expect(sent < 100)
        #expect(peer.goAwayCode == Code.calm)
    }

    @Test("SETTINGS without end stop at controlFramesMax")
    func settingsFlood() throws {
        var limits = GRPCLimits()
        limits.controlFramesMax = 50
        let peer = try RawPeer(service.methods, limits: limits)
        // In one read, so that a slow machine sees them within the time that is counted.
        let frame = RawPeer.frame(.settings, [0, 4, 0, 1, 0, 0])
        var flood: [UInt8] = []
        for _ in 0..<200 { flood += frame }
        peer.send(bytes: flood)
        #expect(!peer.isOpen)
        #expect(peer.goAwayCode == Code.calm)
    }

    @Test("PRIORITY frames without end stop at controlFramesMax")
    func priorityFlood() throws {
        var limits = GRPCLimits()
        limits.controlFramesMax = 50
        let peer = try RawPeer(service.methods, limits: limits)
        var flood: [UInt8] = []
        for number in 0..<200 { flood += RawPeer.frame(.priority, [0, 0, 0, 0, 1], stream: UInt32(2 * number + 1)) }
        peer.send(bytes: flood)
        #expect(!peer.isOpen)
    }

    @Test("Calls that are opened and reset at once stop at resetsMax")
    func rapidReset() throws {
        var limits = GRPCLimits()
        limits.resetsMax = 50
        let peer = try RawPeer(service.methods, limits: limits)
        var flood: [UInt8] = []
        for number in 0..<200 {
            let stream = UInt32(2 * number + 1)
            flood += RawPeer.frame(.headers, RawPeer.head, flags: RawPeer.endHeaders, stream: stream)
            flood += RawPeer.frame(.reset, [0, 0, 0, 8], stream: stream)
        }
        peer.send(bytes: flood)
        #expect(!peer.isOpen)
        #expect(peer.goAwayCode == Code.calm)
    }

    @Test("Calls beyond streamsMax are refused, and those before them go on")
    func tooManyStreams() throws {
        var limits = GRPCLimits()
        limits.streamsMax = 2
        let peer = try RawPeer(service.methods, limits: limits)
        // Acknowledges the server's settings: from here on its limit holds.
        peer.send(.settings, [], flags: 1)
        for stream in [1, 3, 5] as [UInt32] { peer.send(.headers, RawPeer.head, flags: RawPeer.endHeaders, stream: stream) }
        #expect(!peer.frames(.reset, stream: 5).isEmpty || !peer.isOpen)
        guard peer.isOpen else { return }
        peer.send(.data, [0, 0, 0, 0, 0], flags: RawPeer.endStream, stream: 1)
        #expect(!peer.frames(.data, stream: 1).isEmpty)
    }

    @Test("More bytes than the windows allow end the call or the connection")
    func windowOverrun() throws {
        var limits = GRPCLimits()
        limits.streamWindowBytes = 70_000
        limits.connectionWindowBytes = 70_000
        let peer = try RawPeer(service.methods, limits: limits)
        peer.send(.settings, [], flags: 1)
        peer.send(.headers, RawPeer.head, flags: RawPeer.endHeaders, stream: 1)
        // A message of 16 MiB is announced; the windows are widened while it comes, so it goes on in one read.
        let first = RawPeer.frame(.data, [0, 1, 0, 0, 0] + [UInt8](repeating: 1, count: 16_000), stream: 1)
        let more = RawPeer.frame(.data, [UInt8](repeating: 1, count: 16_384), stream: 1)
        var bytes = first
        for _ in 0..<4 { bytes += more }
        bytes += RawPeer.frame(.windowUpdate, [0x7F, 0xFF, 0xFF, 0xFF], stream: 1)
        peer.send(bytes: bytes)
        let isStreamOver = !peer.frames(.reset, stream: 1).isEmpty
        #expect(isStreamOver || peer.goAwayCode == Code.flowControl)
    }

    @Test("A message that announces more than the method takes is refused by its length, before it comes")
    func oversized() throws {
        let peer = try RawPeer(service.methods)
        peer.send(.headers, RawPeer.head, flags: RawPeer.endHeaders, stream: 1)
        peer.send(.data, [0, 0xFF, 0xFF, 0xFF, 0xFF], stream: 1)
        #expect(peer.frames(.headers, stream: 1).count == 1)
        #expect(!peer.frames(.reset, stream: 1).isEmpty)
        // It goes on sending all the same: dropped, and other calls are answered.
        for _ in 0..<10 { peer.send(.data, [UInt8](repeating: 7, count: 16_000), stream: 1) }
        peer.send(.headers, RawPeer.head, flags: RawPeer.endHeaders, stream: 3)
        peer.send(.data, [0, 0, 0, 0, 0], flags: RawPeer.endStream, stream: 3)
        #expect(!peer.frames(.data, stream: 3).isEmpty)
        #expect(peer.isOpen)
    }

    @Test("A call whose client says nothing more ends after messageSeconds, the connection after silenceSeconds")
    func halfOpen() throws {
        let peer = try RawPeer(service.methods)
        peer.send(.headers, RawPeer.head, flags: RawPeer.endHeaders, stream: 1)
        var seconds = 0
        while peer.isOpen, seconds < 1000 {
            peer.advance(.seconds(5))
            seconds += 5
        }
        #expect(!peer.isOpen)
        // Its pings are not answered, so it does not get the time that a slow client gets.
        #expect(seconds <= 200)
        #expect(!peer.frames(.ping, stream: 0).isEmpty)
    }

    @Test("Frames that break HTTP/2's form end the connection with its code")
    func malformed() throws {
        let cases: [(RawPeer.Kind, [UInt8], UInt8, UInt32, UInt32?)] = [
            (.data, [1, 2, 3], 0, 0, Code.protocolError),
            (.data, [1, 2, 3], 0, 9, Code.protocolError),
            (.headers, [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF], RawPeer.endHeaders, 1, Code.compression),
            (.headers, RawPeer.head, RawPeer.endHeaders, 2, nil),
            (.settings, [1, 2, 3], 0, 0, Code.frameSize),
            (.ping, [1], 0, 0, Code.frameSize),
            (.windowUpdate, [0, 0, 0, 0], 0, 0, nil),
            (.continuation, [], RawPeer.endHeaders, 1, Code.protocolError),
            (.push, [0, 0, 0, 2] + RawPeer.head, RawPeer.endHeaders, 1, nil),
        ]
        for (kind, payload, flags, stream, code) in cases {
            let peer = try RawPeer(service.methods)
            peer.send(kind, payload, flags: flags, stream: stream)
            #expect(!peer.isOpen, "\(kind)")
            if let code { #expect(peer.goAwayCode == code, "\(kind)") }
        }
    }

    @Test("Whatever the bytes, the connection ends or goes on; nothing traps")
    func noise() throws {
        for seed in 0..<300 {
            var random = SeededGenerator(seed: UInt64(seed))
            let peer = try RawPeer(service.methods)
            for _ in 0..<20 where peer.isOpen {
                let kind = RawPeer.Kind(rawValue: .random(in: 0...9, using: &random)) ?? .data
                var payload = kind == .headers ? RawPeer.head : []
                for _ in 0..<Int.random(in: 0...40, using: &random) { payload.append(.random(in: 0...255, using: &random)) }
                peer.send(kind, payload, flags: .random(in: 0...255, using: &random), stream: UInt32.random(in: 0...4, using: &random))
            }
        }
    }
}
