import SlipwayTesting
import Testing

@testable import SlipwayPyfunc

@Suite("Worker roster")
struct WorkerRosterTests {
    private final class Fake: Sendable {}
    private let second: UInt64 = 1_000_000_000

    @Test("A worker is lent to one request at a time, and comes back when it has answered")
    func lending() {
        var roster = WorkerRoster<Fake>(count: 2)
        #expect(roster.take() == nil, "none has started")
        let (one, two) = (Fake(), Fake())
        roster.started(one, slot: 0)
        roster.started(two, slot: 1)
        #expect(roster.take() === one)
        #expect(roster.take() === two)
        #expect(roster.take() == nil)
        roster.finished(two)
        #expect(roster.take() === two)
    }

    @Test("One that dies again and again is started ever later, up to a limit; an answer makes up for it")
    func backOff() {
        var roster = WorkerRoster<Fake>(count: 1)
        var now: UInt64 = 0
        var delays: [UInt64] = []
        for _ in 0..<12 {
            let worker = Fake()
            roster.started(worker, slot: 0)
            guard let restart = roster.lost(worker, now: now) else { break }
            delays.append(restart.delayNanoseconds)
            #expect(roster.nanosecondsUntilHope(now: now) == restart.delayNanoseconds)
            now += restart.delayNanoseconds
            #expect(roster.nanosecondsUntilHope(now: now) == 0)
            roster.starts(slot: 0)
        }
        #expect(delays.count == 12)
        #expect(delays.prefix(3) == [second / 10, second / 5, second * 2 / 5])
        #expect(delays.last == 30 * second)
        #expect(zip(delays, delays.dropFirst()).allSatisfy { $0 <= $1 })
        let worker = Fake()
        roster.started(worker, slot: 0)
        #expect(roster.take() === worker)
        roster.finished(worker)
        #expect(roster.lost(worker, now: now)?.delayNanoseconds == second / 10)
        #expect(roster.restarts == 12)
    }

    @Test("A death that is told twice is one death")
    func twice() {
        var roster = WorkerRoster<Fake>(count: 1)
        let worker = Fake()
        roster.started(worker, slot: 0)
        #expect(roster.lost(worker, now: 0) == WorkerRoster.Restart(slot: 0, delayNanoseconds: second / 10))
        #expect(roster.lost(worker, now: 0) == nil)
        roster.finished(worker)
        #expect(roster.take() == nil, "one that is gone does not come back")
    }

    @Test("As long as one slot is there or starting there is hope")
    func hope() {
        var roster = WorkerRoster<Fake>(count: 2)
        _ = roster.failed(slot: 0, now: 0)
        #expect(roster.nanosecondsUntilHope(now: 0) == 0)
        for _ in 0..<10 { _ = roster.failed(slot: 1, now: 0) }
        #expect(roster.nanosecondsUntilHope(now: 0) == second / 10)
    }
}
