import SlipwayInference
import SlipwayTesting
import Testing

@testable import SlipwayInferenceServer

@Suite("Life of a version")
struct VersionLifecycleTests {
    private enum Event: CaseIterable { case load, loadOther, loadEnds, loadFails, unload, drainEnds }

    @Test("However commands and their ends come, what serves is what was opened and not unloaded", arguments: 0..<200)
    func property(seed: Int) {
        var random = SeededGenerator(seed: UInt64(seed))
        var lifecycle = VersionLifecycle()
        // What the world looks like: sessions that serve, an opening under way, a drain under way.
        var (serves, opens, drains) = (false, false, false)
        for step in 0..<300 {
            let event = Event.allCases[Int(random.next() % UInt64(Event.allCases.count))]
            let busy = opens || drains
            switch event {
            case .load, .loadOther:
                let action = lifecycle.load(isSame: event == .load)
                let expected: VersionLifecycle.Action = busy ? .wait : serves && event == .load ? .none : .open
                #expect(action == expected, "seed \(seed), step \(step)")
                if action == .open { opens = true }
            case .loadEnds where opens:
                lifecycle.opened()
                (opens, serves) = (false, true)
            case .loadFails where opens:
                lifecycle.failed("because")
                opens = false
                if !serves { #expect(lifecycle.served.reason == "because", "seed \(seed), step \(step)") }
            case .unload:
                let action = lifecycle.unload()
                let expected: VersionLifecycle.Action = busy ? .wait : serves ? .drain : .none
                #expect(action == expected, "seed \(seed), step \(step)")
                if action == .drain { (drains, serves) = (true, false) }
            case .drainEnds where drains:
                lifecycle.drained()
                drains = false
            default: continue
            }
            // Ready is said exactly while something serves: also while its successor is opened.
            #expect((lifecycle.served.0 == .ready) == serves, "seed \(seed), step \(step)")
            #expect((lifecycle.served.0 == .unloading) == drains, "seed \(seed), step \(step)")
            #expect((lifecycle.served.0 == .loading) == (opens && !serves), "seed \(seed), step \(step)")
        }
    }
}
