import Foundation
import SlipwayCore
import Subprocess
import SystemPackage

/// Runs `git` on one repository, bounded in time and output, without a shell and without the user's
/// configuration.
struct GitProcess: Sendable {
    let gitFolder: String

    enum Bound {
        static let localSeconds = 20
        static let remoteSeconds = 60
        static let outputBytesMax = 64 << 20
        static let messageBytesMax = 64 << 10
    }

    struct Failure: Error, CustomStringConvertible {
        let arguments: [String]
        let status: String
        let message: String
        var description: String { "git \(arguments.first ?? ""): \(message.isEmpty ? status : message)" }
    }

    /// - Returns: Standard output.
    /// - Throws: ``Failure`` when git ends with anything but 0, or `unavailable` when the time is over.
    func callAsFunction(
        _ arguments: [String],
        input: [UInt8] = [],
        environment extra: [String: String] = [:],
        seconds: Int = Bound.localSeconds
    ) async throws -> [UInt8] {
        try await withThrowingTaskGroup(of: [UInt8]?.self) { group in
            group.addTask { try await run(arguments, input: input, extra: extra) }
            group.addTask {
                do { try await Task.sleep(for: .seconds(seconds)) } catch { return [] }
                return nil
            }
            defer { group.cancelAll() }
            guard let first = try await group.next(), let output = first else {
                throw PlatformError(.unavailable, "git did not answer within \(seconds) s", remedy: "check that the repository can be reached")
            }
            return output
        }
    }

    private func run(_ arguments: [String], input: [UInt8], extra: [String: String]) async throws -> [UInt8] {
        var environment: [Environment.Key: String] = [
            "GIT_DIR": gitFolder, "GIT_TERMINAL_PROMPT": "0", "GIT_CONFIG_NOSYSTEM": "1", "LC_ALL": "C",
            "GIT_AUTHOR_NAME": "slipway", "GIT_AUTHOR_EMAIL": "slipway@localhost",
            "GIT_COMMITTER_NAME": "slipway", "GIT_COMMITTER_EMAIL": "slipway@localhost",
        ]
        let inherited = ProcessInfo.processInfo.environment
        for key in ["PATH", "HOME", "SSH_AUTH_SOCK", "GIT_SSH_COMMAND", "SSL_CERT_FILE", "SSL_CERT_DIR"] {
            if let value = inherited[key], let name = Environment.Key(rawValue: key) { environment[name] = value }
        }
        for (key, value) in extra {
            if let name = Environment.Key(rawValue: key) { environment[name] = value }
        }
        var options = PlatformOptions()
        options.teardownSequence = [.send(signal: .terminate, allowedDurationToNextStep: .milliseconds(200))]
        let result = try await Subprocess.run(
            Configuration(
                executable: .name("git"),
                arguments: Arguments(arguments),
                environment: .custom(environment),
                platformOptions: options
            ),
            input: .array(input),
            output: .bytes(limit: Bound.outputBytesMax),
            error: .string(limit: Bound.messageBytesMax)
        )
        guard result.terminationStatus.isSuccess else {
            let message = result.standardError.trimmingCharacters(in: .whitespacesAndNewlines)
            throw Failure(arguments: arguments, status: "\(result.terminationStatus)", message: message)
        }
        return result.standardOutput
    }

    func text(
        _ arguments: [String],
        input: [UInt8] = [],
        environment: [String: String] = [:],
        seconds: Int = Bound.localSeconds
    ) async throws -> String {
        let output = try await self(arguments, input: input, environment: environment, seconds: seconds)
        return String(decoding: output, as: UTF8.self).trimmingCharacters(in: .newlines)
    }
}
