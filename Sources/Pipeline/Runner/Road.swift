import SlipwayCore
import SlipwayPipeline
import SlipwayProof
import SlipwayRelease

/// Carries one run down the road, as far as it goes.
///
/// Every step can be repeated: what has passed before a restart is not done again, and what was under way
/// finds its own traces (the version by its tag, the commit by its text).
struct Road: Sendable {
    let ports: EnginePorts
    let settings: EngineSettings
    let spec: PipelineSpec
    let journal: RunJournal
    let folder: RunFolder
    let events: RunEvents
    let id: RunID
    let model: ModelName
    /// Whether a step that found something unreachable stays to be tried again, instead of failing the run.
    var triesAgain = false

    /// - Throws: ``RoadStop`` where it ends early, `CancellationError` when it was cancelled.
    func travel() async throws {
        try await depart()
        if await journal.record.promotion == nil {
            for step in spec.steps {
                if step.name == .train { try await checkDrift(isTrained: false) }
                try await runCommand(step)
            }
            try await checkDrift(isTrained: true)
        }
        if spec.includes(.evaluate) { try await evaluate() }
        if spec.includes(.register) { try await register() }
        if spec.includes(.ready) { try await makeReady() }
        if spec.includes(.load) { try await load() }
        if spec.includes(.smoke) { try await smoke() }
        guard spec.until == nil else { return }
        try await rollOut()
    }

    /// Notes what serves now, before anything is done.
    func depart() async throws {
        try folder.make()
        let record = await journal.record
        guard record.state == .queued else { return }
        guard spec.until == nil || spec.drift != nil || spec.evaluate?.champion != nil else {
            return try await journal.update { $0.state = .running }
        }
        let serving: ServingRelease?
        do {
            serving = try await releases.serving()
        } catch let error as PlatformError where !triesAgain || error.code != .unavailable {
            throw RoadStop(kind: .failed, step: "start", reason: sentence(error))
        }
        if spec.until == nil, let busy = serving?.release { try expectWhole(busy, step: "start") }
        try await journal.update {
            $0.state = .running
            $0.champion = serving?.release.champion.version
        }
    }

    /// A rollout begins from one version that has all the traffic.
    func expectWhole(_ release: Release, step: String) throws(RoadStop) {
        guard release.variants.count(where: { $0.weight != .zero }) > 1 else { return }
        throw RoadStop(
            kind: .superseded,
            step: step,
            reason: "release '\(model)' divides its traffic already; finish or roll back that rollout first"
        )
    }

    var releases: ReleaseWriter {
        ReleaseWriter(
            repository: ports.repository,
            path: ReleaseFile.path(of: model, in: settings.environment),
            attemptsMax: settings.commitAttemptsMax,
            clock: ports.clock
        )
    }

    /// Does a step unless it is done, and records how it went.
    ///
    /// - Throws: ``RoadStop`` when the step refuses or fails.
    @discardableResult
    func step(
        _ name: StepName,
        _ part: String? = nil,
        _ body: (RunRecord) async throws -> StepOutcome
    ) async throws -> StepRecord {
        let before = await journal.record
        if let done = before.step(name, part), done.state == .passed || done.state == .skipped { return done }
        let started = ports.wallClock.now
        try await journal.update(name, part) {
            $0.state = .running
            $0.attempt += 1
            $0.started = started
            $0.finished = nil
            $0.details = []
            $0.verdict = nil
        }
        let outcome: StepOutcome
        var stop: RoadStop?
        do {
            let result = try await body(await journal.record)
            try Task.checkCancellation()
            outcome = result
        } catch let known as RoadStop {
            stop = known
            outcome = StepOutcome(
                state: known.kind == .refused ? .refused : .failed,
                verdict: nil,
                details: [known.reason]
            )
        } catch let error where error is CancellationError || Task.isCancelled {
            // Whether somebody cancelled the run or the platform stops is not known here.
            throw CancellationError()
        } catch let error as PlatformError where triesAgain && error.code == .unavailable {
            try await journal.update(name, part) {
                $0.state = .waiting
                $0.details = [sentence(error)]
            }
            throw error
        } catch {
            outcome = StepOutcome(state: .failed, verdict: nil, details: [sentence(error)] + causes(error))
        }
        let finished = ports.wallClock.now
        try await journal.update(name, part) {
            $0.state = outcome.state
            $0.verdict = outcome.verdict
            $0.details = outcome.details
            $0.finished = finished
        }
        if let stop { throw stop }
        let title = StepRecord(name: name, part: part).title
        switch outcome.state {
        case .refused: throw RoadStop(kind: .refused, step: title, reason: outcome.reason)
        case .failed: throw RoadStop(kind: .failed, step: title, reason: outcome.reason)
        default: return await journal.record.step(name, part) ?? StepRecord(name: name, part: part)
        }
    }

    /// The operator's part of an error, for the record's details.
    private func causes(_ error: any Error) -> [String] {
        guard let known = error as? PlatformError, let cause = known.cause else { return [] }
        return ["cause: \(String(describing: cause).prefix(500))"]
    }

    func progress(_ step: StepName, _ text: String) {
        events.publish(.progress(step: step, text: text), of: id)
    }

    /// Appends a proof, and notes it with the condition it stands for.
    func prove(
        _ kind: String,
        observed: JSONValue,
        verdict: Verdict = .pass,
        commit: CommitID? = nil,
        condition: SuccessCondition? = nil
    ) async throws {
        let record = await journal.record
        var subjects: [String: Digest] = [:]
        for (path, text) in record.digests { subjects[path] = try Digest(text) }
        let digest = try await ports.proofs.append(
            Transition(
                kind: kind,
                environment: settings.environment,
                model: model,
                version: record.candidate,
                run: id,
                commit: commit,
                subjects: subjects,
                observed: observed,
                verdict: verdict,
                time: ports.wallClock.now
            )
        )
        try await journal.update {
            $0.proofs.append(digest.text)
            if let condition { $0.conditions.insert(condition) }
        }
    }
}

extension JSONValue {
    static func lines(_ lines: [String]) -> JSONValue { .array(lines.map { .string($0) }) }
}
