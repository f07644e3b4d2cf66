import SlipwayRouting
import SlipwayTesting
import Testing

@Suite("Circuit breaker")
struct CircuitBreakerTests {
    private static let second = 1_000_000_000

    /// A breaker that has just opened.
    private func opened() -> CircuitBreaker {
        var breaker = CircuitBreaker()
        for _ in 0..<20 { _ = breaker.failed(now: 0) }
        return breaker
    }

    @Test("A few failures, or many among more answers, leave it closed; half of enough requests open it")
    func opens() {
        var breaker = CircuitBreaker()
        for _ in 0..<19 {
            let isOpen = breaker.failed(now: 0)
            #expect(!isOpen)
        }
        let opened = breaker.failed(now: 0)
        #expect(opened && !breaker.isClosed)
        #expect(breaker.admit(now: 1) == .refused(retryAfter: Self.second - 1))
        var busy = CircuitBreaker()
        for _ in 0..<1_000 {
            busy.answered(now: 0)
            busy.answered(now: 0)
            let isOpen = busy.failed(now: 0)
            #expect(!isOpen)
        }
        #expect(busy.isClosed)
    }

    @Test("Old failures do not count with new ones")
    func window() {
        var breaker = CircuitBreaker()
        for number in 0..<200 { _ = breaker.failed(now: number * 2 * Self.second) }
        #expect(breaker.isClosed)
    }

    @Test("After its time a few probes go through; when all are answered it closes")
    func closes() {
        var breaker = opened()
        let later = Self.second
        let admissions = (0..<5).map { _ in breaker.admit(now: later) }
        #expect(admissions.count { $0 == .admitted } == 3)
        for _ in 0..<2 { breaker.answered(now: later) }
        #expect(!breaker.isClosed)
        breaker.answered(now: later)
        #expect(breaker.isClosed)
        #expect(breaker.admit(now: later) == .admitted)
    }

    @Test("A failed probe opens it again for twice as long, up to a bound")
    func grows() {
        var breaker = opened()
        var now = 0
        var durations: [Int] = []
        for _ in 0..<8 {
            guard case .refused(let wait) = breaker.admit(now: now) else {
                Issue.record("admitted while open")
                return
            }
            durations.append(wait / Self.second)
            now += wait
            #expect(breaker.admit(now: now) == .admitted)
            let isOpen = breaker.failed(now: now)
            #expect(isOpen)
        }
        #expect(durations == [1, 2, 4, 8, 16, 30, 30, 30])
    }

    @Test("Probes that never come back do not keep it half open for ever")
    func lostProbes() {
        var breaker = opened()
        for _ in 0..<3 { _ = breaker.admit(now: Self.second) }
        guard case .refused(let wait) = breaker.admit(now: Self.second) else {
            Issue.record("a fourth probe")
            return
        }
        #expect(breaker.admit(now: Self.second + wait) == .admitted)
    }

    @Test("Whatever happens, it never refuses for longer than its bound, and answers close it in the end", arguments: 0..<20 as Range<UInt64>)
    func property(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        var breaker = CircuitBreaker()
        var now = 0
        for _ in 0..<5_000 {
            now += Int.random(in: 0..<Self.second / 10, using: &random)
            guard case .admitted = breaker.admit(now: now) else {
                guard case .refused(let wait) = breaker.admit(now: now) else { continue }
                #expect(wait > 0 && wait <= CircuitBreaker.Limits().openMax)
                continue
            }
            if Bool.random(using: &random) { breaker.answered(now: now) } else { _ = breaker.failed(now: now) }
        }
        for _ in 0..<10 {
            now += CircuitBreaker.Limits().openMax
            if case .admitted = breaker.admit(now: now) { breaker.answered(now: now) }
        }
        #expect(breaker.isClosed)
    }
}
