public import SlipwayCore
public import SlipwayPipeline

/// One step at a time, for an orchestrator that is another program: each call may be made by another
/// process, with the run's record and folder in between as all that they share.
///
/// ``run()`` is not needed. Two processes must not work on one run at the same time; who calls sees to it.
extension PipelineEngine {
    /// The run of this id; accepted now when it is not known.
    ///
    /// - Parameters:
    ///   - project: Its absolute folder; `nil` where the run must be known already.
    /// - Throws: `not_found` when it is not known and no project is given, and what ``submit`` throws.
    public func adopt(_ id: RunID, project: String?, parameters: [String: String]) async throws -> RunRecord {
        if let known = try await ports.store.run(id) { return known }
        guard let project else {
            throw PlatformError(
                .notFound,
                "there is no run '\(id)'",
                remedy: "name the project with '--project' to begin it, or use the home that the steps before used"
            )
        }
        let record = try await draft(id, project: project, parameters: parameters)
        try await ports.store.save(record)
        return record
    }

    /// Does one step of a run unless it is done.
    ///
    /// A gate's verdict and a failure are answered in the record and stand: asked again, the step answers
    /// the same. `rollback` ends the run as far as it has come; `notify` ends one that has arrived.
    ///
    /// - Returns: The run as it stands after the step.
    /// - Throws: `failed_precondition` when it is not this step's turn, `unavailable` when something did
    ///   not answer: the step is to be tried again.
    public func perform(_ name: StepName, part: String?, of id: RunID) async throws -> RunRecord {
        guard let record = try await ports.store.run(id) else {
            throw PlatformError(.notFound, "there is no run '\(id)'")
        }
        let title = StepRecord(name: name, part: part).title
        if name != .rollback, record.index(name, part) == nil {
            let titles = record.steps.map { "'\($0.title)'" }.joined(separator: ", ")
            throw PlatformError(.invalidArgument, "run '\(id)' has no step '\(title)'", remedy: "it has \(titles)")
        }
        if record.state.isFinal {
            let isDone = record.step(name, part)?.state.isDone == true
            guard name == .rollback || isDone || record.step(name, part)?.state.isStopped == true else {
                throw Self.over(record)
            }
            guard name != .rollback || record.state != .succeeded else {
                throw PlatformError(
                    .failedPrecondition,
                    "run '\(id)' has succeeded: \(record.summary)",
                    remedy: "to go back after that: slipway release rollback \(record.model)"
                )
            }
            return record
        }
        let road = try road(of: record)
        if record.steps.contains(where: { $0.state == .running }) {
            // The process that was at it is gone; a command that it has started may not be.
            _ = await ports.commands.endLeftovers(key: "SLIPWAY_RUN_ID", value: id.text)
        }
        if name == .rollback {
            try await road.settle(record.recordedStop ?? Self.silence(record))
            return await road.journal.record
        }
        if let stop = record.recordedStop {
            if record.step(name, part)?.state.isStopped == true { return record }
            throw PlatformError(
                .failedPrecondition,
                "run '\(id)' goes no further: \(stop.sentence)",
                remedy: "slipway step rollback --run \(id)"
            )
        }
        try Self.expectTurn(of: name, part, in: record)
        do {
            try await road.depart()
        } catch let stop as RoadStop {
            // Before anything was done: there is no step that could keep it.
            try await road.settle(stop)
            return await road.journal.record
        }
        do {
            if name != .driftGate, name != .train, record.step(.train)?.state == .passed {
                try await road.checkDrift(isTrained: true)
            }
            try await carry(name, part, road)
            let after = await road.journal.record
            if road.spec.until != nil, after.steps.allSatisfy(\.state.isDone) { try await road.arrive() }
        } catch is RoadStop {
            // The step's own record says it.
        }
        return await road.journal.record
    }

    private func carry(_ name: StepName, _ part: String?, _ road: Road) async throws {
        switch name {
        case .extract, .command, .validateData, .buildFeatures, .train:
            guard let step = road.spec.steps.first(where: { $0.name == name && $0.part == part }) else { return }
            try await road.runCommand(step)
        case .driftGate:
            let isTrained = await road.journal.record.step(.train)?.state == .passed
            try await road.checkDrift(isTrained: isTrained)
        case .evaluate: try await road.evaluate()
        case .register: try await road.register()
        case .ready: try await road.makeReady()
        case .load: try await road.load()
        case .smoke: try await road.smoke()
        case .attach:
            try await road.attach()
            if await road.journal.record.champion == nil { try await road.skipShifts() }
        case .shift:
            guard part != "promote" else { return try await road.promote() }
            if let weight = road.weight(part) { try await road.shift(weight) }
        case .observe:
            if let weight = road.weight(part) { _ = try await road.observe(weight, lastChampion: nil) }
        case .notify:
            try await road.arrive()
            try await road.awaitDelivery()
        case .rollback: break
        }
    }

    private func road(of record: RunRecord) throws -> Road {
        Road(
            ports: ports,
            settings: settings,
            spec: try PipelineSpec(yaml: record.pipeline),
            journal: RunJournal(record, store: ports.store, events: events),
            folder: RunFolder(record.id, in: settings.runsFolder),
            events: events,
            id: record.id,
            model: record.model,
            triesAgain: true
        )
    }

    /// Everything before it must be done. `drift_gate` may wait until `train` has written what it reads.
    @inline(never)
    private static func expectTurn(of name: StepName, _ part: String?, in record: RunRecord) throws(PlatformError) {
        guard let index = record.index(name, part) else { return }
        let missing = record.steps[..<index].first { !$0.state.isDone && $0.name != .driftGate }
        guard let missing else { return }
        throw PlatformError(
            .failedPrecondition,
            "step '\(missing.title)' of run '\(record.id)' is \(missing.state.rawValue); '\(record.steps[index].title)' comes after it",
            remedy: "slipway step \(missing.name.rawValue)\(missing.part.map { " --part \($0)" } ?? "") --run \(record.id)"
        )
    }

    /// Why a run is rolled back of which no step has said anything.
    private static func silence(_ record: RunRecord) -> RoadStop {
        let open = record.steps.first { $0.state == .running } ?? record.steps.first { !$0.state.isDone }
        let said = open?.details.first.map { ": \($0)" } ?? ""
        return RoadStop(kind: .failed, step: open?.title ?? "rollback", reason: "it did not come to an end\(said)")
    }

    private static func over(_ record: RunRecord) -> PlatformError {
        PlatformError(
            .failedPrecondition,
            "run '\(record.id)' is over, it is \(record.state.rawValue): \(record.summary)",
            remedy: "begin a new run"
        )
    }
}

extension Road {
    func weight(_ part: String?) -> Percent? { spec.rollout.weights.first { $0.text == part } }
}

extension StepState {
    public var isDone: Bool { self == .passed || self == .skipped }
    public var isStopped: Bool { self == .refused || self == .failed }
}

extension PipelineEngine {
    /// What happens to a run from now on while this engine does a step of it.
    public func liveEvents(of id: RunID) async throws -> AsyncStream<RunEvent> {
        events.publish(try await run(id))
        return try await events(of: id)
    }
}
