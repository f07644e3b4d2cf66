import ArgumentParser
import Foundation

/// One trial: a folder of its own, children that end with it, and an exit code that says how it went.
enum Trial {
    /// Runs `body` in a new folder below the temporary one.
    ///
    /// - Parameters:
    ///   - name: What the folder is called after.
    ///   - keepsFailure: Whether the folder of a failure stays, to be looked at.
    ///   - failed: What is said of a failure, before its reason.
    static func run(_ name: String, keepsFailure: Bool, failed: String, _ body: (URL) throws -> Void) throws {
        let signals = Child.endAllOnSignals()
        defer { signals.forEach { $0.cancel() } }
        let home = FileManager.default.temporaryDirectory.appending(path: "slipway-\(name)-\(ProcessInfo.processInfo.processIdentifier)")
        try FileManager.default.createDirectory(at: home, withIntermediateDirectories: true)
        do {
            try body(home)
            Child.endAll()
            try FileManager.default.removeItem(at: home)
        } catch {
            Child.endAll()
            if !keepsFailure { try? FileManager.default.removeItem(at: home) }
            say("shakedown: \(failed): \(error)" + (keepsFailure ? "\n  its folder is kept: \(home.path)" : ""))
            throw ExitCode(1)
        }
    }
}
