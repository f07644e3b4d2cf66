import SlipwayCore

/// Reads `spec.steps` and puts them in the order in which they run.
///
/// The four names of the road follow one another in the road's order unless they say what they need. A
/// step of any other name must say so, `[]` for nothing: that way a mistyped `trian` is a mistake and not
/// a new step.
struct UserStepReader {
    private static let road: [StepName] = [.extract, .validateData, .buildFeatures, .train]
    private let spec: YAMLSection

    init(spec: YAMLSection) {
        self.spec = spec
    }

    func steps() throws(PlatformError) -> [UserStep] {
        guard let section = try spec.section("steps"), section.has("train") else {
            throw spec.mistake(
                "steps",
                "must have the step 'train'",
                remedy: "add 'train: { command: [python, train.py] }'"
            )
        }
        guard section.keys.count <= PipelineLimits.userStepsMax else {
            throw spec.mistake("steps", "has more than \(PipelineLimits.userStepsMax) steps")
        }
        var steps: [String: UserStep] = [:]
        var needs: [String: [String]] = [:]
        var names: [String] = []
        for step in Self.road where section.has(step.rawValue) { names.append(step.rawValue) }
        names += section.keys.filter { !names.contains($0) }
        var previous: String?
        for name in names {
            guard let entry = try section.section(name) else {
                throw section.mistake(name, "has no 'command'")
            }
            let declared = try entry.texts("needs")
            let known = Self.road.first { $0.rawValue == name }
            guard known != nil || declared != nil else { throw unknown(name, section) }
            steps[name] = try Self.step(name, known, entry)
            needs[name] = declared ?? previous.map { [$0] } ?? []
            if known != nil { previous = name }
        }
        for name in names {
            for need in needs[name] ?? [] where steps[need] == nil {
                throw section.mistake(
                    name,
                    "needs '\(need.prefix(80))', which is not declared",
                    remedy: YAMLSection.nearest(need, names).map { "did you mean '\($0)'?" }
                )
            }
        }
        return try Self.ordered(names, needs: needs, section).compactMap { steps[$0] }
    }

    private func unknown(_ name: String, _ section: YAMLSection) -> PlatformError {
        let nearest = YAMLSection.nearest(name, Self.road.map(\.rawValue))
        return PlatformError(
            .invalidArgument,
            "\(section.file):\(section.lineOf(name)): unknown key '\(name.prefix(80))' under '\(section.path)'",
            remedy: nearest.map { "did you mean '\($0)'?" }
                ?? "a step of your own must say what it needs: 'needs: []' for nothing"
        )
    }

    private static func step(
        _ name: String,
        _ known: StepName?,
        _ entry: YAMLSection
    ) throws(PlatformError) -> UserStep {
        try entry.expect(["command", "timeout", "retries", "env", "needs"])
        guard isPlain(name) else {
            throw entry.mistake("command", "belongs to a step whose name is not letters, digits, '_' or '-'")
        }
        guard let command = try entry.texts("command"), let program = command.first, !program.isEmpty else {
            throw entry.mistake(
                "command",
                "must be a list with at least the program",
                remedy: "write it like [python, train.py]"
            )
        }
        guard command.count <= PipelineLimits.argumentsMax else {
            throw entry.mistake("command", "has more than \(PipelineLimits.argumentsMax) parts")
        }
        let environment = try entry.table("env")
        guard environment.count <= PipelineLimits.environmentMax else {
            throw entry.mistake("env", "has more than \(PipelineLimits.environmentMax) entries")
        }
        for key in environment.keys.sorted()
        where key.isEmpty || key.contains("=") || key.hasPrefix("SLIPWAY_") {
            throw entry.mistake("env", "may not set '\(key.prefix(80))'")
        }
        return UserStep(
            name: known ?? .command,
            part: known == nil ? name : nil,
            command: command,
            timeout: try entry.duration("timeout") ?? .seconds(3600),
            retries: try entry.integer("retries", in: 0...PipelineLimits.retriesMax) ?? 0,
            environment: environment
        )
    }

    /// The name becomes a file's.
    private static func isPlain(_ name: String) -> Bool {
        (1...64).contains(name.utf8.count)
            && name.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "-"):
                    true
                default: false
                }
            }
    }

    /// Each step after all that it needs; among those that may run, the road's come in the road's order and
    /// `train` comes as late as it can.
    private static func ordered(
        _ names: [String],
        needs: [String: [String]],
        _ section: YAMLSection
    ) throws(PlatformError) -> [String] {
        var done: [String] = []
        var left = names
        while !left.isEmpty {
            let free = left.filter { name in (needs[name] ?? []).allSatisfy(done.contains) }
            guard let next = free.first(where: { $0 != StepName.train.rawValue }) ?? free.first else {
                let cycle = Self.cycle(left, needs: needs)
                throw section.mistake(
                    cycle.first ?? left[0],
                    "is part of a cycle: \(cycle.joined(separator: " needs "))",
                    remedy: "take one of these needs away"
                )
            }
            done.append(next)
            left.removeAll { $0 == next }
        }
        return done
    }

    /// Follows needs until a name comes a second time.
    private static func cycle(_ left: [String], needs: [String: [String]]) -> [String] {
        var path: [String] = [left[0]]
        while let last = path.last, let next = (needs[last] ?? []).first(where: left.contains) {
            if let start = path.firstIndex(of: next) { return Array(path[start...]) + [next] }
            path.append(next)
        }
        return path
    }
}
