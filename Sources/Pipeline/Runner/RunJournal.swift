import Logging
import SlipwayCore
import SlipwayPipeline

/// A run's record: changed, stored and told to watchers, in that order.
///
/// One task at a time writes it, the run's own.
actor RunJournal {
    private(set) var record: RunRecord
    private let store: any RunStore
    private let events: RunEvents
    private let logger: Logger?

    init(_ record: RunRecord, store: any RunStore, events: RunEvents, logger: Logger? = nil) {
        self.logger = logger
        self.record = record
        self.store = store
        self.events = events
    }

    /// Returns once the change is on disk. A change that could not be stored has not happened.
    func update(_ change: @Sendable (inout RunRecord) -> Void) async throws {
        var next = record
        change(&next)
        try await store.save(next)
        let lines = logger == nil ? [] : RunLogLine.lines(from: record, to: next)
        record = next
        events.publish(next)
        for line in lines { logger?.log(level: line.level, "\(line.message)", metadata: line.metadata) }
    }

    func update(
        _ name: StepName,
        _ part: String?,
        _ change: @Sendable (inout StepRecord) -> Void
    ) async throws {
        try await update { record in
            guard let index = record.index(name, part) else { return }
            change(&record.steps[index])
        }
    }
}

extension RunRecord {
    func index(_ name: StepName, _ part: String?) -> Int? {
        steps.firstIndex { $0.name == name && $0.part == part }
    }

    func step(_ name: StepName, _ part: String? = nil) -> StepRecord? {
        index(name, part).map { steps[$0] }
    }

    /// Whether a commit of this run may be in Git.
    var mayBeInGit: Bool { releaseIntended != nil }
}
