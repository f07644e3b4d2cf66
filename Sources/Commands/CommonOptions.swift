import ArgumentParser
import Foundation
import SlipwayCore

enum OutputFormat: String, ExpressibleByArgument, CaseIterable {
    case text
    case json
}

/// What every command that looks at an environment takes.
struct EnvironmentOptions: ParsableArguments {
    @Option(name: .long, help: "The environment: dev, prod, …")
    var env: String = "dev"

    @Option(name: .long, help: ArgumentHelp("Where everything local lives.", valueName: "folder"))
    var home: String = ".slipway"

    @Option(name: .long, help: "text for people, json for programs.")
    var output: OutputFormat = .text

    func environmentName() throws -> EnvironmentName { try EnvironmentName(env) }

    /// The root of all environments' homes, absolute.
    var root: URL { URL(filePath: home, directoryHint: .isDirectory).standardizedFileURL.absoluteURL }

    var environmentFolder: URL { root.appending(path: env, directoryHint: .isDirectory) }
}
