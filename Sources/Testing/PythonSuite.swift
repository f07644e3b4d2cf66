import Foundation
public import Testing

/// Runs one of the Python suites of `Tests/Conformance` and fails with what it printed.
///
/// A missing Python or client fails too: conformance that was not shown is not there.
public func expectPythonSuite(
    _ path: String,
    environment extra: [String: String],
    seconds: Int = 180,
    sourceLocation: SourceLocation = #_sourceLocation
) async throws {
    let python = conformancePython
    guard FileManager.default.isExecutableFile(atPath: python) else {
        Issue.record("there is no Python at \(python): run 'make setup', or set SLIPWAY_PYTHON", sourceLocation: sourceLocation)
        return
    }
    let process = Process()
    process.executableURL = URL(filePath: python)
    process.arguments = [packageRoot.appending(path: path).path]
    process.environment = ProcessInfo.processInfo.environment.merging(extra) { _, new in new }
    process.standardInput = FileHandle.nullDevice
    let log = FileManager.default.temporaryDirectory.appending(path: "slipway-suite-\(UUID().uuidString).log")
    defer { try? FileManager.default.removeItem(at: log) }
    try Data().write(to: log)
    let output = try FileHandle(forWritingTo: log)
    process.standardOutput = output
    process.standardError = output
    let ended = AsyncStream<Void>.makeStream()
    process.terminationHandler = { _ in ended.continuation.finish() }
    try process.run()
    let watchdog = Task {
        try await Task.sleep(for: .seconds(seconds))
        process.terminate()
    }
    for await _ in ended.stream {}
    watchdog.cancel()
    _ = await watchdog.result
    let text = String(decoding: try Data(contentsOf: log), as: UTF8.self)
    #expect(process.terminationStatus == 0, "\(path) failed:\n\(text.suffix(6000))", sourceLocation: sourceLocation)
    // unittest exits 0 when it found nothing to run.
    #expect(text.contains("OK") && !text.contains("Ran 0 tests"), "\(path) ran no test:\n\(text.suffix(500))", sourceLocation: sourceLocation)
}
