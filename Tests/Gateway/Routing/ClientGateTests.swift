import SlipwayTesting
import Testing

@testable import SlipwayRouting

@Suite("Limits of a client")
struct ClientGateTests {
    private static let second = 1_000_000_000

    private func gate(rate: Double? = nil, burst: Double = 1, concurrency: Int? = nil, clients: Int = 100) -> ClientGate {
        var limits = ClientGate.Limits()
        limits.ratePerSecond = rate
        limits.burst = burst
        limits.concurrencyMax = concurrency
        limits.clientsMax = clients
        return ClientGate(limits: limits)
    }

    @Test("A burst goes through at once, then the rate; a refusal says when the next would")
    func rate() {
        var gate = gate(rate: 10, burst: 5)
        for _ in 0..<5 { #expect(gate.enter(1, now: 0) == .admitted) }
        #expect(gate.enter(1, now: 0) == .tooFast(retryAfter: Self.second / 10))
        #expect(gate.enter(2, now: 0) == .admitted, "another client has a burst of its own")
        #expect(gate.enter(1, now: Self.second / 10) == .admitted)
        #expect(gate.enter(1, now: Self.second / 10) != .admitted)
    }

    @Test("In any time, no more are admitted than the burst and the rate allow", arguments: 0..<20 as Range<UInt64>)
    func bucketProperty(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        let rate = Double.random(in: 0.5...1_000, using: &random)
        let burst = Double(Int.random(in: 1...50, using: &random))
        var bucket = TokenBucket(burst: burst, now: 0)
        var admitted: [Int] = []
        var now = 0
        for _ in 0..<2_000 {
            now += Int.random(in: 0..<Self.second / 50, using: &random)
            guard let wait = bucket.take(perSecond: rate, burst: burst, now: now) else {
                admitted.append(now)
                continue
            }
            #expect(wait > 0)
            var later = bucket
            #expect(later.take(perSecond: rate, burst: burst, now: now + wait + 1) == nil, "what it said was not so")
        }
        for (index, start) in admitted.enumerated() where index % 17 == 0 {
            for (offset, end) in admitted[index...].enumerated() {
                #expect(Double(offset + 1) <= burst + Double(end - start) / 1e9 * rate + 1e-6)
            }
        }
    }

    @Test("A client has at most so many under way; one that ends makes room")
    func concurrency() {
        var gate = gate(concurrency: 2)
        #expect(gate.enter(1, now: 0) == .admitted)
        #expect(gate.enter(1, now: 0) == .admitted)
        #expect(gate.enter(1, now: 0) == .tooMany)
        #expect(gate.enter(2, now: 0) == .admitted)
        gate.leave(1)
        #expect(gate.enter(1, now: 0) == .admitted)
        gate.leave(1)
        gate.leave(1)
        gate.leave(1)
        gate.leave(2)
        #expect(gate.count == 0, "nothing is remembered of clients that are gone")
    }

    @Test("However many clients come, memory is bounded, and newcomers beyond it share one account")
    func bounded() {
        var gate = gate(rate: 1, burst: 1, concurrency: 1_000, clients: 100)
        for client in 0..<10_000 as Range<UInt64> { _ = gate.enter(client, now: Int(client)) }
        #expect(gate.count <= 101)
        #expect(gate.enter(99_999, now: 10_000) != .admitted, "the shared account is used up")
        for client in 0..<10_000 as Range<UInt64> { gate.leave(client) }
        #expect(gate.enter(99_999, now: 1_000 * Self.second) == .admitted, "those of long ago are forgotten")
    }
}
