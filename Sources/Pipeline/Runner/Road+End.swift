import SlipwayCore
import SlipwayPipeline
import SlipwayRelease
import SlipwayTracking

extension Road {
    /// Brings a run that has arrived to its end: says so, or waits to have said so.
    func arrive() async throws {
        let record = await journal.record
        if let last = spec.until {
            return try await finish(.succeeded, "ended after \(last.rawValue), as the pipeline asks")
        }
        if record.step(.notify)?.state == .passed {
            return try await finish(.succeeded, serviceSentence(record))
        }
        if record.step(.notify)?.state != .running {
            let now = ports.wallClock.now
            try await journal.update(.notify, nil) {
                $0.state = .running
                $0.attempt += 1
                $0.started = now
            }
        }
        if try await deliver() == .out { return }
        guard spec.notify.isRequired else {
            let now = ports.wallClock.now
            try await journal.update(.notify, nil) {
                $0.state = .skipped
                $0.finished = now
            }
            return try await finish(
                .succeeded,
                "\(serviceSentence(record)); the notification is still on its way"
            )
        }
        try await journal.update {
            $0.state = .pendingNotify
            $0.summary = "\(serviceSentence(record)); the notification is not out yet"
        }
    }

    /// Tries again until the notification is out or the policy's limit is over.
    func awaitDelivery() async throws {
        while true {
            let record = await journal.record
            guard record.state == .pendingNotify else { return }
            let waited = record.step(.notify)?.started.map { ports.wallClock.now.since($0) } ?? .zero
            if waited >= spec.notify.limit { return try await giveUpDelivery(record) }
            try await ports.clock.sleep(for: settings.notifyPause)
            switch try await deliver() {
            case .out: return
            case .dead where spec.notify.atLimit == .keep: return try await giveUpDelivery(await journal.record)
            case .dead, .waiting: continue
            }
        }
    }

    private enum Delivery {
        /// The run has ended with it.
        case out
        case waiting
        /// It will never go out: more waiting changes nothing.
        case dead
    }

    private func deliver() async throws -> Delivery {
        let record = await journal.record
        let receipt: DeliveryReceipt
        do {
            receipt = try await ports.notifier.notify(
                notification("promoted", serviceSentence(record), record)
            )
        } catch let error as PlatformError {
            receipt = DeliveryReceipt(state: .pending, channel: "", detail: error.message, attempts: 0)
        }
        let line = "\(receipt.state.rawValue) by '\(receipt.channel)': \(receipt.detail)"
        guard receipt.state == .delivered || receipt.state == .accepted else {
            try await journal.update(.notify, nil) { $0.details = [line] }
            return receipt.state == .failed ? .dead : .waiting
        }
        if !record.conditions.contains(.notified) {
            try await prove(
                "notified",
                observed: [
                    "state": .string(receipt.state.rawValue), "channel": .string(receipt.channel),
                    "detail": .string(receipt.detail),
                ],
                condition: .notified
            )
        }
        let now = ports.wallClock.now
        try await journal.update(.notify, nil) {
            $0.state = .passed
            $0.details = [line]
            $0.finished = now
        }
        try await finish(.succeeded, serviceSentence(record))
        return .out
    }

    private func giveUpDelivery(_ record: RunRecord) async throws {
        let line = record.step(.notify)?.details.first ?? "no answer"
        try await journal.update(.notify, nil) { $0.state = .failed }
        let waited = record.step(.notify)?.started.map { ports.wallClock.now.since($0) } ?? .zero
        let reason = "the notification was not out after \(waited.milliseconds) ms (\(line))"
        switch spec.notify.atLimit {
        case .keep: try await finish(.failed, "\(serviceSentence(record)), but \(reason)")
        case .rollback: try await settle(RoadStop(kind: .failed, step: "notify", reason: reason))
        }
    }

    private func serviceSentence(_ record: RunRecord) -> String {
        let version = record.candidate.map { "version \($0)" } ?? "the candidate"
        let before = record.champion.map { ", after version \($0)" } ?? ", its first release"
        return "\(version) of '\(model)' is in service with 100 %\(before)"
    }

    /// Ends a run that goes no further: before `attach` nothing has changed; after it, back to what served.
    ///
    /// - Parameter stop: `nil` when it was cancelled.
    func settle(_ stop: RoadStop?) async throws {
        let reason = stop?.sentence ?? "cancelled by request"
        try await closeSteps()
        let record = await journal.record
        guard record.mayBeInGit else {
            switch stop?.kind {
            case nil: return try await finish(.cancelled, reason)
            case .refused:
                try await prove("refused", observed: .lines([reason]), verdict: .fail)
                return try await finish(.refused, reason)
            case .failed, .superseded: return try await finish(.failed, reason)
            }
        }
        if record.rollbackReason == nil { try await journal.update { $0.rollbackReason = reason } }
        try await rollBack()
    }

    /// What was under way is so no more.
    private func closeSteps() async throws {
        let now = ports.wallClock.now
        try await journal.update { record in
            for index in record.steps.indices
            where record.steps[index].state == .running && record.steps[index].name != .rollback {
                record.steps[index].state = .cancelled
                record.steps[index].finished = now
            }
        }
    }

    /// Commits the release from before `attach`, whatever it takes up to a limit.
    func rollBack() async throws {
        let started = ports.wallClock.now
        try await journal.update { record in
            if record.step(.rollback) == nil { record.steps.append(StepRecord(name: .rollback)) }
            guard let index = record.index(.rollback, nil) else { return }
            record.steps[index].state = .running
            record.steps[index].attempt += 1
            record.steps[index].started = record.steps[index].started ?? started
        }
        let record = await journal.record
        let reason = record.rollbackReason ?? "unknown"
        let left = record.releaseCommit == nil ? record.releaseBefore : record.releaseLeft
        var failure = ""
        for attempt in 0..<settings.rollbackAttemptsMax {
            do {
                if record.releaseCommit == nil, try await isUntouched(record) {
                    return try await concludeUntouched(reason)
                }
                let outcome = try await releases.publish(
                    record.releaseBefore,
                    replacing: [left, record.releaseIntended],
                    message: message(
                        "Roll \(model) back from version \(record.candidate?.description ?? "?")",
                        record
                    )
                        + "\n\n\(reason)"
                )
                switch outcome {
                case .published(let commit): return try await concludeRollback(commit, reason)
                case .superseded(let text): return try await concludeSuperseded(text, reason)
                }
            } catch let error as PlatformError {
                failure = error.message
                progress(.rollback, failure)
                try await ports.clock.sleep(for: .milliseconds(min(500 << min(attempt, 6), 30_000)))
            }
        }
        let details = [failure]
        try await journal.update(.rollback, nil) {
            $0.state = .failed
            $0.details = details
        }
        try await finish(
            .failed,
            "\(reason). Rolling back did not work either: \(failure). Git still names the candidate"
        )
    }

    /// Whether Git never got this run's first commit.
    private func isUntouched(_ record: RunRecord) async throws -> Bool {
        let head = try await ports.repository.head()
        return try await ports.repository.file(releases.path, at: head) == record.releaseBefore
    }

    private func concludeUntouched(_ reason: String) async throws {
        try await journal.update(.rollback, nil) {
            $0.state = .skipped
            $0.details = ["nothing was committed"]
        }
        try await finish(await journal.record.isCancelRequested ? .cancelled : .failed, reason)
    }

    private func concludeRollback(_ commit: CommitID, _ reason: String) async throws {
        var details = ["commit \(commit.short)"]
        do {
            let report = try await ports.sync.sync(model, at: commit, deadline: settings.syncLimit)
            details += report.gatewayGenerations.sorted { $0.key < $1.key }.map {
                "gateway '\($0.key)' serves generation \($0.value)"
            }
        } catch let error as PlatformError {
            // Git says it, and the reconciler repeats it until it is so.
            details.append("not carried out yet: \(error.message)")
        }
        let record = await journal.record
        if record.step(.rollback)?.state != .passed {
            try await prove(
                "rolled-back",
                observed: .lines([reason] + details),
                verdict: .fail,
                commit: commit
            )
        }
        let (lines, now) = (details, ports.wallClock.now)
        try await journal.update { record in
            record.releaseCommit = commit
            record.releaseLeft = record.releaseBefore
            guard let index = record.index(.rollback, nil) else { return }
            record.steps[index].state = .passed
            record.steps[index].details = lines
            record.steps[index].finished = now
        }
        let after = record.champion.map { "version \($0) serves again" } ?? "nothing serves, as before"
        try await finish(.rolledBack, "\(reason). Rolled back: \(after) (commit \(commit.short))")
    }

    private func concludeSuperseded(_ text: String?, _ reason: String) async throws {
        let record = await journal.record
        let release = text.flatMap { try? ReleaseFile.parse($0, path: releases.path) }
        let isGone = !(release?.variants.contains { $0.version == record.candidate } ?? false)
        try await journal.update(.rollback, nil) {
            $0.state = .skipped
            $0.details = ["somebody else has changed the release; theirs stays"]
        }
        try await finish(
            isGone && record.releaseCommit != nil ? .rolledBack : .failed,
            "\(reason). Somebody else has changed the release since, and theirs stays"
        )
    }

    /// The run's end: told to people, noted in MLflow, and only then final.
    private func finish(_ state: RunState, _ sentence: String) async throws {
        let record = await journal.record
        let restarts = record.recoveries
        let summary =
            restarts == 0
            ? sentence
            : "\(sentence) (taken up again after \(restarts) restart\(restarts == 1 ? "" : "s") of the platform)"
        if state != .succeeded {
            do {
                _ = try await ports.notifier.notify(notification(state.rawValue, summary, record))
            } catch is PlatformError {
                // Nobody waits for this one; the outbox has it or not.
            }
        }
        if let run = record.trackingRunID {
            do {
                try await ports.registry.setRunTags(
                    ["slipway.state": state.rawValue, "slipway.summary": summary],
                    runID: run
                )
                try await ports.registry.endRun(id: run, status: Self.trackedStatus(state))
            } catch is PlatformError {
                // The run's own record is the truth; MLflow's copy may miss its last word.
            }
        }
        if settings.holdLimit != nil, let version = record.candidate {
            do {
                try await ports.registry.setVersionTags([VersionTag.held: ""], version: version, of: model)
            } catch is PlatformError {
                // It ends by itself, a little later.
            }
        }
        let now = ports.wallClock.now
        try await journal.update {
            $0.state = state
            $0.summary = summary
            $0.finished = now
        }
        folder.discardCopies()
    }

    private static func trackedStatus(_ state: RunState) -> String {
        switch state {
        case .cancelled: "KILLED"
        case .failed: "FAILED"
        default: "FINISHED"
        }
    }

    private func notification(_ event: String, _ sentence: String, _ record: RunRecord) -> Notification {
        var lines = ["environment \(settings.environment), run \(id)"]
        lines += record.steps.filter { $0.name.isGate && $0.verdict != nil }
            .map { "\($0.title): \($0.verdict?.rawValue ?? "")" }
        if let commit = record.releaseCommit { lines.append("commit \(commit.short)") }
        return Notification(
            key: "\(id)/\(event)",
            title: "[\(settings.environment)] \(sentence)",
            lines: lines
        )
    }
}
