import SlipwayCore
import SlipwayTesting
import Testing

@testable import SlipwayPipeline

@Suite("Rollout")
struct RolloutTests {
    @Test("A healthy candidate is attached, shifted and observed at each weight, then promoted")
    func healthy() {
        var rollout = Rollout(RolloutPolicy(), hasChampion: true)
        #expect(rollout.start() == .attach)
        var action = rollout.take(.done)
        for weight in [10, 50, 100] {
            #expect(action == .shift(Percent(whole: weight)))
            #expect(rollout.take(.done) == .observe(Percent(whole: weight)))
            action = rollout.take(.judged(.pass, isOverdue: false))
        }
        #expect(rollout.action == .promote)
        #expect(rollout.take(.done) == .finish(isPromoted: true))
    }

    @Test("A first release is in service once it is attached")
    func first() {
        var rollout = Rollout(RolloutPolicy(), hasChampion: false)
        #expect(rollout.start() == .attach)
        #expect(rollout.take(.done) == .finish(isPromoted: true))
    }

    @Test("Doubt holds until the policy's timeout; with the policy 'rollback' it goes back at once")
    func doubt() {
        var policy = RolloutPolicy()
        for inconclusive in ObservePolicy.Inconclusive.allCases {
            policy.observe.onInconclusive = inconclusive
            var rollout = observing(policy)
            let expected: Rollout.Action = inconclusive == .hold ? .observe(Percent(whole: 10)) : .rollBack
            #expect(rollout.take(.judged(.inconclusive, isOverdue: false)) == expected)
            #expect(rollout.take(.judged(.inconclusive, isOverdue: true)) == .rollBack)
        }
    }

    @Test("After a failure nothing moves traffic again, whatever happens")
    func failureIsFinal() {
        var rollout = observing(RolloutPolicy())
        #expect(rollout.take(.judged(.fail, isOverdue: false)) == .rollBack)
        #expect(rollout.take(.judged(.pass, isOverdue: false)) == .rollBack)
        #expect(rollout.take(.broke) == .rollBack)
        #expect(rollout.take(.done) == .finish(isPromoted: false))
        #expect(rollout.take(.done) == .finish(isPromoted: false))
        #expect(rollout.weightMax == Percent(whole: 0))
    }

    @Test(
        "For any events: traffic grows only on a pass, promotion needs a pass at every weight, ends are final",
        arguments: 0..<500
    )
    func properties(seed: Int) {
        var random = SeededGenerator(seed: UInt64(seed))
        var policy = RolloutPolicy()
        let count = Int.random(in: 1...5, using: &random)
        policy.weights = (1..<count).map { Percent(whole: $0 * 15) } + [Percent(whole: 100)]
        policy.observe.onInconclusive = Bool.random(using: &random) ? .hold : .rollback
        let hasChampion = Bool.random(using: &random)
        var rollout = Rollout(policy, hasChampion: hasChampion)
        _ = rollout.start()
        var passes = 0
        for _ in 0..<60 {
            let before = rollout
            let events: [Rollout.Event] = [
                .done, .done, .judged(.pass, isOverdue: false), .judged(.pass, isOverdue: true),
                .judged(.fail, isOverdue: false),
                .judged(.inconclusive, isOverdue: Bool.random(using: &random)), .broke,
            ]
            let event = events[Int.random(in: 0..<events.count, using: &random)]
            let action = rollout.take(event)
            #expect(action == rollout.action)
            if case .observing = before.state, case .judged(.pass, _) = event { passes += 1 }
            switch before.state {
            case .promoted, .rolledBack: #expect(rollout == before)
            case .rollingBack: #expect(rollout.state == .rollingBack || rollout.state == .rolledBack)
            default: break
            }
            if case .shifting(let index) = rollout.state { #expect(passes >= index) }
            if rollout.state == .promoting || (rollout.state == .promoted && hasChampion) {
                #expect(passes == policy.weights.count)
            }
            if event == .broke {
                #expect(rollout.weightMax >= before.weightMax || rollout.state == .rolledBack)
            }
        }
    }

    private func observing(_ policy: RolloutPolicy) -> Rollout {
        var rollout = Rollout(policy, hasChampion: true)
        _ = rollout.start()
        _ = rollout.take(.done)
        _ = rollout.take(.done)
        return rollout
    }
}
