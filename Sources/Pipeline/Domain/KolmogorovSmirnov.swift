import Foundation

/// The two-sample Kolmogorov–Smirnov test.
public struct KolmogorovSmirnov: Sendable, Hashable {
    /// The largest distance between the two empirical distributions, 0 to 1.
    public let statistic: Double
    /// The asymptotic chance of such a distance between samples of one distribution.
    public let pValue: Double

    /// - Parameters: Both sorted, without NaN, not empty.
    public init?(_ left: [Double], _ right: [Double]) {
        guard !left.isEmpty, !right.isEmpty else { return nil }
        var distance = 0.0
        var leftIndex = 0
        var rightIndex = 0
        while leftIndex < left.count, rightIndex < right.count {
            let value = min(left[leftIndex], right[rightIndex])
            while leftIndex < left.count, left[leftIndex] <= value { leftIndex += 1 }
            while rightIndex < right.count, right[rightIndex] <= value { rightIndex += 1 }
            let gap = Double(leftIndex) / Double(left.count) - Double(rightIndex) / Double(right.count)
            distance = max(distance, abs(gap))
        }
        statistic = distance
        let size = Double(left.count) * Double(right.count) / Double(left.count + right.count)
        pValue = Self.survival(distance * size.squareRoot())
    }

    /// How many terms of the series are summed; the rest is below 1e-16 for every x above 0.2.
    private static let termsMax = 100

    /// The Kolmogorov distribution's tail, Q(x) = 2 Σ (-1)^(k-1) e^(-2 k² x²).
    private static func survival(_ x: Double) -> Double {
        guard x > 0.2 else { return 1 }
        var sum = 0.0
        for term in 1...termsMax {
            let part = exp(-2 * Double(term * term) * x * x)
            sum += term.isMultiple(of: 2) ? -part : part
            if part < 1e-17 { break }
        }
        return min(max(2 * sum, 0), 1)
    }
}

/// The population stability index of two counts by category: 0 is equal, above 0.25 is commonly called a
/// shift.
public enum PopulationStability {
    /// An absent category counts as this share, so that the logarithm stays finite.
    private static let shareFloor = 1e-4

    /// `nil` when one side has no rows.
    public static func index(_ left: [String: Int], _ right: [String: Int]) -> Double? {
        let leftSum = left.values.reduce(0, +)
        let rightSum = right.values.reduce(0, +)
        guard leftSum > 0, rightSum > 0 else { return nil }
        return Set(left.keys).union(right.keys).sorted().reduce(0) { sum, key in
            let before = max(Double(left[key, default: 0]) / Double(leftSum), shareFloor)
            let after = max(Double(right[key, default: 0]) / Double(rightSum), shareFloor)
            return sum + (after - before) * log(after / before)
        }
    }
}
