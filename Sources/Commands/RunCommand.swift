import ArgumentParser
import Foundation
import SlipwayClients
import SlipwayCore
import SlipwayPipeline

struct RunCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run",
        abstract: "Send a training project down the road and watch it.",
        discussion: """
            The project is a folder with a pipeline.yaml. The run goes on in the platform when this command
            is ended; 'slipway runs watch ID' looks again. Exit code 0: in service, all six conditions hold;
            5: refused, failed or rolled back.

              slipway run examples/tumor --env dev --set quality=better

            With --orchestrator airflow the DAG 'lifecycle-MODEL' does the steps; SLIPWAY_AIRFLOW_USER and
            SLIPWAY_AIRFLOW_PASSWORD, or SLIPWAY_AIRFLOW_TOKEN, say who starts it.
            """
    )

    @Argument(help: ArgumentHelp("The folder of the training project.", valueName: "project"))
    var project: String

    @OptionGroup var options: EnvironmentOptions

    @Option(name: .customLong("set"), help: ArgumentHelp("A parameter for the project's steps; may be repeated.", valueName: "key=value"))
    var settings: [String] = []

    @Flag(help: "Only start it: print its id and return.")
    var detach = false

    @Option(help: "Who does the steps: the platform's own engine, or Airflow.")
    var orchestrator: Orchestrator = .embedded

    @Option(help: ArgumentHelp("Airflow's address, else SLIPWAY_AIRFLOW.", valueName: "url"))
    var airflow: String?

    enum Orchestrator: String, ExpressibleByArgument, CaseIterable {
        case embedded
        case airflow
    }

    /// `--set key=value`, each.
    static func parameters(_ settings: [String]) throws -> [String: String] {
        var parameters: [String: String] = [:]
        for setting in settings {
            guard let equals = setting.firstIndex(of: "="), equals != setting.startIndex else {
                throw PlatformError(.invalidArgument, "'--set \(setting)' is not key=value")
            }
            parameters[String(setting[..<equals])] = String(setting[setting.index(after: equals)...])
        }
        return parameters
    }

    func run() async throws {
        let folder = URL(filePath: project, directoryHint: .isDirectory).standardizedFileURL.absoluteURL
        guard FileManager.default.fileExists(atPath: folder.appending(path: "pipeline.yaml").path) else {
            throw PlatformError(.notFound, "there is no pipeline.yaml in '\(project)'", remedy: "name the folder of a training project, such as examples/tumor")
        }
        let parameters = try Self.parameters(settings)
        // A trailing slash would make the folder another project.
        let path = folder.path.hasSuffix("/") && folder.path.count > 1 ? String(folder.path.dropLast()) : folder.path
        let body: JSONValue = ["project": .string(path), "parameters": .object(parameters.mapValues { .string($0) })]
        if orchestrator == .airflow {
            let yaml = try String(contentsOf: folder.appending(path: "pipeline.yaml"), encoding: .utf8)
            let run = AirflowRun(model: try PipelineSpec(yaml: yaml).name, parameters: parameters, output: options.output)
            return try await run.start(airflow, isDetached: detach)
        }
        try await PlatformConnection.with(options) { platform in
            let answer = try await platform.control.post("runs", body)
            guard let id = answer["id"]?.stringValue else { throw PlatformError(.unexpected, "the platform answered no run id") }
            guard !detach else { return Talk.data(options.output == .json ? answer.canonicalText : id) }
            try await RunWatch(control: platform.control, output: options.output).watch(id)
        }
    }
}
