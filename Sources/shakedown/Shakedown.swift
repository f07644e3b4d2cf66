import ArgumentParser
import Foundation

/// Tries the built platform the way its users will: whole processes, real training, real load.
///
/// A tool for developers and CI, apart from `slipway` so that nothing of it ships.
@main
struct Shakedown: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "shakedown",
        abstract: "Try the built platform: demo, soak, crash, artifacts, import, cycles, bench, bench-tracking, proof.",
        discussion: "  shakedown demo     a model's whole road on real data, checked at every turn",
        subcommands: [
            DemoCommand.self, SoakCommand.self, CrashCommand.self, ArtifactsCommand.self, ImportCommand.self, CyclesCommand.self, BenchCommand.self, BenchTrackingCommand.self,
            HelloCommand.self, GRPCLoadCommand.self, ProofCommand.self,
        ]
    )
}

/// What differed from what was promised.
struct Difference: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) {
        self.description = description
    }
}

/// Throws a ``Difference`` when a promise does not hold.
func require(_ holds: Bool, _ sentence: @autoclosure () -> String) throws {
    guard holds else { throw Difference(sentence()) }
}

/// Prints a line at once, also into a pipe: children write to the same place.
func say(_ text: String) {
    try? FileHandle.standardOutput.write(contentsOf: Data((text + "\n").utf8))
}
