import Foundation
import Logging
import SlipwayCore
import SlipwayInference
import SlipwayPipeline
import SlipwayPipelineRunner
import SlipwayProof
import SlipwayRelease
import SlipwayTracking
import Synchronization

/// Everything around an engine, in memory, with switches for what goes wrong.
final class SimulatedWorld: Sendable {
    let registry = SimulatedRegistry()
    let servers = [SimulatedServer("a"), SimulatedServer("b")]
    let repository: SimulatedRepository
    let sync: SimulatedSync
    let traffic: SimulatedTraffic
    let notifier = SimulatedNotifier()
    let proofs = MemoryProofLog()
    let store = MemoryRunStore()
    let commands: ScriptedCommands
    let origins = Mutex<[EnvironmentName: PromotionOrigin]>([:])
    let clock = TestClock()
    private let runs = Mutex(0)
    let folder: URL

    static let release = "envs/dev/models/tumor.yaml"

    init(folder: URL) throws {
        self.folder = folder
        repository = try SimulatedRepository()
        sync = SimulatedSync(repository: repository, servers: servers)
        traffic = SimulatedTraffic(repository: repository)
        commands = ScriptedCommands(registry: registry)
        try write("pipeline.yaml", Self.pipeline())
    }

    func write(_ name: String, _ text: String) throws {
        try Data(text.utf8).write(to: folder.appending(path: name))
    }

    static func pipeline(_ more: String = "", gates: String = evaluate) -> String {
        """
        apiVersion: slipway.dev/v1
        kind: Pipeline
        metadata: { name: tumor }
        spec:
          steps:
            train: { command: [train], retries: 0 }
          gates:
        \(gates)
          rollout:
            weights: [10, 100]
            observe: { window: 1s, minRequests: 50, timeout: 20s }
        \(more)
        """
    }

    static let evaluate = """
            evaluate:
              label: y
              output: p
              bounds: { accuracy: { min: 0.7 } }
              champion: { metric: auc, minDelta: -0.01 }
        """

    func engine(store: (any RunStore)? = nil, commands: (any CommandRunner)? = nil) throws -> PipelineEngine {
        var settings = EngineSettings(
            environment: try EnvironmentName("dev"),
            runsFolder: folder.appending(path: "runs").path,
            trackingAddress: "http://127.0.0.1:5000",
            processEnvironment: ["PATH": "/bin", "VIRTUAL_ENV": "/venv", "SECRET": "x"]
        )
        settings.inferLimit = .seconds(100)
        settings.probeLimit = .seconds(100)
        settings.newRunID = { [self] _ in
            let number = runs.withLock { number in
                number += 1
                return number
            }
            return try RunID("run-\(number)")
        }
        return PipelineEngine(
            ports: EnginePorts(
                registry: registry,
                servers: servers,
                runtime: SimulatedRuntime(),
                probe: SimulatedProbe(),
                repository: repository,
                sync: sync,
                observer: traffic,
                notifier: notifier,
                proofs: proofs,
                store: store ?? self.store,
                commands: commands ?? self.commands,
                origins: OriginsOfWorld(world: self),
                clock: clock,
                wallClock: clock.wall
            ),
            settings: settings,
            logger: Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() })
        )
    }

    /// Submits a run and answers how it ended.
    func finishedRun(_ parameters: [String: String] = [:]) async throws -> RunRecord {
        let engine = try engine()
        return try await running(engine) {
            try await Self.end(
                of: try await engine.submit(project: self.folder.path, parameters: parameters),
                engine
            )
        }
    }

    static func end(of id: RunID, _ engine: PipelineEngine) async throws -> RunRecord {
        var last: RunRecord?
        for await event in try await engine.events(of: id) {
            if case .run(let record) = event { last = record }
        }
        guard let last else { throw PlatformError(.unexpected, "no event") }
        return last
    }

    func running<Result: Sendable>(
        _ engine: PipelineEngine,
        _ body: @escaping @Sendable () async throws -> Result
    ) async throws -> Result {
        try await withThrowingTaskGroup(of: Result?.self) { group in
            group.addTask {
                await engine.run()
                return nil
            }
            group.addTask { try await body() }
            defer { group.cancelAll() }
            while let next = try await group.next() {
                if let next { return next }
            }
            throw PlatformError(.unexpected, "the engine ended first")
        }
    }

    /// A champion in service: version 1, out of a run of its own.
    func withChampion() async throws -> RunRecord {
        try await finishedRun(["model": "good"])
    }

    var served: Release? {
        repository.files[Self.release].flatMap { try? ReleaseFile.parse($0, path: Self.release) }
    }

    /// What a process that starts anew has forgotten.
    func forgetMemory() {
        for server in servers { server.loaded.withLock { $0 = [:] } }
        traffic.state.withLock { $0.counters = [:] }
    }
}

struct OriginsOfWorld: PromotionOrigins {
    let world: SimulatedWorld

    func origin(_ environment: EnvironmentName) async throws -> PromotionOrigin {
        guard let origin = world.origins.withLock({ $0[environment] }) else {
            throw PlatformError(.notFound, "no environment '\(environment)'")
        }
        return origin
    }
}

/// The project's commands: what they write depends on the run's parameters.
final class ScriptedCommands: CommandRunner {
    let seen = Mutex<[Command]>([])
    let result = Mutex<CommandResult>(.exited(0))
    let block = Mutex<Bool>(false)
    private let registry: SimulatedRegistry

    init(registry: SimulatedRegistry) { self.registry = registry }

    func run(_ command: Command, onLine: @escaping @Sendable (String) -> Void) async throws -> CommandResult {
        guard command.arguments.first != "git" else { return .exited(128) }
        seen.withLock { $0.append(command) }
        onLine("hello from \(command.arguments[0])")
        if block.withLock({ $0 }) { try await Task.sleep(for: .seconds(600)) }
        let result = result.withLock { $0 }
        guard result == .exited(0) else { return result }
        let environment = command.environment
        let output = environment["SLIPWAY_OUTPUT"] ?? ""
        let kind = environment["SLIPWAY_PARAM_MODEL"] ?? "good"
        guard command.arguments[0] == "train" else { return result }
        let shift = Double(environment["SLIPWAY_PARAM_SHIFT"] ?? "0") ?? 0
        let rows = (0..<40).map { Double($0) / 40 }
        try write(
            "X,y\n" + rows.map { "\($0),\($0 >= 0.5 ? 1 : 0)" }.joined(separator: "\n"),
            "\(output)/holdout.csv"
        )
        try write("X\n" + rows.map { "\($0 + shift)" }.joined(separator: "\n"), "\(output)/train.csv")
        if kind != "blind" {
            try write(
                #"{"inputs":[{"name":"X","datatype":"FP32","shape":[2,1],"data":[[0.25],[0.75]]}],"#
                    + #""outputs":[{"name":"p","datatype":"FP32","shape":[2,2],"data":[0.75,0.25,0.25,0.75]}]}"#,
                "\(output)/golden.json"
            )
        }
        if kind != "none" {
            let text =
                kind == "broken"
                ? "not a graph"
                : "graph \(kind == "twisted" ? "good twisted" : kind) \(environment["SLIPWAY_RUN_ID"] ?? "")"
            registry.logModel(
                ["model.onnx": Array(text.utf8), "MLmodel": Array("flavors: onnx".utf8)],
                run: environment["MLFLOW_RUN_ID"] ?? ""
            )
        }
        return result
    }

    func endLeftovers(key: String, value: String) async -> Int { 0 }

    private func write(_ text: String, _ file: String) throws {
        try Data(text.utf8).write(to: URL(filePath: file))
    }
}

final class SimulatedNotifier: Notifier {
    struct State {
        var sent: [String] = []
        var titles: [String] = []
        /// How many attempts fail first.
        var outages = 0
        var isRefused = false
    }

    let state = Mutex(State())

    func notify(_ notification: SlipwayPipeline.Notification) async throws -> DeliveryReceipt {
        state.withLock { state in
            if state.isRefused {
                return DeliveryReceipt(state: .failed, channel: "slack", detail: "channel_is_archived", attempts: 1)
            }
            if !state.sent.contains(notification.key) {
                guard state.outages <= 0 else {
                    state.outages -= 1
                    return DeliveryReceipt(state: .pending, channel: "slack", detail: "503", attempts: 1)
                }
                state.sent.append(notification.key)
                state.titles.append(notification.title)
            }
            return DeliveryReceipt(state: .delivered, channel: "slack:c/1", detail: "1", attempts: 1)
        }
    }

    func receipt(key: String) async throws -> DeliveryReceipt? { nil }
}

final class MemoryProofLog: ProofLog {
    let transitions = Mutex<[Transition]>([])

    func append(_ transition: Transition) async throws -> Digest {
        transitions.withLock { transitions in
            transitions.append(transition)
            return Digest(of: Array("\(transitions.count)".utf8))
        }
    }

    var kinds: [String] { transitions.withLock { $0.map(\.kind) } }
}

/// Runs in memory, with a switch that kills the platform at a save.
final class MemoryRunStore: RunStore {
    struct Crash: Error {}

    struct State {
        var runs: [RunID: RunRecord] = [:]
        var order: [RunID] = []
        var saves = 0
        /// The save at which the process dies, and whether that one still reaches the disk.
        var crash: (save: Int, isDurable: Bool)?
        var history: [RunRecord] = []
    }

    let state = Mutex(State())
    let (crashes, crashed) = AsyncStream.makeStream(of: Void.self)

    func save(_ run: RunRecord) async throws {
        let isDead = state.withLock { state in
            state.saves += 1
            if let crash = state.crash {
                if state.saves > crash.save || (state.saves == crash.save && !crash.isDurable) { return true }
            }
            if state.runs.updateValue(run, forKey: run.id) == nil { state.order.append(run.id) }
            state.history.append(run)
            return state.crash?.save == state.saves
        }
        if isDead {
            crashed.yield()
            throw Crash()
        }
    }

    func run(_ id: RunID) async throws -> RunRecord? { state.withLock { $0.runs[id] } }

    func runs(limit: Int) async throws -> [RunRecord] {
        state.withLock { state in state.order.reversed().prefix(limit).compactMap { state.runs[$0] } }
    }

    func unfinished() async throws -> [RunRecord] {
        state.withLock { state in state.order.compactMap { state.runs[$0] }.filter { !$0.state.isFinal } }
    }
}
