import Foundation

/// A child process that ends with this one, whatever happens.
///
/// All children are registered; a signal or a failure ends them by their ids.
final class Child: @unchecked Sendable {
    /// Whose child it is: ``endAll()`` ends those of the caller's family, so that trials can go side by side.
    @TaskLocal static var family = UUID()

    private static let lock = NSLock()
    nonisolated(unsafe) private static var running: [ObjectIdentifier: Child] = [:]

    let process = Process()
    private let family = Child.family
    private let output: URL?

    /// - Parameter log: Where its output goes; `nil` lets it write to ours.
    init(_ program: String, _ arguments: [String], environment: [String: String] = [:], folder: URL? = nil, log: URL?) throws {
        process.executableURL = URL(filePath: program)
        process.arguments = arguments
        process.environment = ProcessInfo.processInfo.environment.merging(environment) { _, new in new }
        process.currentDirectoryURL = folder
        process.standardInput = FileHandle.nullDevice
        output = log
        if let log {
            try Data().write(to: log)
            let handle = try FileHandle(forWritingTo: log)
            process.standardOutput = handle
            process.standardError = handle
        }
    }

    func start() throws {
        try process.run()
        Self.lock.withLock { Self.running[ObjectIdentifier(self)] = self }
    }

    var id: Int32 { process.processIdentifier }

    /// What it has written so far.
    var text: String { output.flatMap { try? String(contentsOf: $0, encoding: .utf8) } ?? "" }

    /// Waits for its end, at most this long.
    func wait(seconds: Double) throws -> Int32 {
        let deadline = Date().addingTimeInterval(seconds)
        while process.isRunning {
            guard Date() < deadline else {
                kill()
                throw Difference("'\(process.executableURL?.lastPathComponent ?? "") \((process.arguments ?? []).joined(separator: " "))' did not end within \(Int(seconds)) s")
            }
            Thread.sleep(forTimeInterval: 0.02)
        }
        Self.lock.withLock { Self.running[ObjectIdentifier(self)] = nil }
        return process.terminationStatus
    }

    /// Asks it to stop, as a service manager does.
    func stop(seconds: Double = 25) throws -> Int32 {
        process.terminate()
        return try wait(seconds: seconds)
    }

    func kill() {
        if process.isRunning { Foundation.kill(process.processIdentifier, SIGKILL) }
    }

    static func endAll() { end { $0.family == family } }

    private static func end(_ isChosen: (Child) -> Bool) {
        let children = lock.withLock { Array(running.values) }.filter(isChosen)
        // The workers of a server that does not end them itself.
        let below = children.filter(\.process.isRunning).flatMap { processTree($0.id).dropFirst() }
        for child in children where child.process.isRunning { child.process.terminate() }
        let deadline = Date().addingTimeInterval(5)
        for child in children {
            while child.process.isRunning, Date() < deadline { Thread.sleep(forTimeInterval: 0.02) }
            child.kill()
        }
        for id in below { Foundation.kill(id, SIGKILL) }
    }

    /// Ends all children when this process is told to.
    static func endAllOnSignals() -> [any DispatchSourceSignal] {
        [SIGINT, SIGTERM, SIGHUP].map { number in
            signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
            source.setEventHandler {
                end { _ in true }
                exit(128 + number)
            }
            source.resume()
            return source
        }
    }
}
