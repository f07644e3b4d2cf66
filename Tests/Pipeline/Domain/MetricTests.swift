import SlipwayCore
import Testing

@testable import SlipwayPipeline

@Suite("Metrics")
struct MetricTests {
    // The values are those that scikit-learn 1.x computes for the same rows.
    private let truth: [Double] = [0, 0, 1, 1, 1, 0]
    private let scores: [Double] = [0.1, 0.4, 0.35, 0.8, 0.4, 0.6]

    @Test("Two columns, one column and classes give scikit-learn's values")
    func known() throws {
        let one = try Scores(rows: 6, columns: 1, elements: scores, areClasses: false)
        let two = try Scores(
            rows: 6,
            columns: 2,
            elements: scores.flatMap { [1 - $0, $0] },
            areClasses: false
        )
        for matrix in [one, two] {
            try expect(.auc, 0.611_111_11, matrix)
            try expect(.accuracy, 0.5, matrix)
            try expect(.f1, 0.4, matrix)
            try expect(.logloss, 0.620_288_88, matrix)
        }
        let classes = try Scores(rows: 6, columns: 1, elements: [0, 1, 1, 1, 0, 0], areClasses: true)
        try expect(.accuracy, 4.0 / 6, classes)
        try expect(.f1, 4.0 / 6, classes)
        #expect(throws: PlatformError.self) { try QualityMetric.logloss.value(truth: truth, scores: classes) }
    }

    @Test("Regression: root mean square and mean absolute error")
    func regression() throws {
        let scores = try Scores(rows: 4, columns: 1, elements: [2.5, 0, 2, 8], areClasses: false)
        let truth: [Double] = [3, -0.5, 2, 7]
        #expect(abs(try QualityMetric.rmse.value(truth: truth, scores: scores) - 0.612_372_436) < 1e-8)
        #expect(try QualityMetric.mae.value(truth: truth, scores: scores) == 0.5)
    }

    @Test("Several classes: the largest score wins, and two-class metrics are refused")
    func severalClasses() throws {
        let scores = try Scores(
            rows: 2,
            columns: 3,
            elements: [0.2, 0.5, 0.3, 0.1, 0.1, 0.8],
            areClasses: false
        )
        #expect(try QualityMetric.accuracy.value(truth: [1, 0], scores: scores) == 0.5)
        #expect(abs(try QualityMetric.logloss.value(truth: [1, 2], scores: scores) - 0.458_145_4) < 1e-6)
        #expect(throws: PlatformError.self) { try QualityMetric.auc.value(truth: [1, 0], scores: scores) }
        #expect(throws: PlatformError.self) { try QualityMetric.f1.value(truth: [2, 0], scores: scores) }
        #expect(throws: PlatformError.self) { try QualityMetric.rmse.value(truth: [2, 0], scores: scores) }
        #expect(throws: PlatformError.self) {
            try QualityMetric.logloss.value(truth: [7, 0], scores: scores)
        }
    }

    @Test("NaN scores never look good, and rows must match")
    func notNumbers() throws {
        let scores = try Scores(rows: 2, columns: 1, elements: [.nan, 0.9], areClasses: false)
        #expect(try QualityMetric.auc.value(truth: [0, 1], scores: scores).isNaN)
        #expect(try QualityMetric.logloss.value(truth: [0, 1], scores: scores).isNaN)
        #expect(try QualityMetric.accuracy.value(truth: [0, 1], scores: scores) == 0.5)
        #expect(throws: PlatformError.self) { try QualityMetric.auc.value(truth: [0, 1, 1], scores: scores) }
        #expect(throws: PlatformError.self) { try QualityMetric.auc.value(truth: [1, 1], scores: scores) }
        #expect(throws: PlatformError.self) {
            try Scores(rows: 2, columns: 2, elements: [1], areClasses: false)
        }
    }

    private func expect(_ metric: QualityMetric, _ value: Double, _ scores: Scores) throws {
        let found = try metric.value(truth: truth, scores: scores)
        #expect(abs(found - value) < 1e-7, "\(metric) \(found)")
    }
}
