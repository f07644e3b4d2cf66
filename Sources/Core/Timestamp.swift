public import Foundation

/// A moment in milliseconds since 1970, UTC: what MLflow, Slack and our own files exchange.
public struct Timestamp: Hashable, Sendable, Codable, Comparable, CustomStringConvertible {
    public let milliseconds: Int64

    public init(milliseconds: Int64) {
        self.milliseconds = milliseconds
    }

    public init(_ date: Date) {
        self.milliseconds = Int64((date.timeIntervalSince1970 * 1000).rounded())
    }

    public init(from decoder: any Decoder) throws {
        self.milliseconds = try decoder.singleValueContainer().decode(Int64.self)
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(milliseconds)
    }

    public var date: Date { Date(timeIntervalSince1970: Double(milliseconds) / 1000) }

    /// RFC 3339 with milliseconds, UTC: `2026-01-31T12:00:00.000Z`.
    public var description: String {
        // Only whole seconds go through `Date`: formatting its fraction cuts a millisecond off half the time.
        let (quotient, remainder) = milliseconds.quotientAndRemainder(dividingBy: 1000)
        let (seconds, fraction) = remainder < 0 ? (quotient - 1, remainder + 1000) : (quotient, remainder)
        let text = Date(timeIntervalSince1970: Double(seconds)).formatted(.iso8601)
        return "\(text.dropLast()).\(String(1000 + fraction).dropFirst())Z"
    }

    public static func < (left: Self, right: Self) -> Bool { left.milliseconds < right.milliseconds }

    /// Stops at the first and the last moment that can be written: a stored or sent time may be any number.
    public func advanced(by duration: Duration) -> Timestamp {
        let step = duration.milliseconds
        let (sum, isBeyond) = milliseconds.addingReportingOverflow(step)
        return Timestamp(milliseconds: isBeyond ? (step < 0 ? .min : .max) : sum)
    }

    /// How long after `earlier` this is.
    public func since(_ earlier: Timestamp) -> Duration {
        .milliseconds(milliseconds) - .milliseconds(earlier.milliseconds)
    }
}

/// Where the time of day comes from; a test passes its own.
public struct WallClock: Sendable {
    private let read: @Sendable () -> Timestamp

    public init(_ read: @escaping @Sendable () -> Timestamp) {
        self.read = read
    }

    public var now: Timestamp { read() }

    public static let system = WallClock { Timestamp(Date()) }
}

extension Duration {
    /// Whole milliseconds, cut toward zero; the nearest `Int64` for what is longer than that can say.
    public var milliseconds: Int64 {
        let (seconds, attoseconds) = components
        let (whole, isBeyond) = seconds.multipliedReportingOverflow(by: 1000)
        let (sum, isSumBeyond) = whole.addingReportingOverflow(attoseconds / 1_000_000_000_000_000)
        return isBeyond || isSumBeyond ? (seconds < 0 ? .min : .max) : sum
    }

    public var seconds: Double {
        let (seconds, attoseconds) = components
        return Double(seconds) + Double(attoseconds) / 1e18
    }
}
