import ArgumentParser
import Foundation
import Logging
import SlipwayClients
import SlipwayCore
import SlipwayPipeline
import SlipwayPipelineRunner
import SlipwayStorage
import UnixSignals

struct StepCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "step",
        abstract: "One step of a run, for Airflow or another orchestrator.",
        discussion: """
            Each step may be another process, in another pod: they share the home, where the run's record and
            files are. The first one names the project. A step that is done is not done again, so it may be
            repeated at will; a gate's verdict stands. 'rollback' ends a run that goes no further, 'notify' one
            that has arrived; --list says which steps a project has, in order.

            The last line on stdout is the outcome, with --output json as JSON. Exit codes: 0 passed or skipped;
            5 refused, failed, or not its turn; 7 something did not answer: the same step is to be tried again.

              slipway step --list --project examples/tumor
              slipway step train --run r1 --project examples/tumor --env dev
              slipway step shift --part 10 --run r1 --env dev
            """
    )

    @Argument(help: "The step's name.") var name: String?
    @Option(name: .customLong("run"), help: ArgumentHelp("The run's id; any text makes one.", valueName: "id")) var runName: String?
    @Option(help: ArgumentHelp("Which of several: the weight of shift and observe, 'promote', a command's name.", valueName: "part"))
    var part: String?
    @Option(help: ArgumentHelp("The folder of the training project.", valueName: "folder")) var project: String?
    @Option(name: .customLong("set"), help: ArgumentHelp("A parameter for the project's steps; may be repeated.", valueName: "key=value"))
    var settings: [String] = []
    @Flag(help: "Only list the project's steps.") var list = false
    @Option(help: "Seconds to wait for another process that is at work on the run.") var waitSeconds: Int = 3600
    @OptionGroup var options: EnvironmentOptions
    @OptionGroup var engines: EngineOptions
    @OptionGroup var observe: ObserveOptions
    @OptionGroup var logs: LogOptions

    func run() async throws {
        if list { return try listSteps() }
        guard let name, let step = StepName(rawValue: name) else {
            throw PlatformError(
                .invalidArgument,
                name.map { "there is no step '\($0)'" } ?? "no step is named",
                remedy: "the steps are \(StepName.allCases.map(\.rawValue).joined(separator: ", "))"
            )
        }
        guard let runName, !runName.isEmpty else {
            throw PlatformError(.invalidArgument, "no run is named", remedy: "give '--run ID', the same for all steps of the run")
        }
        let id = try Self.runID(runName)
        let record = try await untilSignal { try await perform(step, id) }
        let outcome = StepReport(record, step, part)
        Talk.data(options.output == .json ? outcome.json.canonicalText : outcome.text)
        guard outcome.isFine else { throw ExitCode(5) }
    }

    /// The id itself, or one that is made of it: Airflow's hold letters and signs that ours do not.
    static func runID(_ text: String) throws -> RunID {
        if let id = try? RunID(text) { return id }
        return try RunID("x\(Digest(of: text.utf8).hex.prefix(24))")
    }

    private func listSteps() throws {
        let spec = try PipelineSpec(yaml: Self.pipeline(of: try folder(required: true) ?? ""))
        let list = StepList(spec)
        guard options.output == .text else { return Talk.data(list.json.canonicalText) }
        for step in list.steps { Talk.data("\(step.task.padding(to: 20)) \(readable(step.limit))") }
    }

    private func folder(required: Bool) throws -> String? {
        guard let project else {
            guard required else { return nil }
            throw PlatformError(.invalidArgument, "no project is named", remedy: "give '--project FOLDER'")
        }
        let path = URL(filePath: project, directoryHint: .isDirectory).standardizedFileURL.absoluteURL.path
        return path.hasSuffix("/") && path.count > 1 ? String(path.dropLast()) : path
    }

    private static func pipeline(of folder: String) throws -> String {
        guard let bytes = try AtomicFile("\(folder)/pipeline.yaml").contents(bytesMax: Limits.yamlBytesMax) else {
            throw PlatformError(.notFound, "there is no pipeline.yaml in '\(folder)'", remedy: "name the folder of a training project, such as examples/tumor")
        }
        guard let text = String(validating: bytes, as: UTF8.self) else { throw PlatformError(.invalidArgument, "'pipeline.yaml' is not UTF-8") }
        return text
    }

    /// A signal ends the step's commands, and leaves the step to be done again.
    private func untilSignal(_ body: @escaping @Sendable () async throws -> RunRecord) async throws -> RunRecord {
        let signals = await UnixSignalsSequence(trapping: .sigterm, .sigint)
        return try await withThrowingTaskGroup(of: RunRecord?.self) { group in
            group.addTask { try await body() }
            group.addTask {
                for await _ in signals { return nil }
                return nil
            }
            defer { group.cancelAll() }
            guard let first = try await group.next(), let record = first else {
                group.cancelAll()
                while (try? await group.next()) != nil {}
                throw PlatformError(.unavailable, "the step was ended by a signal", remedy: "run the same command again: it goes on from here")
            }
            return record
        }
    }

    private func perform(_ step: StepName, _ id: RunID) async throws -> RunRecord {
        let logger = try logs.logger("slipway.step")
        let home = EnvironmentHome(root: options.root.path, environment: try options.environmentName())
        try home.create()
        let lock = try await FileLock.acquire(
            "\(home.runsFolder)/\(id).lock", for: "run '\(id)'", limit: .seconds(max(0, waitSeconds))
        )
        defer { withExtendedLifetime(lock) {} }
        let connections = HTTPConnections()
        do {
            let engine = try await StepEngine.make(home, run: id, engines: engines, observe: observe, connections: connections, logger: logger)
            _ = try await engine.adopt(id, project: try folder(required: false), parameters: try RunCommand.parameters(settings))
            let record = try await watched(engine, id) { try await engine.perform(step, part: part, of: id) }
            try await connections.close()
            return record
        } catch {
            // The first error is the one to tell.
            try? await connections.close()
            throw error
        }
    }

    /// What the step's commands write goes to stderr as it comes.
    private func watched(
        _ engine: PipelineEngine,
        _ id: RunID,
        _ body: @escaping @Sendable () async throws -> RunRecord
    ) async throws -> RunRecord {
        let events = try await engine.liveEvents(of: id)
        return try await withThrowingTaskGroup(of: RunRecord?.self) { group in
            group.addTask { try await body() }
            group.addTask {
                for await event in events {
                    switch event {
                    case .output(_, let line): Talk.note(line)
                    case .progress(let step, let text): Talk.note("\(step.rawValue): \(text)")
                    case .run: continue
                    }
                }
                return nil
            }
            defer { group.cancelAll() }
            while let next = try await group.next() {
                if let next { return next }
            }
            throw PlatformError(.unexpected, "the step ended without an outcome")
        }
    }
}
