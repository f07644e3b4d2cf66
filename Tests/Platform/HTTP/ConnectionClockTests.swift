import NIOCore
import Testing

@testable import SlipwayHTTP

@Suite("Connection clock")
struct ConnectionClockTests {
    private let start = NIODeadline.uptimeNanoseconds(1_000_000_000_000)
    private let limits = ConnectionLimits()

    @Test("A silent connection ends when it has been idle for its time, and not before")
    func idle() {
        var clock = ConnectionClock(now: start)
        #expect(expiry(&clock, after: 119) == nil)
        #expect(expiry(&clock, after: 120) == .idle)
        clock.awaitRequest(now: start + .seconds(100))
        #expect(expiry(&clock, after: 219) == nil)
    }

    @Test("A head has its time as a whole, however many parts it comes in")
    func head() {
        var clock = ConnectionClock(now: start)
        for second in stride(from: Int64(50), to: 70, by: 1) { clock.awaitHead(now: start + .seconds(second)) }
        #expect(expiry(&clock, after: 69) == nil)
        #expect(expiry(&clock, after: 70) == .head)
    }

    @Test("A body earns a second for as many bytes as must come in one")
    func body() {
        var clock = ConnectionClock(now: start)
        clock.awaitBody(bytes: 0, now: start)
        #expect(expiry(&clock, after: 20) == .body)
        clock.tookBody(4096 * 10)
        #expect(expiry(&clock, after: 29) == nil)
        #expect(expiry(&clock, after: 30) == .body)
        clock.awaitBody(bytes: 4096 * 20, now: start + .seconds(25))
        #expect(expiry(&clock, after: 39) == nil)
        #expect(expiry(&clock, after: 40) == .body)
    }

    @Test("What we do not take costs the client no time, and an answer under way neither")
    func ours() {
        var clock = ConnectionClock(now: start)
        clock.awaitBody(bytes: 0, now: start)
        #expect(expiry(&clock, after: 100, isReading: false) == nil)
        #expect(expiry(&clock, after: 119) == nil)
        #expect(expiry(&clock, after: 120) == .body)
        clock.awaitNothing()
        #expect(expiry(&clock, after: 10_000) == nil)
    }

    @Test("A client that takes no byte of its answers is ended, one that takes some is not")
    func unsent() {
        var clock = ConnectionClock(now: start)
        clock.awaitNothing()
        #expect(expiry(&clock, after: 0, unsent: 100) == nil)
        #expect(expiry(&clock, after: 59, unsent: 99) == nil)
        #expect(expiry(&clock, after: 118, unsent: 99) == nil)
        #expect(expiry(&clock, after: 119, unsent: 120) == .write)
        #expect(expiry(&clock, after: 120, unsent: nil) == nil)
        #expect(expiry(&clock, after: 200, unsent: 120) == nil)
    }

    @Test("There are never more connections than the process may have files, less what it needs itself")
    func connections() {
        #expect(limits.connectionsMax(descriptorsMax: 1024) == 512)
        #expect(limits.connectionsMax(descriptorsMax: 1_000_000) == limits.connectionsMax)
        #expect(limits.connectionsMax(descriptorsMax: 100) == 1)
    }

    private func expiry(
        _ clock: inout ConnectionClock,
        after seconds: Int64,
        isReading: Bool = true,
        unsent: Int? = nil
    ) -> ConnectionClock.Expiry? {
        clock.expiry(now: start + .seconds(seconds), isReading: isReading, unsentBytes: unsent, limits: limits)
    }
}
