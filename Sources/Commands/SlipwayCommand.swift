public import ArgumentParser
import Foundation
import SlipwayCore

/// The root of the command line.
public struct SlipwayCommand: AsyncParsableCommand {
    public static let configuration = CommandConfiguration(
        commandName: "slipway",
        abstract: "Train, register, validate, deploy, shift traffic, roll back: a model's whole life from Git.",
        discussion: """
            Start the platform, then send a training project down the road:

              slipway up --env dev
              slipway run examples/tumor --env dev
              slipway status

            Data goes to stdout, talk to stderr; --output json makes every command readable for programs.
            Exit codes: 0 done, 1 unexpected, 2 invalid, 3 not found, 4 exists already, 5 wrong state,
            6 limit reached, 7 not reachable, 8 corrupt, 9 not allowed, 10 no valid token; a run that was refused, failed or rolled back is 5.
            """,
        version: slipwayVersion,
        groupedSubcommands: [
            CommandGroup(name: "The platform", subcommands: [UpCommand.self, StatusCommand.self, AppCommand.self, OptionalCommand.self]),
            CommandGroup(name: "The road", subcommands: [RunCommand.self, RunsCommand.self, StepCommand.self, ReleaseCommand.self]),
            CommandGroup(name: "Evidence", subcommands: [ProofCommand.self, RegistryCommand.self]),
            CommandGroup(
                name: "One engine alone",
                subcommands: [TrackingCommand.self, ServeCommand.self, GatewayCommand.self, ReconcileCommand.self, ModelCommand.self]
            ),
        ]
    )

    public init() {}

    /// Parses the arguments, runs the command and ends the process with its exit code.
    public static func runToExit() async -> Never {
        do {
            var command = try parseAsRoot()
            if var asyncCommand = command as? any AsyncParsableCommand {
                try await asyncCommand.run()
            } else {
                try command.run()
            }
            Foundation.exit(0)
        } catch let error as PlatformError {
            Talk.error(error)
            Foundation.exit(error.code.exitCode.rawValue)
        } catch {
            exit(withError: error)
        }
    }
}

/// The version of this build.
let slipwayVersion = "0.1.0"
