import Foundation
public import Logging
public import ServiceLifecycle
public import SlipwayCore
public import SlipwayPipeline
public import SlipwayRelease

/// Accepts runs and carries each down the road, one at a time a model.
///
/// Everything it knows is in the run store: when the platform is killed, ``recover()`` takes up what was
/// under way. ``run()`` must be running for anything to happen.
public actor PipelineEngine: Service {
    let ports: EnginePorts
    let settings: EngineSettings
    private let logger: Logger
    let events = RunEvents()
    /// Accepted and not begun, oldest first.
    private var queue: [RunRecord] = []
    private var active: [RunID: ActiveRun] = [:]
    private let wakeups: AsyncStream<Void>
    private let wake: AsyncStream<Void>.Continuation

    private struct ActiveRun {
        let model: ModelName
        /// Whether it keeps other runs of its model waiting.
        var holdsModel: Bool
        let cancel: AsyncStream<Void>.Continuation
    }

    public init(ports: EnginePorts, settings: EngineSettings, logger: Logger) {
        self.ports = ports
        self.settings = settings
        self.logger = logger
        (wakeups, wake) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
    }

    /// Carries runs out until it is cancelled or the process shuts down; what is under way then stays in
    /// the store, for ``recover()`` of the next engine. Once an engine.
    public func run() async {
        await cancelWhenGracefulShutdown {
            await self.carryOut()
        }
    }

    /// How the runs of this process stand.
    public nonisolated var tally: RunTally { events.tally }

    private func carryOut() async {
        await withDiscardingTaskGroup { group in
            wake.yield()
            for await _ in wakeups {
                while let (record, cancels) = begin() {
                    group.addTask { await self.execute(record, cancels: cancels) }
                }
            }
        }
    }

    /// Accepts a run of the project in an absolute folder.
    ///
    /// - Returns: Once it is on disk.
    /// - Throws: `invalid_argument` for a bad `pipeline.yaml`, `not_found` without one, `exhausted` when
    ///   too many runs wait.
    public func submit(project: String, parameters: [String: String]) async throws -> RunID {
        let record = try await draft(nil, project: project, parameters: parameters)
        try await accept(record)
        return record.id
    }

    /// A run's record, queued and not yet kept anywhere.
    ///
    /// - Parameter id: `nil`: a new one.
    func draft(_ id: RunID?, project: String, parameters: [String: String]) async throws -> RunRecord {
        guard project.hasPrefix("/") else {
            throw PlatformError(
                .invalidArgument,
                "project '\(project.prefix(200))' is not an absolute folder"
            )
        }
        try Self.check(parameters)
        let file = "\(project)/pipeline.yaml"
        guard FileManager.default.fileExists(atPath: file) else {
            throw PlatformError(
                .notFound,
                "there is no 'pipeline.yaml' in project '\((project as NSString).lastPathComponent)'"
            )
        }
        let bytes = try RunFolder.read(file, called: "pipeline.yaml", bytesMax: Limits.yamlBytesMax)
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw PlatformError(.invalidArgument, "'pipeline.yaml' is not UTF-8")
        }
        let spec = try PipelineSpec(yaml: text)
        let now = ports.wallClock.now
        var record = RunRecord(
            id: try id ?? settings.newRunID(now),
            model: spec.name,
            project: project,
            projectCommit: await commit(of: project),
            parameters: parameters,
            created: now,
            steps: spec.stepRecords()
        )
        record.pipeline = text
        return record
    }

    private static let parametersMax = 100
    private static let parameterBytesMax = 8_192

    private static func check(_ parameters: [String: String]) throws(PlatformError) {
        guard parameters.count <= parametersMax else {
            throw PlatformError(.invalidArgument, "more than \(parametersMax) parameters")
        }
        for (key, value) in parameters {
            let isWord = key.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"):
                    true
                default: false
                }
            }
            guard !key.isEmpty, key.utf8.count <= 64, isWord else {
                throw PlatformError(
                    .invalidArgument,
                    "parameter '\(key.prefix(80))' is not letters, digits or '_'"
                )
            }
            guard value.utf8.count <= parameterBytesMax, !value.utf8.contains(0) else {
                throw PlatformError(
                    .invalidArgument,
                    "the value of parameter '\(key)' is too long or holds a zero byte"
                )
            }
        }
    }

    private static let commitLimit = Duration.seconds(5)

    /// The project's commit, with `-dirty` when its files differ from it; `nil` outside a repository.
    private func commit(of project: String) async -> String? {
        let lines = LastLine()
        let command = Command(
            arguments: ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"],
            directory: project,
            environment: ["PATH": settings.processEnvironment["PATH"] ?? "/usr/bin:/bin", "LC_ALL": "C"],
            timeout: Self.commitLimit
        )
        let result = try? await ports.commands.run(command) { lines.set($0) }
        guard result == .exited(0), let line = lines.value else { return nil }
        return line.count <= 64 ? line : nil
    }

    func accept(_ record: RunRecord) async throws {
        guard queue.count + active.count < settings.queueMax else {
            throw PlatformError(
                .exhausted,
                "\(settings.queueMax) runs are accepted already",
                remedy: "wait until one has ended"
            )
        }
        try await ports.store.save(record)
        enqueue(record)
    }

    func enqueue(_ record: RunRecord) {
        events.publish(record)
        queue.append(record)
        wake.yield()
    }

    /// The next run whose model is free.
    private func begin() -> (RunRecord, AsyncStream<Void>)? {
        let busy = Set(active.values.filter(\.holdsModel).map(\.model))
        guard busy.count < settings.modelsAtOnceMax,
            let index = queue.firstIndex(where: { !busy.contains($0.model) })
        else {
            return nil
        }
        let record = queue.remove(at: index)
        let (cancels, cancel) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        active[record.id] = ActiveRun(model: record.model, holdsModel: true, cancel: cancel)
        return (record, cancels)
    }

    private func execute(_ record: RunRecord, cancels: AsyncStream<Void>) async {
        defer {
            active[record.id] = nil
            wake.yield()
        }
        let journal = RunJournal(record, store: ports.store, events: events, logger: logger)
        do {
            let road = Road(
                ports: ports,
                settings: settings,
                spec: try PipelineSpec(yaml: record.pipeline),
                journal: journal,
                folder: RunFolder(record.id, in: settings.runsFolder),
                events: events,
                id: record.id,
                model: record.model
            )
            if record.state != .pendingNotify { try await carry(road, record, cancels: cancels) }
            active[record.id]?.holdsModel = false
            wake.yield()
            try await road.awaitDelivery()
        } catch is CancellationError {
            logger.info("run interrupted by the platform's stop", metadata: ["run.id": "\(record.id)"])
        } catch {
            logger.error(
                "run stopped: its record could not be kept",
                metadata: ["run.id": "\(record.id)", "error": "\(error)"]
            )
        }
    }

    private enum End: Sendable {
        case arrived
        case stopped(RoadStop)
        case cancelRequested
        case interrupted
    }

    /// - Throws: `CancellationError` when the platform stops, any other when the record cannot be stored.
    private func carry(_ road: Road, _ record: RunRecord, cancels: AsyncStream<Void>) async throws {
        // A verdict that was recorded before a restart stands.
        if let stop = record.recordedStop { return try await road.settle(stop) }
        if record.isCancelRequested { return try await road.settle(nil) }
        let end = try await withThrowingTaskGroup(of: End.self) { group in
            group.addTask {
                do {
                    try await road.travel()
                    return .arrived
                } catch let stop as RoadStop {
                    return .stopped(stop)
                } catch is CancellationError {
                    return .interrupted
                }
            }
            group.addTask {
                for await _ in cancels { return .cancelRequested }
                return .interrupted
            }
            let first = try await group.next() ?? .interrupted
            group.cancelAll()
            // A run that arrived while it was being cancelled has arrived.
            let second = try await group.next() ?? .interrupted
            if case .cancelRequested = first, case .arrived = second { return End.arrived }
            return first
        }
        try Task.checkCancellation()
        switch end {
        case .arrived: try await road.arrive()
        case .stopped(let stop): try await road.settle(stop)
        case .cancelRequested:
            try await road.journal.update { $0.isCancelRequested = true }
            try await road.settle(nil)
        case .interrupted: throw CancellationError()
        }
    }

    /// Asks a run to end: before `attach` it is cancelled, after it rolled back.
    ///
    /// - Throws: `not_found`, or `failed_precondition` when it has ended or can no longer be stopped.
    public func cancel(_ id: RunID) async throws {
        if let index = queue.firstIndex(where: { $0.id == id }), queue[index].state == .queued {
            var record = queue.remove(at: index)
            record.state = .cancelled
            record.summary = "cancelled before it began"
            record.finished = ports.wallClock.now
            for step in record.steps.indices { record.steps[step].state = .cancelled }
            try await ports.store.save(record)
            return events.publish(record)
        }
        if let index = queue.firstIndex(where: { $0.id == id }), queue[index].state == .running {
            // Taken up after a restart, and not begun again yet.
            queue[index].isCancelRequested = true
            return try await ports.store.save(queue[index])
        }
        if let running = active[id], running.holdsModel {
            running.cancel.yield()
            return
        }
        let record = try await run(id)
        throw PlatformError(
            .failedPrecondition,
            "run '\(id)' is \(record.state.rawValue) and cannot be cancelled"
        )
    }

    /// - Throws: `not_found`.
    public func run(_ id: RunID) async throws -> RunRecord {
        if let latest = events.latest(id) { return latest }
        guard let stored = try await ports.store.run(id) else {
            throw PlatformError(.notFound, "there is no run '\(id)'")
        }
        return stored
    }

    /// Newest first.
    public func runs(limit: Int) async throws -> [RunRecord] {
        try await ports.store.runs(limit: limit)
    }

    /// The run as it stands, then everything that happens to it, until it has ended.
    public func events(of id: RunID) async throws -> AsyncStream<RunEvent> {
        if let stream = try events.watch(id) { return stream }
        let record = try await run(id)
        return AsyncStream { continuation in
            continuation.yield(.run(record))
            continuation.finish()
        }
    }
}

extension PipelineEngine: CandidateHolds {
    /// From the store, so that a restart holds the same.
    public func held() async throws -> [ModelName: Set<ModelVersion>] {
        try await ports.store.unfinished().reduce(into: [:]) { held, run in
            if let candidate = run.candidate { held[run.model, default: []].insert(candidate) }
        }
    }
}
