import Foundation
import SlipwayCore
import SlipwayTesting
import Testing

@Suite("Timestamp")
struct TimestampTests {
    @Test(
        "It reads as RFC 3339 in UTC, with milliseconds always",
        arguments: [
            (0, "1970-01-01T00:00:00.000Z"), (1, "1970-01-01T00:00:00.001Z"),
            (-1, "1969-12-31T23:59:59.999Z"),
            (-1000, "1969-12-31T23:59:59.000Z"), (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_769_860_800_000, "2026-01-31T12:00:00.000Z"), (1_769_860_800_001, "2026-01-31T12:00:00.001Z"),
            (1_769_860_799_999, "2026-01-31T11:59:59.999Z"),
            (253_402_300_799_999, "9999-12-31T23:59:59.999Z"),
        ] as [(Int64, String)]
    )
    func rfc3339(milliseconds: Int64, text: String) {
        #expect(Timestamp(milliseconds: milliseconds).description == text)
    }

    @Test("No millisecond of a second is lost on the way to text")
    func everyMillisecond() {
        for second in [0, 1_769_860_800, 4_102_444_799] as [Int64] {
            for milliseconds in 0..<1000 as Range<Int64> {
                let text = Timestamp(milliseconds: second * 1000 + milliseconds).description
                let expected = String(1000 + milliseconds).dropFirst()
                #expect(text.hasSuffix(".\(expected)Z"), "\(text)")
            }
        }
    }

    @Test("Text and Date give the same moment back, to the millisecond", arguments: 0..<5 as Range<UInt64>)
    func roundTrip(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        let style = Date.ISO8601FormatStyle(includingFractionalSeconds: true)
        for _ in 0..<200 {
            let moment = Timestamp(
                milliseconds: .random(in: -2_000_000_000_000...253_402_300_799_999, using: &random)
            )
            #expect(Timestamp(moment.date) == moment)
            #expect(
                Timestamp(try Date(moment.description, strategy: style)) == moment,
                "\(moment.milliseconds)"
            )
        }
    }

    @Test("A moment that no calendar reaches still has a text", arguments: [Int64.max, .min])
    func extremes(milliseconds: Int64) {
        #expect(!Timestamp(milliseconds: milliseconds).description.isEmpty)
    }

    @Test("In JSON it is its milliseconds, and a text is refused")
    func json() throws {
        for milliseconds in [0, -1, 1_769_860_800_001, .max, .min] as [Int64] {
            let moment = Timestamp(milliseconds: milliseconds)
            #expect(try JSONValue(encoding: moment) == .int(milliseconds))
            #expect(try JSONValue.int(milliseconds).decoded(as: Timestamp.self) == moment)
        }
        for value: JSONValue in ["2026-01-31T12:00:00.000Z", 1.5, nil, true] {
            #expect(throws: PlatformError.self) { try value.decoded(as: Timestamp.self) }
        }
    }

    @Test("Later is greater; a pause forward and its distance are one another's inverse")
    func arithmetic() {
        let start = Timestamp(milliseconds: 1_000)
        let later = start.advanced(by: .milliseconds(250))
        #expect(later.milliseconds == 1_250)
        #expect(start < later)
        #expect(later.since(start) == .milliseconds(250))
        #expect(start.since(later) == .milliseconds(-250))
        #expect(start.advanced(by: .seconds(-2)).milliseconds == -1_000)
    }

    @Test("At the ends of time arithmetic stops there instead of ending the program")
    func saturation() {
        let first = Timestamp(milliseconds: .min)
        let last = Timestamp(milliseconds: .max)
        #expect(last.advanced(by: .seconds(1)) == last)
        #expect(first.advanced(by: .seconds(-1)) == first)
        #expect(last.since(first) > .milliseconds(Int64.max))
        #expect(last.since(first).milliseconds == .max)
        #expect(first.since(last).milliseconds == .min)
        #expect(Duration.seconds(Int64.max).milliseconds == .max)
        #expect(Duration.seconds(Int64.min).milliseconds == .min)
    }

    @Test("A duration counts whole milliseconds toward zero, and seconds with their fraction")
    func durations() {
        #expect(Duration.seconds(1.5).milliseconds == 1_500)
        #expect(Duration.microseconds(1_999).milliseconds == 1)
        #expect(Duration.microseconds(-1_999).milliseconds == -1)
        #expect(Duration.zero.milliseconds == 0)
        #expect(Duration.milliseconds(1_250).seconds == 1.25)
        #expect(Duration.milliseconds(-1_250).seconds == -1.25)
    }

    @Test("A clock tells the time it was given")
    func clock() {
        let moment = Timestamp(milliseconds: 42)
        #expect(WallClock { moment }.now == moment)
    }
}
