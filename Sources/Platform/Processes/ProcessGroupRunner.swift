import Foundation
import SlipwayCore
public import SlipwayPipeline
import Subprocess
import SystemPackage

/// Runs each command in a session of its own, so that it ends as a whole: the program and everything it
/// has started that is still in its group.
///
/// Standard input is `/dev/null`; standard output and standard error come as one stream, in order. After
/// the program itself has ended, whatever it left behind is killed, and a child that keeps the pipe open
/// delays nothing.
public struct ProcessGroupRunner: CommandRunner {
    private let clock: any Clock<Duration>
    private let grace: Duration

    /// - Parameter grace: How long a group has between TERM and KILL.
    public init(clock: any Clock<Duration> = ContinuousClock(), grace: Duration = .seconds(5)) {
        self.clock = clock
        self.grace = grace
    }

    /// - Throws: `not_found` when there is no such program or folder, `CancellationError` when the task was
    ///   cancelled; the group has ended by then.
    public func run(
        _ command: Command,
        onLine: @escaping @Sendable (String) -> Void
    ) async throws -> CommandResult {
        let configuration = try configuration(for: command)
        let result = try await withThrowingTaskGroup(of: CommandResult?.self) { group in
            group.addTask { try await Self.run(configuration, command: command, onLine: onLine) }
            group.addTask {
                // Cancelled as soon as the program has ended.
                do { try await clock.sleep(for: command.timeout) } catch { return nil }
                return .timedOut
            }
            var result: CommandResult?
            while let next = try await group.next() {
                guard let next else { continue }
                // The timeout comes first only if it is over; cancelling ends the process group.
                if result == nil { result = next }
                group.cancelAll()
            }
            return result
        }
        try Task.checkCancellation()
        guard let result else { throw CancellationError() }
        return result
    }

    public func endLeftovers(key: String, value: String) async -> Int {
        ProcessTable.end(environmentEntry: "\(key)=\(value)")
    }

    private func configuration(for command: Command) throws -> Configuration {
        guard let program = command.arguments.first, !program.isEmpty else {
            throw PlatformError(.invalidArgument, "a command has no program")
        }
        var isFolder: ObjCBool = false
        guard FileManager.default.fileExists(atPath: command.directory, isDirectory: &isFolder),
            isFolder.boolValue
        else {
            throw PlatformError(.notFound, "the folder of command '\(program)' does not exist")
        }
        var options = PlatformOptions()
        options.createSession = true
        options.teardownSequence = [
            .send(signal: .terminate, toProcessGroup: true, allowedDurationToNextStep: grace)
        ]
        var environment: [Environment.Key: String] = [:]
        for (key, value) in command.environment {
            guard let key = Environment.Key(rawValue: key) else { continue }
            environment[key] = value
        }
        return Configuration(
            executable: Self.executable(program, in: command.directory),
            arguments: Arguments(Array(command.arguments.dropFirst())),
            environment: .custom(environment),
            workingDirectory: FilePath(command.directory),
            platformOptions: options
        )
    }

    /// A name is looked up in `PATH`; a path is relative to the command's folder.
    private static func executable(_ program: String, in directory: String) -> Executable {
        guard program.contains("/") else { return .name(program) }
        return .path(
            program.hasPrefix("/") ? FilePath(program) : FilePath(directory).pushing(FilePath(program))
        )
    }

    private static func run(
        _ configuration: Configuration,
        command: Command,
        onLine: @escaping @Sendable (String) -> Void
    ) async throws -> CommandResult {
        do {
            let outcome = try await Subprocess.run(
                configuration,
                input: .none,
                output: .sequence,
                error: .combinedWithOutput
            ) { execution in
                var splitter = LineSplitter()
                do {
                    for try await buffer in execution.standardOutput {
                        buffer.withUnsafeBytes { splitter.take($0, onLine: onLine) }
                        // A child that never stops writing must not keep a cancelled read busy.
                        if Task.isCancelled { break }
                    }
                } catch is SubprocessError {
                    // The pipe broke: the exit status still tells how the program ended.
                }
                splitter.finish(onLine: onLine)
            }
            ProcessTable.endGroup(outcome.processIdentifier.value)
            switch outcome.terminationStatus {
            case .exited(let code): return .exited(code)
            case .signaled(let signal): return .signalled(signal)
            }
        } catch let error as SubprocessError {
            throw platformError(error, command: command)
        }
    }

    private static func platformError(_ error: SubprocessError, command: Command) -> PlatformError {
        let program = command.arguments.first ?? ""
        switch error.code {
        case .executableNotFound:
            return PlatformError(
                .notFound,
                "command '\(program)' was not found",
                remedy: "install it, or check PATH and the virtual environment",
                cause: error
            )
        case .spawnFailed:
            return PlatformError(
                .notFound,
                "command '\(program)' could not be started",
                remedy: "check that the file exists and may be executed",
                cause: error
            )
        default:
            return PlatformError(.unavailable, "command '\(program)' could not be run", cause: error)
        }
    }
}
