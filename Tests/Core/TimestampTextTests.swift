import SlipwayCore
import SlipwayTesting
import Testing

@Suite("Timestamp from text")
struct TimestampTextTests {
    @Test("RFC 3339 with any offset and fraction, and milliseconds, are read", arguments: [
        ("1970-01-01T00:00:00Z", 0), ("1970-01-01t00:00:00.001z", 1), ("2026-01-31T12:00:00Z", 1_769_860_800_000),
        ("2026-01-31T12:00:00.123Z", 1_769_860_800_123), ("2026-01-31T12:00:00.1239999Z", 1_769_860_800_123),
        ("2026-01-31T12:00:00.5Z", 1_769_860_800_500), ("2026-01-31 21:00:00+09:00", 1_769_860_800_000),
        ("2026-01-31T06:30:00-05:30", 1_769_860_800_000), ("2000-02-29T00:00:00Z", 951_782_400_000),
        ("1969-12-31T23:59:59.999Z", -1), ("0000-01-01T00:00:00Z", -62_167_219_200_000),
        ("9999-12-31T23:59:59.999Z", 253_402_300_799_999), ("1769860800000", 1_769_860_800_000), ("0", 0), ("-5", -5),
    ] as [(String, Int64)])
    func read(text: String, milliseconds: Int64) throws {
        #expect(try Timestamp(text).milliseconds == milliseconds)
    }

    @Test("Whatever moment is written comes back the same")
    func roundTrip() throws {
        var random = SeededGenerator(seed: 3)
        for _ in 0..<2_000 {
            // From 1582-10-15: what is older is written in the Julian calendar.
            let moment = Timestamp(milliseconds: .random(in: -12_219_292_800_000...253_402_300_799_999, using: &random))
            #expect(try Timestamp(moment.description) == moment)
        }
    }

    @Test("Anything else is refused with the way to write it", arguments: [
        "", "yesterday", "2026-01-31", "2026-01-31T12:00:00", "2026-01-31T12:00Z", "2026-02-29T00:00:00Z", "1900-02-29T00:00:00Z",
        "2026-13-01T00:00:00Z", "2026-00-01T00:00:00Z", "2026-01-00T00:00:00Z", "2026-04-31T00:00:00Z", "2026-01-31T24:00:00Z",
        "2026-01-31T12:60:00Z", "2026-01-31T12:00:60Z", "2026-01-31T12:00:00.Z", "2026-01-31T12:00:00+9:00", "2026-01-31T12:00:00+0900",
        "2026-01-31T12:00:00+24:00", "2026-01-31T12:00:00Zx", "2026-01-31T12:00:00+09:00x", "99999999999999999999", "1.5", "２０２６-01-31T12:00:00Z",
        "2026-01-31T12:00:00.0000000000000000000000000000000000000000000000000000000000Z",
    ])
    func refused(text: String) {
        let error = #expect(throws: PlatformError.self) { try Timestamp(text) }
        #expect(error?.code == .invalidArgument)
        #expect(error?.remedy?.contains("2026-01-31T12:00:00Z") == true)
    }
}
