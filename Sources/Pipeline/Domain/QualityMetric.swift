import Foundation
public import SlipwayCore

/// How good a model is on rows whose truth is known.
public enum QualityMetric: String, Sendable, Hashable, Codable, CaseIterable {
    case accuracy
    /// Area under the ROC curve; two classes.
    case auc
    case logloss
    /// Of class 1; two classes.
    case f1
    case rmse
    case mae

    public var isHigherBetter: Bool {
        switch self {
        case .accuracy, .auc, .f1: true
        case .logloss, .rmse, .mae: false
        }
    }

    /// - Parameter truth: One a row: the class's number for a classifier, the value for a regression.
    /// - Throws: `invalid_argument` when the metric has no meaning for these scores.
    public func value(truth: [Double], scores: Scores) throws(PlatformError) -> Double {
        guard truth.count == scores.rows, scores.rows > 0 else {
            throw PlatformError(
                .invalidArgument,
                "metric '\(rawValue)' needs a score for each of \(truth.count) rows, not \(scores.rows)"
            )
        }
        switch self {
        case .accuracy:
            let classes = try scores.classes(metric: self)
            return Double(zip(truth, classes).count { $0 == $1 }) / Double(truth.count)
        case .f1: return try f1(truth, try scores.classes(metric: self))
        case .auc: return try auc(try binary(truth), try scores.positive(metric: self))
        case .logloss: return try logloss(truth, scores)
        case .rmse:
            let values = try scores.values(metric: self)
            return (zip(truth, values).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) } / Double(truth.count))
                .squareRoot()
        case .mae:
            let values = try scores.values(metric: self)
            return zip(truth, values).reduce(0) { $0 + abs($1.0 - $1.1) } / Double(truth.count)
        }
    }

    private func binary(_ truth: [Double]) throws(PlatformError) -> [Bool] {
        guard truth.allSatisfy({ $0 == 0 || $0 == 1 }) else {
            throw PlatformError(.invalidArgument, "metric '\(rawValue)' needs labels that are 0 or 1")
        }
        return truth.map { $0 == 1 }
    }

    private func f1(_ truth: [Double], _ classes: [Double]) throws(PlatformError) -> Double {
        let truth = try binary(truth)
        let predicted = classes.map { $0 == 1 }
        let hits = zip(truth, predicted).count { $0 && $1 }
        let wrong = zip(truth, predicted).count { $0 != $1 }
        guard hits + wrong > 0 else { return 0 }
        return 2 * Double(hits) / Double(2 * hits + wrong)
    }

    /// The chance that a positive row scores higher than a negative one; a tie counts half.
    private func auc(_ truth: [Bool], _ scores: [Double]) throws(PlatformError) -> Double {
        let positives = truth.count { $0 }
        let negatives = truth.count - positives
        guard positives > 0, negatives > 0 else {
            throw PlatformError(.invalidArgument, "metric 'auc' needs rows of both classes")
        }
        guard scores.allSatisfy({ !$0.isNaN }) else { return .nan }
        let order = scores.indices.sorted { scores[$0] < scores[$1] }
        var rankSum = 0.0
        var index = 0
        while index < order.count {
            var end = index
            while end < order.count, scores[order[end]] == scores[order[index]] { end += 1 }
            let rank = Double(index + end + 1) / 2
            rankSum += rank * Double(order[index..<end].count { truth[$0] })
            index = end
        }
        return (rankSum - Double(positives) * Double(positives + 1) / 2)
            / (Double(positives) * Double(negatives))
    }

    /// Probabilities are kept this far from 0 and 1, so that one wrong certainty is large and not infinite.
    private static let probabilityFloor = 1e-15

    private func logloss(_ truth: [Double], _ scores: Scores) throws(PlatformError) -> Double {
        let matrix = try scores.probabilities(metric: self)
        var sum = 0.0
        for (row, label) in truth.enumerated() {
            guard let column = Int(exactly: label), matrix[row].indices.contains(column) else {
                throw PlatformError(
                    .invalidArgument,
                    "metric 'logloss' has no score for label \(readable(label))"
                )
            }
            guard !matrix[row][column].isNaN else { return .nan }
            sum -= log(min(max(matrix[row][column], Self.probabilityFloor), 1 - Self.probabilityFloor))
        }
        return sum / Double(truth.count)
    }
}

/// What a graph answered for some rows: a score a class, one score, or the class itself.
public struct Scores: Sendable, Hashable {
    public let rows: Int
    public let columns: Int
    /// Row by row.
    public let elements: [Double]
    /// Whether the elements are class numbers, as from an integer output.
    public let areClasses: Bool

    public init(rows: Int, columns: Int, elements: [Double], areClasses: Bool) throws(PlatformError) {
        guard rows >= 0, columns > 0, elements.count == rows * columns else {
            throw PlatformError(
                .invalidArgument,
                "\(elements.count) scores are not \(rows) rows of \(columns)"
            )
        }
        self.rows = rows
        self.columns = columns
        self.elements = elements
        self.areClasses = areClasses
    }

    /// The class of each row: the largest of several scores, or one probability against a half.
    func classes(metric: QualityMetric) throws(PlatformError) -> [Double] {
        if columns == 1 {
            return areClasses ? elements : elements.map { $0.isNaN ? .nan : ($0 >= 0.5 ? 1 : 0) }
        }
        return (0..<rows).map { row in
            let slice = elements[row * columns..<(row + 1) * columns]
            guard !slice.contains(where: \.isNaN) else { return .nan }
            let best = slice.indices.max { slice[$0] < slice[$1] } ?? slice.startIndex
            return Double(best - slice.startIndex)
        }
    }

    /// The score of class 1.
    func positive(metric: QualityMetric) throws(PlatformError) -> [Double] {
        guard columns <= 2 else { throw unfit(metric, "two classes; there are \(columns)") }
        return (0..<rows).map { elements[$0 * columns + columns - 1] }
    }

    func probabilities(metric: QualityMetric) throws(PlatformError) -> [[Double]] {
        guard !areClasses else { throw unfit(metric, "probabilities; the output holds classes") }
        return (0..<rows).map { row in
            if columns == 1 { return [1 - elements[row], elements[row]] }
            return Array(elements[row * columns..<(row + 1) * columns])
        }
    }

    func values(metric: QualityMetric) throws(PlatformError) -> [Double] {
        guard columns == 1 else { throw unfit(metric, "one value a row; there are \(columns)") }
        return elements
    }

    private func unfit(_ metric: QualityMetric, _ needs: String) -> PlatformError {
        PlatformError(
            .invalidArgument,
            "metric '\(metric.rawValue)' needs \(needs)",
            remedy: "name another output under gates.evaluate.output, or another metric"
        )
    }
}
