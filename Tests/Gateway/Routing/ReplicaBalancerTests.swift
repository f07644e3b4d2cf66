import SlipwayRouting
import SlipwayTesting
import Testing

@Suite("Replicas: balancing and ejection")
struct ReplicaBalancerTests {
    private static let second = 1_000_000_000

    @Test("The next request goes where the fewest are outstanding; equals take turns")
    func leastOutstanding() {
        var balancer = ReplicaBalancer(keys: ["a", "b", "c"])
        #expect(Set((0..<3).compactMap { _ in balancer.pick(now: 0) }) == ["a", "b", "c"])
        balancer.end("b")
        #expect(balancer.pick(now: 0) == "b")
        balancer.end("c")
        balancer.end("c")
        #expect(balancer.outstanding("c") == 0, "more ends than picks do not go below nothing")
        #expect(balancer.pick(now: 0) == "c")
    }

    @Test("Whatever happens, the one picked has no more outstanding than any other in service", arguments: 0..<20 as Range<UInt64>)
    func property(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        let keys = Array(0..<Int.random(in: 1...6, using: &random))
        var balancer = ReplicaBalancer(keys: keys)
        var underWay: [Int] = []
        var now = 0
        for _ in 0..<2_000 {
            now += Int.random(in: 0..<Self.second, using: &random)
            switch Int.random(in: 0..<4, using: &random) {
            case 0, 1:
                let before = Dictionary(uniqueKeysWithValues: keys.map { ($0, balancer.outstanding($0)) })
                guard let picked = balancer.pick(now: now) else {
                    Issue.record("nothing picked of \(keys.count)")
                    return
                }
                if balancer.ejectedCount(now: now) == 0 { #expect(before[picked] == before.values.min()) }
                underWay.append(picked)
            case 2:
                guard let key = underWay.popLast() else { continue }
                balancer.end(key)
                balancer.succeeded(key)
            default:
                guard let key = underWay.popLast() else { continue }
                balancer.end(key)
                _ = balancer.failed(key, refused: Bool.random(using: &random), now: now)
                #expect(balancer.ejectedCount(now: now) < keys.count, "all are ejected")
            }
        }
        for key in keys { #expect(balancer.outstanding(key) == underWay.count { $0 == key }) }
    }

    @Test("Failures in a row eject, one success between them does not; a refused connection ejects at once")
    func ejects() {
        var balancer = ReplicaBalancer(keys: ["a", "b"])
        for _ in 0..<4 { #expect(balancer.failed("a", refused: false, now: 0) == false) }
        balancer.succeeded("a")
        for _ in 0..<4 { #expect(balancer.failed("a", refused: false, now: 0) == false) }
        let fifth = balancer.failed("a", refused: false, now: 0)
        #expect(fifth)
        for _ in 0..<10 { #expect(balancer.pick(now: 1) == "b") }
        var other = ReplicaBalancer(keys: ["a", "b"])
        let refused = other.failed("b", refused: true, now: 0)
        #expect(refused)
        #expect(other.pick(now: 1) == "a")
        #expect(other.pick(now: Self.second + 1) == "b", "back after its time, with nothing outstanding")
    }

    @Test("Each ejection is twice as long as the one before, up to a bound; a long good time forgives")
    func grows() {
        var health = ReplicaHealth()
        var now = 0
        var durations: [Int] = []
        for _ in 0..<9 {
            health.eject(now: now)
            durations.append((health.ejectedUntil - now) / Self.second)
            now = health.ejectedUntil + 1
        }
        #expect(durations == [1, 2, 4, 8, 16, 32, 60, 60, 60])
        health.eject(now: now + 61 * Self.second)
        #expect(health.ejectedUntil == now + 62 * Self.second)
    }

    @Test("The last replica in service stays, and an ejected one is better than none")
    func last() {
        var single = ReplicaBalancer(keys: ["a"])
        for _ in 0..<20 {
            let ejected = single.failed("a", refused: true, now: 0)
            #expect(!ejected)
        }
        #expect(single.pick(now: 0) == "a")
        var two = ReplicaBalancer(keys: ["a", "b"])
        _ = two.failed("a", refused: true, now: 0)
        #expect(two.pick(now: 1, tried: ["b"]) == "a")
        #expect(two.pick(now: 1, tried: ["a", "b"]) == nil)
        #expect(ReplicaBalancer<String>(keys: []).keys.isEmpty)
        var none = ReplicaBalancer<String>(keys: [])
        #expect(none.pick(now: 0) == nil)
    }

    @Test("When the addresses change, what is known of those that stay is kept")
    func update() {
        var balancer = ReplicaBalancer(keys: ["a", "b"])
        _ = balancer.failed("a", refused: true, now: 0)
        _ = balancer.pick(now: 1)
        balancer.update(["a", "b", "b", "c"])
        #expect(balancer.keys == ["a", "b", "c"])
        #expect(balancer.outstanding("b") == 1)
        #expect(balancer.ejectedCount(now: 1) == 1)
        #expect(balancer.pick(now: 1) == "c")
        balancer.update(["c"])
        balancer.end("b")
        #expect(balancer.keys == ["c"])
    }
}
