import ArgumentParser
import SlipwayClients
import SlipwayCore
import SlipwayPipeline

struct RunsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "runs",
        abstract: "Look at runs, or cancel one.",
        subcommands: [RunsList.self, RunsShow.self, RunsWatch.self, RunsCancel.self],
        defaultSubcommand: RunsList.self
    )
}

struct RunsList: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "list", abstract: "The newest runs.")

    @OptionGroup var options: EnvironmentOptions

    @Option(help: "How many.")
    var limit: Int = 20

    func run() async throws {
        try await PlatformConnection.with(options) { platform in
            let answer = try await platform.control.get("runs?limit=\(limit)")
            guard options.output == .text else { return Talk.data(answer.canonicalText) }
            let runs = try (answer["runs"]?.arrayValue ?? []).map { try $0.decoded(as: RunRecord.self) }
            Talk.data(RunsView.table(runs))
        }
    }
}

struct RunsShow: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "show", abstract: "One run, step by step.")

    @Argument(help: "The run's id.")
    var id: String

    @OptionGroup var options: EnvironmentOptions

    func run() async throws {
        try await PlatformConnection.with(options) { platform in
            let answer = try await platform.control.get("runs/\(try RunID(id))")
            guard options.output == .text else { return Talk.data(answer.canonicalText) }
            var view = RunView(ink: .standard)
            for line in view.lines(for: .run(try answer.decoded(as: RunRecord.self))) { Talk.data(line) }
        }
    }
}

struct RunsWatch: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "watch", abstract: "Follow a run to its end.")

    @Argument(help: "The run's id.")
    var id: String

    @OptionGroup var options: EnvironmentOptions

    func run() async throws {
        try await PlatformConnection.with(options) { platform in
            try await RunWatch(control: platform.control, output: options.output).watch(try RunID(id).text)
        }
    }
}

struct RunsCancel: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cancel",
        abstract: "End a run; what it has put into service is rolled back."
    )

    @Argument(help: "The run's id.")
    var id: String

    @OptionGroup var options: EnvironmentOptions

    func run() async throws {
        try await PlatformConnection.with(options) { platform in
            _ = try await platform.control.post("runs/\(try RunID(id))/cancel", [:])
            Talk.note("run '\(id)' is being cancelled")
        }
    }
}
