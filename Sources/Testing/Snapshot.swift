import Foundation
public import Testing

/// Compares `actual` with the file `Snapshots/<name>` beside the test.
///
/// `SNAPSHOTS=update` writes what the test got, and `git diff` shows the change to review. A missing
/// snapshot is written on a developer's machine and fails in CI.
public func expectSnapshot(
    _ actual: String,
    named name: String,
    filePath: String = #filePath,
    sourceLocation: SourceLocation = #_sourceLocation
) throws {
    let environment = ProcessInfo.processInfo.environment
    let folder = URL(filePath: filePath).deletingLastPathComponent().appending(path: "Snapshots")
    let file = folder.appending(path: name)
    let exists = FileManager.default.fileExists(atPath: file.path)

    guard environment["SNAPSHOTS"] != "update", exists || environment["CI"] != nil else {
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        try Data(actual.utf8).write(to: file)
        return
    }
    guard exists else {
        Issue.record("no snapshot '\(name)': run once with SNAPSHOTS=update", sourceLocation: sourceLocation)
        return
    }
    let expected = try String(contentsOf: file, encoding: .utf8)
    #expect(actual == expected, "snapshot '\(name)' differs", sourceLocation: sourceLocation)
}
