import SlipwayCore
import SlipwayPipeline
import SlipwayTracking

extension Road {
    /// Runs a command of the project, again as often as the step allows.
    func runCommand(_ userStep: UserStep) async throws {
        try await step(userStep.name, userStep.part) { record in
            var attempt = record.step(userStep.name, userStep.part)?.attempt ?? 1
            var failures: [String] = []
            for retry in 0...userStep.retries {
                if retry > 0 {
                    attempt += 1
                    let count = attempt
                    try await journal.update(userStep.name, userStep.part) { $0.attempt = count }
                }
                let trackingRun = try await trackedRun(isFresh: userStep.name == .train && attempt > 1)
                switch try await run(userStep, trackingRun: trackingRun) {
                case .none:
                    if userStep.name == .train, spec.until != .train { try await expectModel(trackingRun) }
                    return .passed(failures)
                case .some(let failure):
                    failures = Array((failures + failure).suffix(PipelineLimits.reportLinesMax))
                }
            }
            return StepOutcome(state: .failed, verdict: nil, details: failures)
        }
    }

    /// The MLflow run that the user's steps log to, made beforehand so that `mlflow.start_run()` takes it up.
    ///
    /// - Parameter isFresh: Whether to make a new one: a second attempt to train must not log over the first.
    private func trackedRun(isFresh: Bool) async throws -> String {
        let record = await journal.record
        if let known = record.trackingRunID, !isFresh { return known }
        var tags = [VersionTag.run: id.text, "slipway.environment": settings.environment.text]
        tags[VersionTag.commit] = record.projectCommit
        let made = try await ports.registry.createRun(experiment: spec.experiment, name: id.text, tags: tags)
        try await journal.update { $0.trackingRunID = made }
        return made
    }

    /// `nil` when the command exited with 0, else what to say about it.
    private func run(_ userStep: UserStep, trackingRun: String) async throws -> [String]? {
        let record = await journal.record
        let name = userStep.part ?? userStep.name.rawValue
        let log = RunLog(file: try folder.newFile(.logs, "\(name).log"), bytesMax: settings.logBytesMax)
        defer { log.close() }
        let command = Command(
            arguments: userStep.command,
            directory: record.project,
            environment: environment(userStep, record: record, trackingRun: trackingRun),
            timeout: userStep.timeout
        )
        let result = try await ports.commands.run(command) { [events, id] line in
            log.write(line)
            events.publish(.output(step: userStep.name, line: line), of: id)
        }
        let said = log.lastLines.map { "| \($0)" }
        switch result {
        case .exited(0): return nil
        case .exited(let code): return ["'\(userStep.command[0])' exited with \(code)"] + said
        case .signalled(let signal): return ["'\(userStep.command[0])' was ended by signal \(signal)"] + said
        case .timedOut:
            return [
                "'\(userStep.command[0])' was still running after \(userStep.timeout.milliseconds) ms and was ended"
            ] + said
        }
    }

    private static let handedOn = [
        "PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "USER", "VIRTUAL_ENV", "LD_LIBRARY_PATH", "SSL_CERT_FILE",
    ]

    private func environment(_ userStep: UserStep, record: RunRecord, trackingRun: String) -> [String: String]
    {
        var environment: [String: String] = ["PYTHONUNBUFFERED": "1"]
        for key in Self.handedOn { environment[key] = settings.processEnvironment[key] }
        let path = environment["PATH"] ?? "/usr/local/bin:/usr/bin:/bin"
        environment["PATH"] = environment["VIRTUAL_ENV"].map { "\($0)/bin:\(path)" } ?? path
        environment.merge(userStep.environment) { _, own in own }
        environment["MLFLOW_TRACKING_URI"] = settings.trackingAddress
        environment["MLFLOW_RUN_ID"] = trackingRun
        environment["MLFLOW_EXPERIMENT_NAME"] = spec.experiment
        environment["SLIPWAY_RUN_ID"] = id.text
        environment["SLIPWAY_ENV"] = settings.environment.text
        environment["SLIPWAY_MODEL"] = model.text
        environment["SLIPWAY_PROJECT"] = record.project
        environment["SLIPWAY_OUTPUT"] = folder.folder(.output)
        for (key, value) in record.parameters { environment["SLIPWAY_PARAM_\(key.uppercased())"] = value }
        return environment
    }

    private func expectModel(_ trackingRun: String) async throws {
        guard try await ports.registry.run(id: trackingRun).loggedModelIDs.isEmpty else { return }
        throw PlatformError(
            .failedPrecondition,
            "the training wrote no model",
            remedy: "log one to the run with mlflow.onnx.log_model(…, name=\"model\")"
        )
    }
}
