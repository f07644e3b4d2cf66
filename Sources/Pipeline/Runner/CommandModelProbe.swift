import SlipwayCore
public import SlipwayPipeline
import Synchronization

/// Opens a model in a child process: a program of ours that gets the file as its last argument and prints
/// a ``ModelProbeReport`` as one line of JSON.
///
/// A graph that makes its runtime crash or hang ends that process, and the run is refused with the reason.
public struct CommandModelProbe: ModelProbe {
    /// How much of what a failing probe says is repeated.
    private static let linesMax = 20

    private let commands: any CommandRunner
    private let program: [String]
    private let environment: [String: String]

    /// - Parameters:
    ///   - program: Such as `[/path/of/slipway, model, probe]`.
    ///   - environment: The whole environment of the child, with what leads to the runtime's library.
    public init(commands: any CommandRunner, program: [String], environment: [String: String]) {
        self.commands = commands
        self.program = program
        self.environment = environment
    }

    public func probe(file: String, timeout: Duration) async throws -> ModelProbeReport {
        let kept = KeptLines(max: Self.linesMax)
        let command = Command(
            arguments: program + [file],
            directory: "/",
            environment: environment,
            timeout: timeout
        )
        switch try await commands.run(command, onLine: { kept.add($0) }) {
        case .exited(0):
            guard let line = kept.all.last(where: { $0.hasPrefix("{") }) else {
                throw PlatformError(.unexpected, "the model probe printed no report")
            }
            return try JSONValue(parsing: line).decoded(as: ModelProbeReport.self)
        case .exited(let code):
            throw PlatformError(
                .invalidArgument,
                "the model does not load: \(kept.all.first { !$0.isEmpty } ?? "the probe exited with \(code)")"
            )
        case .signalled(let signal):
            throw PlatformError(.invalidArgument, "the model made its runtime crash (signal \(signal))")
        case .timedOut:
            throw PlatformError(.exhausted, "the model did not load within \(timeout.milliseconds) ms")
        }
    }
}

/// The first lines that a command wrote, up to a limit, and always the last.
private final class KeptLines: Sendable {
    private let lines = Mutex<[String]>([])
    private let max: Int

    init(max: Int) { self.max = max }

    func add(_ line: String) {
        lines.withLock { lines in
            if lines.count >= max { lines.removeLast() }
            lines.append(String(line.prefix(8_192)))
        }
    }

    var all: [String] { lines.withLock { $0 } }
}
