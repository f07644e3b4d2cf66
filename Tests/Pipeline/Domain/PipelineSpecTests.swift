import SlipwayCore
import SlipwayTesting
import Testing

@testable import SlipwayPipeline

@Suite("Pipeline file")
struct PipelineSpecTests {
    private static let full = """
        apiVersion: slipway.dev/v1
        kind: Pipeline
        metadata: { name: tumor }
        spec:
          experiment: trials
          steps:
            train:
              command: [python, train.py]
              timeout: 10m
              retries: 2
              env: { KEY: value }
            extract:
              command: [python, extract.py]
          gates:
            drift: { data: train.csv, maxStatistic: 0.35, onFail: refuse }
            evaluate:
              data: holdout.csv
              label: malignant
              output: probabilities
              bounds: { accuracy: { min: 0.9 }, logloss: { max: 0.4 } }
              champion: { metric: auc, minDelta: -0.002 }
            smoke: { data: golden.json, absoluteTolerance: 1.0e-5, relativeTolerance: 1.0e-5, latencyMax: 250ms }
          rollout:
            weights: [0.5, 50, 100]
            observe: { window: 3s, minRequests: 50, timeout: 60s, maxErrorRate: 0.01, maxLatencyRatio: 3.0,
                       latencyQuantile: 0.95, maxPredictionShift: 0.3, onInconclusive: hold }
          notify: { required: true, limit: 1h }
        """

    @Test("Every key of the reference is read; the road's steps run in the road's order, not the file's")
    func full() throws {
        let spec = try PipelineSpec(yaml: Self.full)
        #expect(spec.experiment == "trials")
        #expect(spec.steps.map(\.name) == [.extract, .train])
        #expect(spec.steps.last?.timeout == .seconds(600))
        #expect(spec.steps.last?.retries == 2)
        #expect(spec.steps.last?.environment == ["KEY": "value"])
        #expect(
            spec.evaluate?.bounds == [.accuracy: MetricBounds(min: 0.9), .logloss: MetricBounds(max: 0.4)]
        )
        #expect(spec.evaluate?.champion == ChampionPolicy(metric: .auc, deltaMin: -0.002))
        #expect(spec.smoke.latencyMax == .milliseconds(250))
        #expect(spec.rollout.weights.map(\.hundredths) == [50, 5_000, 10_000])
        #expect(spec.rollout.observe.timeout == .seconds(60))
        #expect(
            spec.stepRecords().map(\.title) == [
                "extract", "drift_gate", "train", "evaluate", "register", "ready", "load", "smoke", "attach",
                "shift 0.5", "observe 0.5", "shift 50", "observe 50", "shift 100", "observe 100",
                "shift promote",
                "notify",
            ]
        )
        #expect(spec.stepRecords(isPromotion: true).first?.name == .evaluate)
    }

    @Test("Only train is required; everything else has a default")
    func least() throws {
        let spec = try PipelineSpec(yaml: Self.least())
        #expect(spec.experiment == "m")
        #expect(spec.steps == [UserStep(name: .train, command: ["sh"])])
        #expect(spec.drift == nil && spec.evaluate == nil && spec.until == nil)
        #expect(
            spec.rollout == RolloutPolicy() && spec.notify == NotifyPolicy() && spec.smoke == SmokePolicy()
        )
    }

    @Test("A step of another name runs where its needs say; with 'until: train' nothing follows")
    func custom() throws {
        let spec = try PipelineSpec(
            yaml: Self.least(
                "  until: train",
                steps: "    after: { command: [b], needs: [train] }\n    first: { command: [a], needs: [] }"
            )
        )
        #expect(spec.stepRecords().map(\.title) == ["command first", "drift_gate", "train", "command after"])
    }

    @Test(
        "What cannot be right is refused with its line, its name and what to write instead",
        arguments: [
            ("  stepz: {}", "", "pipeline.yaml:7: unknown key 'stepz' under 'spec'", "did you mean 'steps'?"),
            (
                "", "    trian: { command: [a] }", "7: unknown key 'trian' under 'spec.steps'",
                "did you mean 'train'?"
            ),
            (
                "", "    extract: { command: [a], needs: [train] }",
                "cycle: extract needs train needs extract", ""
            ),
            ("", "    b: { command: [a], needs: [b] }", "cycle: b needs b", ""),
            (
                "", "    b: { command: [a], needs: [c] }\n    c: { command: [a], needs: [b] }",
                "cycle: b needs c needs b", ""
            ),
            (
                "", "    b: { command: [a], needs: [trian] }", "needs 'trian', which is not declared",
                "did you mean 'train'?"
            ),
            (
                "", "    b: { command: [], needs: [] }", "must be a list with at least the program",
                "[python, train.py]"
            ),
            ("", "    b: { command: [a], needs: [], timeout: 10 }", "must be a duration", "250ms"),
            ("", "    b: { command: [a], needs: [], retries: 99 }", "from 0 to 10, not '99'", ""),
            ("", "    b: { command: [a], needs: [], env: { SLIPWAY_X: a } }", "may not set 'SLIPWAY_X'", ""),
            ("", "    ../b: { command: [a], needs: [] }", "letters, digits", ""),
            ("  rollout: { weights: [50, 10, 100] }", "", "must grow: 10 follows 50", ""),
            ("  rollout: { weights: [10, 50] }", "", "must end with 100, not 50", ""),
            (
                "  rollout: { observe: { window: 10s, timeout: 5s } }", "", "shorter than the window of 10s",
                ""
            ),
            (
                "  rollout: { observe: { onInconclusive: hodl } }", "", "must be one of",
                "did you mean 'hold'?"
            ),
            ("  rollout: { observe: { maxErrorRate: 2 } }", "", "from 0.0 to 1.0, not '2'", ""),
            ("  gates: { drift: { onFail: shadow } }", "", "not supported yet", "use 'refuse'"),
            ("  gates: { drift: { data: ../secret } }", "", "inside the run's output folder", ""),
            ("  gates: { evaluate: { label: y } }", "", "must compare something", ""),
            (
                "  gates: { evaluate: { label: y, bounds: { acuracy: { min: 1 } } } }", "",
                "unknown key 'acuracy'", "'accuracy'"
            ),
            (
                "  gates: { evaluate: { bounds: { auc: { min: 1 } } } }", "",
                "'spec.gates.evaluate.label' is missing", ""
            ),
            ("  notify: { required: maybe }", "", "must be true or false", ""),
            ("  until: attach", "", "must be one of", ""),
            ("  experiment: a\n  experiment: b", "", "there twice", ""),
            ("  experiment: [", "", "not valid YAML", ""),
            ("  rollout: 7", "", "must be a mapping", ""),
        ]
    )
    func refusals(spec: String, steps: String, message: String, remedy: String) throws {
        let error = try #require(throws: PlatformError.self) {
            try PipelineSpec(yaml: Self.least(spec, steps: steps))
        }
        #expect(error.code == .invalidArgument)
        #expect(error.message.contains(message), "\(error.message)")
        #expect(remedy.isEmpty || error.remedy?.contains(remedy) == true, "\(error.remedy ?? "no remedy")")
    }

    @Test("A file without train, of another kind, or empty is refused")
    func missing() throws {
        #expect(throws: PlatformError.self) { try PipelineSpec(yaml: "") }
        #expect(throws: PlatformError.self) {
            try PipelineSpec(yaml: Self.least().replacing("train:", with: "extract:"))
        }
        #expect(throws: PlatformError.self) {
            try PipelineSpec(yaml: Self.least().replacing("Pipeline", with: "Release"))
        }
        #expect(throws: PlatformError.self) {
            try PipelineSpec(yaml: Self.least().replacing("name: m", with: "name: ../m"))
        }
    }

    @Test("No damage to the file crashes the parser, however deep it nests", arguments: 0..<200)
    func fuzz(seed: Int) {
        var random = SeededGenerator(seed: UInt64(seed))
        var bytes = Array(Self.full.utf8)
        for _ in 0..<Int.random(in: 1...8, using: &random) {
            let place = Int.random(in: 0..<bytes.count, using: &random)
            switch Int.random(in: 0..<4, using: &random) {
            case 0: bytes.remove(at: place)
            case 1: bytes[place] = UInt8.random(in: 0...255, using: &random)
            case 2: bytes.insert(contentsOf: Array(repeating: UInt8(ascii: "["), count: 5_000), at: place)
            default: bytes.insert(contentsOf: "&a *a ".utf8, at: place)
            }
        }
        do {
            let spec = try PipelineSpec(yaml: String(decoding: bytes, as: UTF8.self))
            #expect(spec.rollout.weights.last == Percent(whole: 100))
        } catch {
            #expect(error.code == .invalidArgument)
        }
    }

    @Test(
        "Durations need a unit",
        arguments: [
            ("10m", 600_000), ("250ms", 250), ("1h", 3_600_000), ("1.5s", 1_500), ("2d", 172_800_000),
        ]
    )
    func durations(text: String, milliseconds: Int) {
        #expect(DurationText.parse(text) == .milliseconds(milliseconds))
        for wrong in ["", "10", "m", "-1s", "1e3s", "1 s", "99999d", "1..2s"] {
            #expect(DurationText.parse(wrong) == nil, "\(wrong)")
        }
    }

    private static func least(_ spec: String = "", steps: String = "") -> String {
        """
        apiVersion: slipway.dev/v1
        kind: Pipeline
        metadata: { name: m }
        spec:
          steps:
            train: { command: [sh] }
        \(steps.isEmpty ? "" : steps + "\n")\(spec)
        """
    }
}
