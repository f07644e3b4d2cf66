public import SlipwayCore

extension PipelineSpec {
    public static let apiVersion = "slipway.dev/v1"

    /// Reads a `pipeline.yaml`. Only `metadata.name` and the step `train` are required.
    ///
    /// - Parameter file: What messages call it.
    /// - Throws: `invalid_argument` with file, line and reason: an unknown key, a value out of range, a
    ///   cycle of steps.
    public init(yaml text: String, file: String = "pipeline.yaml") throws(PlatformError) {
        let root = try YAMLSection.parse(text, file: file)
        try root.expect(["apiVersion", "kind", "metadata", "spec"])
        for (key, expected) in [("apiVersion", Self.apiVersion), ("kind", "Pipeline")] {
            guard let found = try root.text(key), found == expected else {
                throw root.mistake(key, "must be '\(expected)'")
            }
        }
        guard let metadata = try root.section("metadata") else {
            throw root.mistake("metadata", "is missing")
        }
        try metadata.expect(["name"])
        guard let name = try metadata.text("name") else { throw metadata.mistake("name", "is missing") }
        do {
            self.name = try ModelName(name)
        } catch {
            throw metadata.mistake("name", "is not a model's name: \(error.message)", remedy: error.remedy)
        }
        guard let spec = try root.section("spec") else { throw root.mistake("spec", "is missing") }
        try spec.expect(["experiment", "steps", "until", "gates", "rollout", "notify"])
        self.experiment = try spec.text("experiment") ?? name
        self.until = try Self.until(spec)
        self.steps = try UserStepReader(spec: spec).steps()

        let gates = try spec.section("gates")
        try gates?.expect(["drift", "evaluate", "smoke"])
        self.drift = try gates?.section("drift").map { section throws(PlatformError) in
            try DriftPolicy(section)
        }
        self.evaluate = try gates?.section("evaluate").map { section throws(PlatformError) in
            try EvaluatePolicy(section)
        }
        self.smoke = try SmokePolicy(try gates?.section("smoke"))
        self.rollout = try RolloutPolicy(try spec.section("rollout"))
        self.notify = try NotifyPolicy(try spec.section("notify"))
    }

    private static let possibleEnds: [StepName] = [.train, .evaluate, .register, .ready, .smoke]

    private static func until(_ spec: YAMLSection) throws(PlatformError) -> StepName? {
        guard let text = try spec.text("until") else { return nil }
        guard let step = StepName(rawValue: text), possibleEnds.contains(step) else {
            let known = possibleEnds.map { "'\($0.rawValue)'" }.joined(separator: ", ")
            throw spec.mistake("until", "must be one of \(known), not '\(text.prefix(40))'")
        }
        return step
    }
}

/// A relative path that stays inside the run's output folder.
private func outputPath(
    _ section: YAMLSection,
    _ key: String,
    default path: String
) throws(PlatformError) -> String {
    guard let text = try section.text(key) else { return path }
    let parts = text.split(separator: "/", omittingEmptySubsequences: false)
    guard !text.isEmpty, text.utf8.count <= 512,
        !parts.contains(where: { $0.isEmpty || $0 == "." || $0 == ".." })
    else {
        throw section.mistake(key, "must be a path inside the run's output folder, not '\(text.prefix(80))'")
    }
    return text
}

extension DriftPolicy {
    init(_ section: YAMLSection) throws(PlatformError) {
        try section.expect(["data", "maxStatistic", "maxStability", "onFail", "onInconclusive"])
        data = try outputPath(section, "data", default: data)
        statisticMax = try section.number("maxStatistic", in: 0...1) ?? statisticMax
        stabilityMax = try section.number("maxStability", in: 0...100) ?? stabilityMax
        onInconclusive = try section.choice("onInconclusive", InconclusivePolicy.self) ?? onInconclusive
        try refuseShadow(section)
    }
}

/// `onFail` is a policy with one supported value so far; the other is said to be missing, not ignored.
private func refuseShadow(_ section: YAMLSection) throws(PlatformError) {
    switch try section.text("onFail") {
    case nil, "refuse": return
    case "shadow":
        throw section.mistake("onFail", "is 'shadow', which is not supported yet", remedy: "use 'refuse'")
    case .some(let text):
        throw section.mistake("onFail", "must be 'refuse', not '\(text.prefix(40))'")
    }
}

extension EvaluatePolicy {
    init(_ section: YAMLSection) throws(PlatformError) {
        try section.expect(["data", "label", "output", "bounds", "champion", "onFail"])
        guard let label = try section.text("label"), !label.isEmpty else {
            throw section.mistake(
                "label",
                "is missing",
                remedy: "name the column of the holdout that holds the truth"
            )
        }
        self.init(label: label)
        data = try outputPath(section, "data", default: data)
        output = try section.text("output")
        if let table = try section.section("bounds") {
            try table.expect(QualityMetric.allCases.map(\.rawValue))
            for key in table.keys {
                guard let metric = QualityMetric(rawValue: key), let entry = try table.section(key) else {
                    continue
                }
                try entry.expect(["min", "max"])
                let range = -1e300...1e300
                let limits = MetricBounds(
                    min: try entry.number("min", in: range),
                    max: try entry.number("max", in: range)
                )
                guard limits.min != nil || limits.max != nil else {
                    throw table.mistake(key, "has neither 'min' nor 'max'")
                }
                bounds[metric] = limits
            }
        }
        if let section = try section.section("champion") {
            try section.expect(["metric", "minDelta"])
            guard let metric = try section.choice("metric", QualityMetric.self) else {
                throw section.mistake("metric", "is missing")
            }
            champion = ChampionPolicy(
                metric: metric,
                deltaMin: try section.number("minDelta", in: -1e300...1e300) ?? 0
            )
        }
        guard !bounds.isEmpty || champion != nil else {
            throw section.mistake("bounds", "is missing, and so is 'champion': a gate must compare something")
        }
        try refuseShadow(section)
    }
}

extension SmokePolicy {
    init(_ section: YAMLSection?) throws(PlatformError) {
        self.init()
        guard let section else { return }
        try section.expect(["data", "absoluteTolerance", "relativeTolerance", "latencyMax"])
        data = try outputPath(section, "data", default: data)
        absoluteTolerance = try section.number("absoluteTolerance", in: 0...1e300) ?? absoluteTolerance
        relativeTolerance = try section.number("relativeTolerance", in: 0...1) ?? relativeTolerance
        latencyMax = try section.duration("latencyMax") ?? latencyMax
    }
}

extension NotifyPolicy {
    init(_ section: YAMLSection?) throws(PlatformError) {
        self.init()
        guard let section else { return }
        try section.expect(["required", "limit", "atLimit"])
        isRequired = try section.flag("required") ?? isRequired
        limit = try section.duration("limit") ?? limit
        atLimit = try section.choice("atLimit", AtLimit.self) ?? atLimit
    }
}

extension RolloutPolicy {
    init(_ section: YAMLSection?) throws(PlatformError) {
        self.init()
        guard let section else { return }
        try section.expect(["weights", "observe"])
        if let texts = try section.texts("weights") { weights = try Self.weights(texts, section) }
        if let section = try section.section("observe") { observe = try ObservePolicy(section) }
    }

    private static func weights(_ texts: [String], _ section: YAMLSection) throws(PlatformError) -> [Percent]
    {
        guard (1...PipelineLimits.weightsMax).contains(texts.count) else {
            throw section.mistake("weights", "must have 1 to \(PipelineLimits.weightsMax) entries")
        }
        var weights: [Percent] = []
        for text in texts {
            guard let number = Double(text), number > 0, number <= 100,
                abs((number * 100).rounded() - number * 100) < 1e-6
            else {
                throw section.mistake(
                    "weights",
                    "has '\(text.prefix(40))': a weight is above 0, at most 100, with two decimals at most"
                )
            }
            let weight = Percent(hundredths: Int((number * 100).rounded()))
            if let last = weights.last, weight <= last {
                throw section.mistake("weights", "must grow: \(weight.text) follows \(last.text)")
            }
            weights.append(weight)
        }
        guard weights.last == Percent(whole: 100) else {
            throw section.mistake("weights", "must end with 100, not \(weights.last?.text ?? "")")
        }
        return weights
    }
}

extension ObservePolicy {
    init(_ section: YAMLSection) throws(PlatformError) {
        try section.expect([
            "window", "minRequests", "timeout", "maxErrorRate", "maxLatencyRatio", "latencyQuantile",
            "latencyFloor",
            "maxPredictionShift", "onInconclusive",
        ])
        self.init()
        window = try section.duration("window") ?? window
        requestsMin = try section.integer("minRequests", in: 1...1_000_000_000) ?? requestsMin
        timeout = try section.duration("timeout") ?? max(timeout, window)
        errorRateMax = try section.number("maxErrorRate", in: 0...1) ?? errorRateMax
        latencyRatioMax = try section.number("maxLatencyRatio", in: 0...1e6) ?? latencyRatioMax
        latencyQuantile = try section.number("latencyQuantile", in: 0.01...0.9999) ?? latencyQuantile
        latencyFloor = try section.duration("latencyFloor") ?? latencyFloor
        predictionShiftMax = try section.number("maxPredictionShift", in: 0...1) ?? predictionShiftMax
        onInconclusive = try section.choice("onInconclusive", Inconclusive.self) ?? onInconclusive
        guard timeout >= window else {
            throw section.mistake("timeout", "is shorter than the window of \(DurationText.text(window))")
        }
    }
}
