extension Timestamp {
    private static let textBytesMax = 64

    /// Reads a moment as people and programs write it: RFC 3339 with any offset
    /// (`2026-01-31T12:00:00Z`, `2026-01-31 21:00:00.5+09:00`), or whole milliseconds since 1970.
    ///
    /// Digits behind the millisecond are cut off.
    ///
    /// - Throws: `invalid_argument` for anything else, a day that does not exist among it.
    public init(_ text: String) throws(PlatformError) {
        if let milliseconds = Int64(text) {
            self.init(milliseconds: milliseconds)
            return
        }
        guard text.utf8.count <= Self.textBytesMax, let milliseconds = Self.rfc3339(Array(text.utf8)) else {
            throw PlatformError(
                .invalidArgument,
                "'\(text.prefix(Self.textBytesMax))' is not a moment",
                remedy: "write it as 2026-01-31T12:00:00Z, with any offset, or as milliseconds since 1970"
            )
        }
        self.init(milliseconds: milliseconds)
    }

    /// Milliseconds since 1970; `nil` when the text has another form.
    private static func rfc3339(_ bytes: [UInt8]) -> Int64? {
        func number(_ start: Int, _ count: Int, in range: ClosedRange<Int64>) -> Int64? {
            guard start + count <= bytes.count else { return nil }
            var value: Int64 = 0
            for byte in bytes[start..<(start + count)] {
                guard isDigit(byte) else { return nil }
                value = value * 10 + Int64(byte - UInt8(ascii: "0"))
            }
            return range.contains(value) ? value : nil
        }
        func has(_ place: Int, _ letters: String) -> Bool { place < bytes.count && letters.utf8.contains(bytes[place]) }

        guard let year = number(0, 4, in: 0...9999), has(4, "-"), let month = number(5, 2, in: 1...12), has(7, "-"),
            let day = number(8, 2, in: 1...daysIn(month: month, year: year)), has(10, "Tt "),
            let hour = number(11, 2, in: 0...23), has(13, ":"), let minute = number(14, 2, in: 0...59), has(16, ":"),
            let second = number(17, 2, in: 0...59)
        else { return nil }
        var place = 19
        var fraction: Int64 = 0
        if has(place, ".") {
            place += 1
            var unit: Int64 = 100
            let start = place
            while place < bytes.count, isDigit(bytes[place]) {
                fraction += Int64(bytes[place] - UInt8(ascii: "0")) * unit
                unit /= 10
                place += 1
            }
            guard place > start else { return nil }
        }
        var offsetMinutes: Int64 = 0
        if has(place, "Zz") {
            place += 1
        } else {
            guard has(place, "+-"), let hours = number(place + 1, 2, in: 0...23), has(place + 3, ":"),
                let minutes = number(place + 4, 2, in: 0...59)
            else { return nil }
            offsetMinutes = (hours * 60 + minutes) * (has(place, "-") ? -1 : 1)
            place += 6
        }
        guard place == bytes.count else { return nil }
        let seconds = ((days(year: year, month: month, day: day) * 24 + hour) * 60 + minute - offsetMinutes) * 60 + second
        return seconds * 1000 + fraction
    }

    private static func isDigit(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
    }

    private static func isLeap(_ year: Int64) -> Bool {
        year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
    }

    private static func daysIn(month: Int64, year: Int64) -> Int64 {
        switch month {
        case 2: isLeap(year) ? 29 : 28
        case 4, 6, 9, 11: 30
        default: 31
        }
    }

    /// Days from 1970-01-01, in the Gregorian calendar whatever the year.
    private static func days(year: Int64, month: Int64, day: Int64) -> Int64 {
        // Leap days in the years 0 to `year` - 1; the year 0 is one of them.
        func leapDays(before year: Int64) -> Int64 {
            guard year > 0 else { return 0 }
            let last = year - 1
            return last / 4 - last / 100 + last / 400 + 1
        }
        let wholeYears = (year - 1970) * 365 + leapDays(before: year) - leapDays(before: 1970)
        let wholeMonths = (1..<month).reduce(0 as Int64) { $0 + daysIn(month: $1, year: year) }
        return wholeYears + wholeMonths + day - 1
    }
}
