import SlipwayCore
import SlipwayPipeline

/// What a step came to, as an orchestrator reads it.
struct StepReport {
    private let run: RunRecord
    private let name: StepName
    private let step: StepRecord?

    init(_ run: RunRecord, _ name: StepName, _ part: String?) {
        self.run = run
        self.name = name
        step = run.steps.first { $0.name == name && $0.part == part }
    }

    /// Whether the orchestrator may go on; for `rollback`: whether the run has ended as it should.
    var isFine: Bool {
        if name == .rollback {
            return step.map { $0.state != .failed } ?? run.state.isFinal
        }
        if run.state == .pendingNotify { return true }
        if run.state.isFinal, run.state != .succeeded { return false }
        switch step?.state {
        // A drift gate that waits for the data that 'train' writes.
        case .waiting: return name == .driftGate
        case .passed, .skipped: return true
        default: return false
        }
    }

    private var state: String { step?.state.rawValue ?? (run.state.isFinal ? "passed" : "waiting") }

    var json: JSONValue {
        var values: [String: JSONValue] = [:]
        values["run"] = .string(run.id.text)
        values["model"] = .string(run.model.text)
        values["step"] = .string(step?.title ?? name.rawValue)
        values["state"] = .string(state)
        values["verdict"] = .null
        if let verdict = step?.verdict { values["verdict"] = .string(verdict.rawValue) }
        values["details"] = .array((step?.details ?? []).map { .string($0) })
        values["runState"] = .string(run.state.rawValue)
        values["summary"] = .string(run.summary)
        values["candidate"] = Self.number(run.candidate)
        values["champion"] = Self.number(run.champion)
        values["conditions"] = .array(run.conditions.map(\.rawValue).sorted().map { .string($0) })
        return .object(values)
    }

    private static func number(_ version: ModelVersion?) -> JSONValue {
        guard let version else { return .null }
        return .int(Int64(version.number))
    }

    var text: String {
        var lines = ["\(step?.title ?? name.rawValue): \(state)"] + (step?.details ?? []).map { "  \($0)" }
        if run.state.isFinal || run.state == .pendingNotify { lines.append("run \(run.id) \(run.state.rawValue): \(run.summary)") }
        return lines.joined(separator: "\n")
    }
}

/// The steps of a project in the order in which an orchestrator does them.
struct StepList {
    struct Step {
        let name: StepName
        let part: String?
        /// How long it may take, all its own attempts together.
        let limit: Duration

        /// As a task is called: `shift-10`, `train`, a command's own name.
        var task: String {
            guard let part else { return name.rawValue }
            return name == .command ? part : "\(name.rawValue)-\(part)"
        }
    }

    /// What a step of ours may take beyond what its policy says.
    private static let slack = Duration.seconds(600)

    let model: ModelName
    let steps: [Step]

    init(_ spec: PipelineSpec) {
        model = spec.name
        var records = spec.stepRecords()
        // Before 'train' only where an earlier step can have written the data that it compares.
        if let drift = records.firstIndex(where: { $0.name == .driftGate }),
            let train = records.firstIndex(where: { $0.name == .train }),
            drift == 0, train == 1
        {
            records.swapAt(drift, train)
        }
        steps = records.map { record in
            let user = spec.steps.first { $0.name == record.name && $0.part == record.part }
            let limit: Duration
            if let user {
                limit = user.timeout * (user.retries + 1) + Self.slack
            } else {
                switch record.name {
                case .observe: limit = spec.rollout.observe.timeout + Self.slack
                case .notify: limit = spec.notify.limit + Self.slack
                default: limit = Self.slack
                }
            }
            return Step(name: record.name, part: record.part, limit: limit)
        }
    }

    var json: JSONValue {
        let steps = steps.map { step -> JSONValue in
            var values: [String: JSONValue] = ["task": .string(step.task), "step": .string(step.name.rawValue), "part": .null]
            if let part = step.part { values["part"] = .string(part) }
            values["limitSeconds"] = .int(Int64(step.limit.seconds.rounded(.up)))
            return .object(values)
        }
        return ["model": .string(model.text), "steps": .array(steps)]
    }
}
