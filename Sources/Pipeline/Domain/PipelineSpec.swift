public import SlipwayCore

/// A `pipeline.yaml`: the user's steps and the policy of the road.
public struct PipelineSpec: Sendable, Hashable {
    /// The model that the pipeline makes; its `metadata.name`.
    public let name: ModelName
    /// The MLflow experiment; by default the name.
    public let experiment: String
    /// In the order in which they run.
    public let steps: [UserStep]
    /// The last step of the road; `nil`: the whole road.
    public let until: StepName?
    public let drift: DriftPolicy?
    public let evaluate: EvaluatePolicy?
    public let smoke: SmokePolicy
    public let rollout: RolloutPolicy
    public let notify: NotifyPolicy

    /// The steps of a run, in order, with `shift` and `observe` once for each weight.
    ///
    /// - Parameter isPromotion: Whether the version comes from another environment: nothing is trained.
    public func stepRecords(isPromotion: Bool = false) -> [StepRecord] {
        var records: [StepRecord] = []
        if !isPromotion {
            var before = steps
            let after = steps.firstIndex { $0.name == .train }.map { index in
                defer { before = Array(steps[..<index]) }
                return Array(steps[index...])
            }
            records += before.map { StepRecord(name: $0.name, part: $0.part) }
            if includes(.driftGate) { records.append(StepRecord(name: .driftGate)) }
            records += (after ?? []).map { StepRecord(name: $0.name, part: $0.part) }
        }
        for name in [StepName.evaluate, .register, .ready, .load, .smoke, .attach] where includes(name) {
            records.append(StepRecord(name: name))
        }
        guard until == nil else { return records }
        for weight in rollout.weights {
            records.append(StepRecord(name: .shift, part: weight.text))
            records.append(StepRecord(name: .observe, part: weight.text))
        }
        records.append(StepRecord(name: .shift, part: "promote"))
        records.append(StepRecord(name: .notify))
        return records
    }

    /// Whether the road goes as far as `step`.
    public func includes(_ step: StepName) -> Bool {
        guard let until, let last = Self.order.firstIndex(of: until),
            let index = Self.order.firstIndex(of: step)
        else { return true }
        return index <= last
    }

    private static let order: [StepName] = [
        .driftGate, .train, .evaluate, .register, .ready, .load, .smoke, .attach, .shift, .observe, .notify,
    ]
}

/// A command of the project.
public struct UserStep: Sendable, Hashable {
    public let name: StepName
    /// Its own name, when it is none of the road's.
    public let part: String?
    public let command: [String]
    /// Default: 1 h.
    public let timeout: Duration
    /// How often it is tried again after it failed. Default: 0.
    public let retries: Int
    public let environment: [String: String]

    public init(
        name: StepName,
        part: String? = nil,
        command: [String],
        timeout: Duration = .seconds(3600),
        retries: Int = 0,
        environment: [String: String] = [:]
    ) {
        self.name = name
        self.part = part
        self.command = command
        self.timeout = timeout
        self.retries = retries
        self.environment = environment
    }
}

/// What a gate without data means for the run.
public enum InconclusivePolicy: String, Sendable, Hashable, CaseIterable {
    /// The run ends there.
    case refuse
    /// The step's record keeps the verdict and the run goes on.
    case proceed = "continue"
}

public struct DriftPolicy: Sendable, Hashable {
    /// In the run's output folder. Default: `train.csv`.
    public var data = "train.csv"
    /// The largest Kolmogorov–Smirnov statistic of a numeric column. Default: 0.35.
    public var statisticMax = 0.35
    /// The largest population stability index of a column of categories. Default: 0.25.
    public var stabilityMax = 0.25
    public var onInconclusive = InconclusivePolicy.refuse

    public init() {}
}

public struct EvaluatePolicy: Sendable, Hashable {
    /// In the run's output folder. Default: `holdout.csv`.
    public var data = "holdout.csv"
    /// The column with the truth; every other column is a feature, in the order of the file.
    public var label: String
    /// The graph's output that is judged; default: its last one.
    public var output: String?
    public var bounds: [QualityMetric: MetricBounds] = [:]
    public var champion: ChampionPolicy?

    public init(label: String) {
        self.label = label
    }
}

public struct MetricBounds: Sendable, Hashable {
    public var min: Double?
    public var max: Double?

    public init(min: Double? = nil, max: Double? = nil) {
        self.min = min
        self.max = max
    }
}

public struct ChampionPolicy: Sendable, Hashable {
    public var metric: QualityMetric
    /// How much better the candidate must be, in the metric's direction; negative allows a loss.
    public var deltaMin: Double

    public init(metric: QualityMetric, deltaMin: Double = 0) {
        self.metric = metric
        self.deltaMin = deltaMin
    }
}

public struct SmokePolicy: Sendable, Hashable {
    /// In the run's output folder. Default: `golden.json`.
    public var data = "golden.json"
    public var absoluteTolerance = 1e-5
    public var relativeTolerance = 1e-5
    /// Default: 1 s.
    public var latencyMax = Duration.seconds(1)

    public init() {}
}

public struct NotifyPolicy: Sendable, Hashable {
    public enum AtLimit: String, Sendable, Hashable, CaseIterable {
        /// The version stays in service and the run ends as failed.
        case keep
        case rollback
    }

    /// Whether a run succeeds only when somebody was told. Default: true.
    public var isRequired = true
    /// How long a run may be `pending-notify`. Default: 1 h.
    public var limit = Duration.seconds(3600)
    public var atLimit = AtLimit.keep

    public init() {}
}

public struct RolloutPolicy: Sendable, Hashable {
    /// Strictly growing; the last is 100 %. Default: 10, 50, 100.
    public var weights = [Percent(whole: 10), Percent(whole: 50), Percent(whole: 100)]
    public var observe = ObservePolicy()

    public init() {}
}

/// A share of traffic, in hundredths of a percent.
public struct Percent: Sendable, Hashable, Comparable {
    public let hundredths: Int

    public init(hundredths: Int) {
        precondition((0...10_000).contains(hundredths))
        self.hundredths = hundredths
    }

    public init(whole: Int) {
        self.init(hundredths: whole * 100)
    }

    /// `10`, `0.5`.
    public var text: String { readable(Double(hundredths) / 100) }

    public static func < (left: Percent, right: Percent) -> Bool { left.hundredths < right.hundredths }
}

public struct ObservePolicy: Sendable, Hashable {
    public enum Inconclusive: String, Sendable, Hashable, CaseIterable {
        /// Stays at its weight until `timeout`, then goes back.
        case hold
        /// Goes back as soon as the window is over without enough data.
        case rollback
    }

    /// The least time at one weight. Default: 30 s.
    public var window = Duration.seconds(30)
    /// The least requests that the candidate must have answered. Default: 50.
    public var requestsMin = 50
    /// The longest time at one weight. Default: 10 m.
    public var timeout = Duration.seconds(600)
    /// Default: 0.01.
    public var errorRateMax = 0.01
    /// The candidate's latency over the champion's, at the quantile. Default: 3.
    public var latencyRatioMax = 3.0
    /// Default: 0.95.
    public var latencyQuantile = 0.95
    /// A candidate that is faster than this is fast enough, whatever the ratio. Default: 5 ms.
    public var latencyFloor = Duration.milliseconds(5)
    /// How far the distribution of predictions may move, 0 to 1, beyond what chance explains. Default: 0.3.
    public var predictionShiftMax = 0.3
    public var onInconclusive = Inconclusive.hold

    public init() {}
}
