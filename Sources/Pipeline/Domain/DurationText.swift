import Foundation
import SlipwayCore

/// Durations as files write them: `250ms`, `3s`, `10m`, `1h`, `1.5s`.
enum DurationText {
    private static let units: [(suffix: String, milliseconds: Double)] = [
        ("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000),
    ]

    /// `nil` when the text is no duration, or a negative one.
    static func parse(_ text: String) -> Duration? {
        let digits = text.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
        let suffix = text.dropFirst(digits.count)
        guard let unit = units.first(where: { $0.suffix == suffix }), let number = Double(digits),
            number.isFinite,
            number * unit.milliseconds <= Double(PipelineLimits.durationMax.milliseconds)
        else { return nil }
        return .milliseconds(Int64((number * unit.milliseconds).rounded()))
    }

    static func text(_ duration: Duration) -> String {
        let milliseconds = duration.milliseconds
        for unit in units.reversed() where unit.suffix != "ms" {
            let size = Int64(unit.milliseconds)
            if milliseconds >= size, milliseconds % size == 0 {
                return "\(milliseconds / size)\(unit.suffix)"
            }
        }
        return "\(milliseconds)ms"
    }
}

/// A number for a person: at most five significant digits.
func readable(_ value: Double) -> String {
    guard value.isFinite else { return value.isNaN ? "NaN" : (value > 0 ? "inf" : "-inf") }
    return String(format: "%.5g", value)
}
