import Foundation
import SlipwayCore
import SlipwayRelease
import Testing

@Suite("Weight")
struct WeightTests {
    @Test("Shares from 0 to 100 with two decimals are exact, and written as short as they can be", arguments: [
        (0.0, 0, "0"), (100, 10_000, "100"), (10, 1000, "10"), (0.5, 50, "0.5"), (0.05, 5, "0.05"), (33.33, 3333, "33.33"),
        (0.07, 7, "0.07"), (99.99, 9999, "99.99"),
    ])
    func percent(percent: Double, hundredths: Int, text: String) throws {
        let weight = try Weight(percent: percent)
        #expect(weight.hundredths == hundredths)
        #expect(weight.description == text)
        #expect(weight.rest.hundredths == 10_000 - hundredths)
    }

    @Test("Every weight is read back from its text")
    func everyWeight() throws {
        for hundredths in 0...10_000 {
            let weight = try Weight(hundredths: hundredths)
            guard let percent = Double(weight.description), try Weight(percent: percent) == weight else {
                Issue.record("\(weight) is not read back")
                return
            }
        }
    }

    @Test("What is no share is refused", arguments: [-0.01, 100.01, 0.001, .nan, .infinity, -.infinity, 1e300])
    func refused(percent: Double) {
        #expect(throws: PlatformError.self) { try Weight(percent: percent) }
    }

    @Test("A stored weight is checked as well", arguments: ["-1", "10001"])
    func decoded(text: String) {
        #expect(throws: (any Error).self) { try JSONDecoder().decode(Weight.self, from: Data(text.utf8)) }
    }
}
