import ArgumentParser
import Foundation
import SlipwayCore

struct UpCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "up",
        abstract: "All embedded engines of one environment and the reconciler, in this process.",
        discussion: """
            Everything lives under <home>/<env>; the release repository, shared by all environments, is
            <home>/release.git unless --repository names another. Runs that a crash has left are finished
            or rolled back first. Ctrl-C drains and stops.

              slipway up --env dev
            """
    )

    @OptionGroup var options: EnvironmentOptions
    @OptionGroup var ports: PortOptions
    @OptionGroup var pyfunc: PyfuncOptions
    @OptionGroup var logs: LogOptions

    @Option(help: ArgumentHelp("The Git repository of the releases: a URL or a path.", valueName: "url"))
    var repository: String?

    func run() async throws {
        let environment = try options.environmentName()
        let platform = try await Platform.start(
            Platform.Settings(
                environment: environment,
                root: options.root,
                host: ports.host,
                ports: try ports.resolved(for: environment),
                repository: repository,
                python: pyfunc.python,
                logger: try logs.logger("slipway")
            )
        )
        try await platform.run { endpoints, seconds in
            if options.output == .json { return Talk.data(try JSONValue(encoding: endpoints).canonicalText) }
            Talk.data("slipway \(slipwayVersion), environment \(environment), ready in \(Int(seconds * 1000)) ms")
            for (name, address) in endpoints.table { Talk.data("  \(name.padding(to: 14)) \(address)") }
            Talk.data("  \("releases".padding(to: 14)) \(platform.repositoryAddress)")
            Talk.data("next: slipway run PROJECT --env \(environment)")
        }
    }
}
