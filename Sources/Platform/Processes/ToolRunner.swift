import SlipwayCore
import Subprocess
import SystemPackage

/// What a tool answered: all of it, output and messages apart.
public struct ToolAnswer: Sendable {
    /// As a shell has it: the exit code, or 128 + the signal.
    public let status: Int32
    public let output: [UInt8]
    public let messages: String

    public var text: String { String(decoding: output, as: UTF8.self) }
}

/// Runs a short-lived tool of others (helm, kubectl, git) to its end, bounded in time and output, without a shell.
public struct ToolRunner: Sendable {
    /// The largest output; a rendered chart with its definitions is below 4 MiB.
    public static let outputBytesMax = 64 << 20
    static let messageBytesMax = 256 << 10

    private let environment: [String: String]

    /// - Parameter environment: All that the tool sees.
    public init(environment: [String: String]) {
        self.environment = environment
    }

    /// - Parameter folder: Where it runs, absolute.
    /// - Throws: `not_found` when there is no such program, `unavailable` when the time is over, `exhausted`
    ///   when it writes too much. An exit code is an answer, not an error.
    public func run(
        _ program: String,
        _ arguments: [String],
        input: [UInt8] = [],
        folder: String,
        seconds: Int
    ) async throws -> ToolAnswer {
        try await withThrowingTaskGroup(of: ToolAnswer?.self) { group in
            group.addTask { try await call(program, arguments, input: input, folder: folder) }
            group.addTask {
                try await Task.sleep(for: .seconds(seconds))
                return nil
            }
            defer { group.cancelAll() }
            guard let first = try await group.next(), let answer = first else {
                throw PlatformError(.unavailable, "'\(Self.name(program))' did not end within \(seconds) s")
            }
            return answer
        }
    }

    private func call(_ program: String, _ arguments: [String], input: [UInt8], folder: String) async throws -> ToolAnswer {
        var variables: [Environment.Key: String] = [:]
        for (key, value) in environment {
            if let key = Environment.Key(rawValue: key) { variables[key] = value }
        }
        var options = PlatformOptions()
        options.teardownSequence = [.send(signal: .terminate, allowedDurationToNextStep: .milliseconds(500))]
        do {
            let result = try await Subprocess.run(
                Configuration(
                    executable: program.contains("/") ? .path(FilePath(program)) : .name(program),
                    arguments: Arguments(arguments),
                    environment: .custom(variables),
                    workingDirectory: FilePath(folder),
                    platformOptions: options
                ),
                input: .array(input),
                output: .bytes(limit: Self.outputBytesMax),
                error: .string(limit: Self.messageBytesMax)
            )
            let status: Int32 =
                switch result.terminationStatus {
                case .exited(let code): code
                case .signaled(let signal): 128 + signal
                }
            return ToolAnswer(status: status, output: result.standardOutput, messages: result.standardError)
        } catch let error as SubprocessError {
            switch error.code {
            case .executableNotFound, .spawnFailed:
                throw PlatformError(.notFound, "'\(Self.name(program))' was not found or cannot be started", cause: error)
            default:
                throw PlatformError(.exhausted, "'\(Self.name(program))' could not be run, or wrote more than \(Self.outputBytesMax >> 20) MiB", cause: error)
            }
        }
    }

    private static func name(_ program: String) -> String {
        String(program.split(separator: "/").last ?? Substring(program))
    }
}
