import Foundation
import SlipwayCore
import SlipwayPipeline
import SlipwayTesting
import Synchronization
import Testing

@testable import SlipwayProcesses

@Suite("Process groups", .timeLimit(.minutes(2)))
struct ProcessGroupRunnerTests {
    @Test("Lines of both streams come in order; the exit code and the folder are the command's")
    func lines() async throws {
        try await withScratchFolder { folder in
            let (result, lines) = try await shell("pwd; echo two >&2; printf 'no end'; exit 3", in: folder)
            #expect(result == .exited(3))
            #expect(lines.dropFirst() == ["two", "no end"])
            #expect(lines.first?.hasSuffix(folder.lastPathComponent) == true)
        }
    }

    @Test("Standard input is empty, and the environment is only what was given")
    func isolated() async throws {
        try await withScratchFolder { folder in
            let (result, lines) = try await shell(
                "cat; env | grep -v -e ^PWD= -e ^_= -e ^SHLVL= -e ^OLDPWD= | sort",
                in: folder
            )
            #expect(result == .exited(0))
            #expect(lines == ["KEY=a b", "PATH=/usr/bin:/bin"])
        }
    }

    @Test("Bytes that are no UTF-8 are repaired, and an endless line comes in pieces")
    func oddOutput() async throws {
        try await withScratchFolder { folder in
            let (_, lines) = try await shell(
                "printf 'a\\377b\\n'; head -c 40000 /dev/zero | tr '\\0' x; printf '\\n10%%\\r100%%\\n'",
                in: folder
            )
            #expect(lines.first == "a\u{FFFD}b")
            #expect(lines.dropFirst().map(\.utf8.count) == [16_384, 16_384, 7_232, 4])
            #expect(lines.last == "100%")
        }
    }

    @Test("A timeout ends the whole group, a child that ignores TERM included")
    func timeout() async throws {
        try await withScratchFolder { folder in
            let script = "trap '' TERM; (trap '' TERM; sleep 300) & echo $!; sleep 300"
            let lines = Lines()
            let result = try await runner.run(command(script, in: folder, timeout: .seconds(3))) {
                lines.add($0)
            }
            #expect(result == .timedOut)
            let child = try #require(lines.all.first.flatMap { Int32($0) })
            #expect(await isGone(child))
        }
    }

    @Test("Cancelling the task ends the group and throws")
    func cancel() async throws {
        try await withScratchFolder { folder in
            let lines = Lines()
            let (started, signal) = AsyncStream.makeStream(of: Void.self)
            let command = command("sleep 300 & echo $!; wait", in: folder)
            await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask {
                    _ = try await runner.run(command) {
                        lines.add($0)
                        signal.yield()
                    }
                }
                for await _ in started { break }
                group.cancelAll()
                await #expect(throws: CancellationError.self) { try await group.next() }
            }
            let child = try #require(lines.all.first.flatMap { Int32($0) })
            #expect(await isGone(child))
        }
    }

    @Test("A grandchild that keeps the pipe open does not keep the command, and is ended after it")
    func grandchild() async throws {
        try await withScratchFolder { folder in
            let clock = ContinuousClock()
            let start = clock.now
            let (result, lines) = try await shell("sleep 300 & echo $!", in: folder)
            #expect(result == .exited(0))
            #expect(clock.now - start < .seconds(60))
            let child = try #require(lines.first.flatMap { Int32($0) })
            #expect(await isGone(child))
        }
    }

    @Test("A program that ends by a signal says which")
    func signalled() async throws {
        try await withScratchFolder { folder in
            let (result, _) = try await shell("kill -SEGV $$", in: folder)
            #expect(result == .signalled(11))
        }
    }

    @Test(
        "A program, a path or a folder that is not there is a clear error",
        arguments: ["no-such-program", "./no-such", "/no/such"]
    )
    func notFound(program: String) async throws {
        try await withScratchFolder { folder in
            let command = Command(
                arguments: [program],
                directory: folder.path,
                environment: ["PATH": "/usr/bin"],
                timeout: .seconds(5)
            )
            let error = await #expect(throws: PlatformError.self) { try await runner.run(command) { _ in } }
            #expect(error?.code == .notFound)
            #expect(error?.message.contains("'\(program)'") == true)
            let noFolder = Command(
                arguments: ["sh"],
                directory: "/no/such",
                environment: [:],
                timeout: .seconds(5)
            )
            let missing = await #expect(throws: PlatformError.self) {
                try await runner.run(noFolder) { _ in }
            }
            #expect(missing?.code == .notFound)
        }
    }

    @Test("A path with a slash is relative to the command's folder")
    func relativeProgram() async throws {
        try await withScratchFolder { folder in
            let file = folder.appending(path: "tool")
            try writeShellScript("echo tool $1", at: file)
            let lines = Lines()
            let command = Command(
                arguments: ["./tool", "x"],
                directory: folder.path,
                environment: ["PATH": "/bin"],
                timeout: .seconds(60)
            )
            #expect(try await runner.run(command) { lines.add($0) } == .exited(0))
            #expect(lines.all == ["tool x"])
        }
    }

    @Test("Leftovers of a killed platform are found by their environment, and nothing else is touched")
    func leftovers() async throws {
        try await withScratchFolder { folder in
            let mark = folder.lastPathComponent
            let left = Process()
            left.executableURL = URL(filePath: "/bin/sleep")
            left.arguments = ["300"]
            left.environment = ["SLIPWAY_RUN_ID": mark]
            try left.run()
            defer { left.terminate() }
            // A process that has just been started shows its environment a moment later.
            #expect(await isSoon { self.environment(of: left.processIdentifier).contains(mark) })
            #expect(await runner.endLeftovers(key: "SLIPWAY_RUN_ID", value: mark + "x") == 0)
            #expect(left.isRunning)
            #expect(await runner.endLeftovers(key: "SLIPWAY_RUN_ID", value: mark) == 1)
            #expect(await isSoon { !left.isRunning })
            try #require(!left.isRunning)
            #expect(left.terminationReason == .uncaughtSignal)
        }
    }

    private let runner = ProcessGroupRunner(grace: .milliseconds(200))

    private func shell(_ script: String, in folder: URL) async throws -> (CommandResult, [String]) {
        let lines = Lines()
        let result = try await runner.run(command(script, in: folder)) { lines.add($0) }
        return (result, lines.all)
    }

    private func command(_ script: String, in folder: URL, timeout: Duration = .seconds(100)) -> Command {
        Command(
            arguments: ["sh", "-c", script],
            directory: folder.path,
            environment: ["PATH": "/usr/bin:/bin", "KEY": "a b"],
            timeout: timeout
        )
    }

    /// KILL is sent, the kernel takes a moment.
    private func isGone(_ process: Int32) async -> Bool {
        await isSoon {
            let state = FileManager.default.contents(atPath: "/proc/\(process)/stat")
                .map { String(decoding: $0, as: UTF8.self) }
            // A zombie has ended; whoever adopted it has not looked yet.
            guard let state else { return true }
            return state.contains(") Z ")
        }
    }

    private func environment(of process: Int32) -> String {
        FileManager.default.contents(atPath: "/proc/\(process)/environ")
            .map { String(decoding: $0, as: UTF8.self) } ?? ""
    }

    /// Whether `condition` holds within ten seconds; the kernel needs none of them, a busy machine may.
    private func isSoon(_ condition: () -> Bool) async -> Bool {
        for _ in 0..<5_000 {
            if condition() { return true }
            try? await Task.sleep(for: .milliseconds(2))
        }
        return false
    }
}

private final class Lines: Sendable {
    private let lines = Mutex<[String]>([])

    func add(_ line: String) { lines.withLock { $0.append(line) } }
    var all: [String] { lines.withLock { $0 } }
}
