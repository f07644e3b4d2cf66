import SlipwayCore
import Testing

@Suite("Verdict")
struct VerdictTests {
    @Test("No check at all is inconclusive, never a pass")
    func nothingIsInconclusive() {
        #expect(Verdict.all([]) == .inconclusive)
    }

    @Test("One failure fails; one doubt holds; only passes pass")
    func worstWins() {
        #expect(Verdict.all([.pass, .inconclusive, .fail]) == .fail)
        #expect(Verdict.all([.pass, .inconclusive]) == .inconclusive)
        #expect(Verdict.all([.pass, .pass]) == .pass)
    }
}
