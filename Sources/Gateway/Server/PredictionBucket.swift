import Foundation

/// Where a prediction is counted: a closed set, so that counting is one addition.
///
/// Whole numbers from 0 to 63 and Booleans are their own label. Scores between 0 and 1 fall into ten
/// bins; any other number into one for its sign and power of ten, coarse but the same for every version,
/// so that two of them can be compared.
struct PredictionBucket: Equatable {
    static let labelCount = 64
    private static let scoreStart = labelCount
    private static let scoreCount = 10
    private static let powers = -3...9
    private static let positiveStart = scoreStart + scoreCount
    private static let negativeStart = positiveStart + powers.count
    private static let nonFiniteIndex = negativeStart + powers.count
    static let count = nonFiniteIndex + 1
    static let otherName = "other"

    let index: Int

    init(index: Int) {
        self.index = index
    }

    /// `nil` when the number is not between 0 and 63.
    init?(label: Int64) {
        guard label >= 0, label < Self.labelCount else { return nil }
        index = Int(label)
    }

    init(score: Double) {
        guard score.isFinite else {
            index = Self.nonFiniteIndex
            return
        }
        if score >= 0, score <= 1 {
            index = Self.scoreStart + min(Int(score * Double(Self.scoreCount)), Self.scoreCount - 1)
            return
        }
        let power = Int(log10(abs(score)).rounded(.down))
        let offset = min(max(power, Self.powers.lowerBound), Self.powers.upperBound) - Self.powers.lowerBound
        index = (score > 0 ? Self.positiveStart : Self.negativeStart) + offset
    }

    /// `3` for a label, `0.9..1` for a score, `-1e2..` for a number of that sign and size.
    var name: String {
        switch index {
        case ..<Self.labelCount: "\(index)"
        case ..<Self.positiveStart: Self.scoreNames[index - Self.scoreStart]
        case ..<Self.negativeStart: "1e\(Self.powers.lowerBound + index - Self.positiveStart).."
        case ..<Self.nonFiniteIndex: "-1e\(Self.powers.lowerBound + index - Self.negativeStart).."
        default: "non-finite"
        }
    }

    private static let scoreNames = (0..<scoreCount).map { bin in
        bin == scoreCount - 1 ? "0.9..1" : "0.\(bin)..0.\(bin + 1)"
    }
}
