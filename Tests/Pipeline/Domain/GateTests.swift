import SlipwayCore
import SlipwayTesting
import Testing

@testable import SlipwayPipeline

@Suite("Gates")
struct GateTests {
    @Test("Bounds: on the bound passes, beyond it fails, unknown holds; the line has both numbers")
    func bounds() {
        let gate = BoundsGate([.accuracy: MetricBounds(min: 0.9), .logloss: MetricBounds(max: 0.4)])
        #expect(gate.judge([.accuracy: 0.9, .logloss: 0.4]).verdict == .pass)
        let failed = gate.judge([.accuracy: 0.89, .logloss: 0.4])
        #expect(failed.verdict == .fail)
        #expect(failed.lines.first == "fail: accuracy 0.89, wanted at least 0.9")
        #expect(gate.judge([.accuracy: 0.95]).verdict == .inconclusive)
        #expect(gate.judge([.accuracy: .nan, .logloss: 0.1]).verdict == .fail)
        #expect(BoundsGate([:]).judge([:]).verdict == .inconclusive)
    }

    @Test("Champion: the direction is the metric's, the allowed loss included")
    func champion() {
        let auc = ChampionGate(ChampionPolicy(metric: .auc, deltaMin: -0.002))
        #expect(auc.judge(candidate: 0.99, champion: 0.98).verdict == .pass)
        #expect(auc.judge(candidate: 0.979, champion: 0.98).verdict == .pass)
        #expect(auc.judge(candidate: 0.97, champion: 0.98).verdict == .fail)
        #expect(auc.judge(candidate: .nan, champion: 0.98).verdict == .fail)
        #expect(auc.judge(candidate: 0.9, champion: nil).verdict == .inconclusive)
        let loss = ChampionGate(ChampionPolicy(metric: .logloss, deltaMin: 0.1))
        #expect(loss.judge(candidate: 0.2, champion: 0.4).verdict == .pass)
        #expect(loss.judge(candidate: 0.35, champion: 0.4).verdict == .fail)
    }

    @Test("Kolmogorov–Smirnov equals SciPy's statistic and kstwobign tail, ties and unequal sizes included")
    func kolmogorovSmirnov() throws {
        let left = (0..<10).map(Double.init)
        let test = try #require(KolmogorovSmirnov(left, left.map { $0 + 3 }))
        #expect(abs(test.statistic - 0.3) < 1e-12)
        let equal = try #require(KolmogorovSmirnov(left, left))
        #expect(equal.statistic == 0 && equal.pValue == 1)
        let apart = try #require(KolmogorovSmirnov(left, left.map { $0 + 100 }))
        #expect(apart.statistic == 1 && abs(apart.pValue - 9.08e-5) < 1e-6)
        let ties = try #require(KolmogorovSmirnov([1, 1, 1, 2], [1, 2, 2, 2, 2]))
        #expect(abs(ties.statistic - 0.55) < 1e-12)
        #expect(KolmogorovSmirnov([], [1]) == nil)
        // Q(1.36) is the well-known 5 % point.
        let size = 1_000
        let shifted = try #require(
            KolmogorovSmirnov((0..<size).map(Double.init), (0..<size).map { Double($0) + 61 })
        )
        #expect(abs(shifted.pValue - 0.0484) < 0.002)
    }

    @Test("Stability index: equal is 0, and a category that vanishes is a shift")
    func stability() throws {
        #expect(PopulationStability.index(["a": 5, "b": 5], ["a": 50, "b": 50]) == 0)
        #expect(try #require(PopulationStability.index(["a": 5, "b": 5], ["a": 10])) > 0.25)
        #expect(PopulationStability.index([:], ["a": 1]) == nil)
    }

    @Test("Drift: same data passes, a moved column or a changed schema fails, no rows hold")
    func drift() throws {
        let gate = DriftGate(DriftPolicy())
        let base = try profile(
            "x,c\n" + (0..<200).map { "\($0),\($0 % 2 == 0 ? "a" : "b")" }.joined(separator: "\n")
        )
        #expect(gate.judge(new: base, champion: base).verdict == .pass)
        let moved = try profile(
            "x,c\n" + (0..<200).map { "\($0 + 150),\($0 % 2 == 0 ? "a" : "b")" }.joined(separator: "\n")
        )
        let report = gate.judge(new: moved, champion: base)
        #expect(report.verdict == .fail)
        #expect(report.lines[0].contains("2 columns compared, 1 drifted"))
        #expect(report.lines[1].contains("column 'x' KS 0.75") && report.lines[1].contains("allowed 0.35"))
        let categories = try profile("x,c\n" + (0..<200).map { "\($0),a" }.joined(separator: "\n"))
        #expect(gate.judge(new: categories, champion: base).verdict == .fail)
        #expect(gate.judge(new: try profile("x\n1\n2"), champion: base).verdict == .fail)
        #expect(gate.judge(new: try profile("x,c,d\n1,a,3"), champion: base).verdict == .fail)
        #expect(
            gate.judge(new: try profile("x,c\nq,a"), champion: base).lines[1].contains("numbers to texts")
        )
        let empty = try profile("x,c\n")
        #expect(gate.judge(new: empty, champion: empty).verdict == .inconclusive)
    }

    @Test("Infinities are in a profile as the numbers at the ends, and can be read back")
    func infinities() throws {
        let profile = try profile("x\n1\ninf\n-inf\n1e400\n")
        #expect(profile.columns[0].sample == [-.greatestFiniteMagnitude, 1, .greatestFiniteMagnitude, .greatestFiniteMagnitude])
        #expect(try Profile(json: profile.json()) == profile)
    }

    @Test("A profile of many rows keeps a bounded sample that drift cannot tell from all of them")
    func profileSize() throws {
        var random = SeededGenerator(seed: 4)
        let rows = (0..<5_000).map { _ in
            "\(Double.random(in: 0..<1, using: &random)),\(Int.random(in: 0..<1_000, using: &random))x"
        }
        let profile = try profile("x,c\n" + rows.joined(separator: "\n"))
        #expect(profile.columns[0].sample?.count == PipelineLimits.profileSampleMax)
        #expect(profile.columns[1].categories?.count == PipelineLimits.profileCategoriesMax + 1)
        #expect(profile.columns[1].categories?.values.reduce(0, +) == 5_000)
        #expect(try Profile(json: profile.json()) == profile)
        #expect(DriftGate(DriftPolicy()).judge(new: profile, champion: profile).verdict == .pass)
    }

    @Test("Smoke: version, name, type, shape, value, NaN and latency are each able to fail it")
    func smoke() {
        let golden = SmokeTensor(name: "p", type: "FP32", shape: [2], elements: .numbers([0.5, 100]))
        let gate = SmokeGate(SmokePolicy(), version: 4, expected: [golden])
        func verdict(_ tensor: SmokeTensor, version: Int = 4, milliseconds: Int = 5) -> Verdict {
            gate.judge([
                SmokeAnswer(
                    replica: "a",
                    servedVersion: version,
                    outputs: [tensor],
                    latency: .milliseconds(milliseconds)
                )
            ]).verdict
        }
        #expect(verdict(golden) == .pass)
        #expect(
            verdict(
                SmokeTensor(name: "p", type: "FP32", shape: [2], elements: .numbers([0.500_009, 100.0009]))
            ) == .pass
        )
        #expect(verdict(golden, version: 3) == .fail)
        #expect(verdict(golden, milliseconds: 1_001) == .fail)
        #expect(
            verdict(SmokeTensor(name: "q", type: "FP32", shape: [2], elements: .numbers([0.5, 100]))) == .fail
        )
        #expect(
            verdict(SmokeTensor(name: "p", type: "FP64", shape: [2], elements: .numbers([0.5, 100]))) == .fail
        )
        #expect(
            verdict(SmokeTensor(name: "p", type: "FP32", shape: [2, 1], elements: .numbers([0.5, 100])))
                == .fail
        )
        #expect(
            verdict(SmokeTensor(name: "p", type: "FP32", shape: [2], elements: .numbers([0.51, 100])))
                == .fail
        )
        #expect(
            verdict(SmokeTensor(name: "p", type: "FP32", shape: [2], elements: .numbers([.nan, 100])))
                == .fail
        )
        #expect(
            verdict(SmokeTensor(name: "p", type: "FP32", shape: [2], elements: .texts([[1], [2]]))) == .fail
        )
        let fine = SmokeAnswer(replica: "a", servedVersion: 4, outputs: [golden], latency: .zero)
        #expect(gate.judge([fine, SmokeAnswer(replica: "b", failure: "refused")]).verdict == .fail)
        #expect(gate.judge([]).verdict == .inconclusive)
        #expect(SmokeGate(SmokePolicy(), version: 4, expected: []).judge([fine]).verdict == .inconclusive)
    }

    @Test(
        "Observe: too few requests hold; errors, latency and predictions each fail; a fast model is not refused for a ratio"
    )
    func observe() {
        let gate = ObservationGate(ObservePolicy())
        let champion = observed(predictions: ["0": 50, "1": 50])
        #expect(gate.judge(candidate: observed(), champion: champion).verdict == .pass)
        #expect(gate.judge(candidate: observed(requests: 49), champion: champion).verdict == .inconclusive)
        #expect(gate.judge(candidate: observed(errors: 1), champion: champion).verdict == .pass)
        #expect(gate.judge(candidate: observed(errors: 2), champion: champion).verdict == .fail)
        #expect(gate.judgeErrors(observed(errors: 2)).verdict == .fail)
        #expect(gate.judge(candidate: observed(milliseconds: 31), champion: champion).verdict == .fail)
        #expect(gate.judge(candidate: observed(milliseconds: 30), champion: champion).verdict == .pass)
        let fast = ObservedVariant(
            requests: 100,
            errors: 0,
            nonFinite: 0,
            latency: .microseconds(50),
            predictions: ["0": 50, "1": 50]
        )
        #expect(gate.judge(candidate: observed(milliseconds: 5), champion: fast).verdict == .pass)
        #expect(gate.judge(candidate: observed(predictions: ["1": 100]), champion: champion).verdict == .fail)
        #expect(
            gate.judge(candidate: observed(predictions: [:]), champion: champion).verdict == .inconclusive
        )
        #expect(gate.judge(candidate: observed(), champion: nil).verdict == .pass)
        #expect(gate.judge(candidate: observed(), champion: observed(requests: 0)).verdict == .inconclusive)
    }

    @Test("Equal models with many labels and few requests are not called shifted", arguments: 0..<50)
    func chance(seed: Int) {
        var random = SeededGenerator(seed: UInt64(seed))
        func sample() -> [String: Int] {
            (0..<50).reduce(into: [:]) { counts, _ in
                counts["\(Int.random(in: 0..<20, using: &random))", default: 0] += 1
            }
        }
        let report = ObservationGate(ObservePolicy()).judge(
            candidate: observed(requests: 50, predictions: sample()),
            champion: observed(requests: 50, predictions: sample())
        )
        #expect(report.verdict == .pass, "\(report.lines)")
    }

    private func observed(
        requests: Int = 100,
        errors: Int = 0,
        milliseconds: Int = 10,
        predictions: [String: Int] = ["0": 52, "1": 48]
    ) -> ObservedVariant {
        ObservedVariant(
            requests: requests,
            errors: errors,
            nonFinite: 0,
            latency: .milliseconds(milliseconds),
            predictions: predictions
        )
    }

    private func profile(_ csv: String) throws -> Profile {
        Profile(of: try CSVTable(csv: Array(csv.utf8), name: "train.csv"))
    }
}
