import Foundation
import SlipwayCore
import SlipwayStorage
import SlipwayTesting
import Testing

@testable import shakedown

/// `slipway tracking import` as a process that is killed again and again. Of the one suite of processes, as the end
/// of each of its tests ends every child.
extension PlatformProcessTests {
    private static let runCount = 60
    private static let fileBytes = 64 << 10

    @Test("An import that is killed with kill -9 goes on where it was: all of it arrives, once, with the right bytes")
    func importKilled() async throws {
        try await withScratchFolder { folder in
            try await withChildren {
                let there = folder.appending(path: "there")
                try FileManager.default.createDirectory(at: there, withIntermediateDirectories: true)
                let source = try TrackingUnderTest.slipway(home: there, log: folder.appending(path: "there.log"))
                try Self.fill(source)

                let home = EnvironmentHome(root: folder.appending(path: "here").path, environment: try EnvironmentName("dev"))
                let artifacts = URL(filePath: home.trackingFolder).appending(path: "artifacts/0")
                for share in [1, 2] {
                    let child = try Self.start(source, home, folder, ["--concurrency", "1"])
                    // Killed in the middle: so many runs have files, the others do not.
                    let deadline = Date().addingTimeInterval(120)
                    while Self.count(artifacts) < Self.runCount * share / 3 {
                        try #require(child.process.isRunning, "it ended too early: \(child.text.suffix(2000))")
                        try #require(Date() < deadline, "it copied nothing in time: \(child.text.suffix(2000))")
                        Thread.sleep(forTimeInterval: 0.002)
                    }
                    child.kill()
                    _ = try child.wait(seconds: 20)
                    #expect(Self.count(artifacts) < Self.runCount, "the kill came too late to interrupt anything")
                }

                let last = try Self.report(try Self.start(source, home, folder, ["--output", "json"]))
                let runs = try #require(last["counts"]?["runs"])
                let files = try #require(last["counts"]?["files"])
                #expect((runs["copied"]?.intValue ?? 0) + (runs["unchanged"]?.intValue ?? 0) + (runs["updated"]?.intValue ?? 0) == Int64(Self.runCount), "\(runs)")
                #expect((files["copied"]?.intValue ?? 0) < Int64(Self.runCount), "everything was copied once more: \(files)")
                #expect(Self.count(artifacts) == Self.runCount)

                let again = try Self.report(try Self.start(source, home, folder, ["--output", "json", "--verify"]))
                #expect(again["counts"]?["runs"]?["copied"] == 0, "\(again["counts"]?["runs"] ?? .null)")
                #expect(again["counts"]?["files"] == ["copied": 0, "updated": 0, "unchanged": .int(Int64(Self.runCount)), "skipped": 0])
                #expect(try source.child.stop() == 0)
            }
        }
    }

    private static func fill(_ source: TrackingUnderTest) throws {
        let socket = try HTTPSocket(url: source.url)
        for number in 0..<runCount {
            let created = try socket.post("/api/2.0/mlflow/runs/create", headers: [:], body: Array(#"{"experiment_id":"0","run_name":"r\#(number)"}"#.utf8))
            let run = try JSONValue(parsing: created.body)["run"]?["info"]?["run_id"]?.stringValue ?? ""
            let body = [UInt8](repeating: UInt8(truncatingIfNeeded: number), count: fileBytes)
            let stored = try socket.send("PUT", "/api/2.0/mlflow-artifacts/artifacts/0/\(run)/artifacts/data.bin", body: body)
            try #require(created.status == 200 && stored.status == 200)
        }
    }

    private static func start(_ source: TrackingUnderTest, _ home: EnvironmentHome, _ folder: URL, _ more: [String]) throws -> Child {
        let child = try Child(
            try PlatformUnderTest.program("slipway"),
            ["tracking", "import", source.url, "--env", "dev", "--home", folder.appending(path: "here").path] + more,
            log: folder.appending(path: "import-\(UUID().uuidString).log")
        )
        try child.start()
        return child
    }

    private static func report(_ child: Child) throws -> JSONValue {
        let status = try child.wait(seconds: 240)
        #expect(status == 0, "\(child.text)")
        // Progress goes to stderr, which is in the same file here.
        let line = try #require(child.text.split(separator: "\n").first { $0.hasPrefix("{") }, "\(child.text)")
        return try JSONValue(parsing: String(line))
    }

    /// Runs of which a file is visible, whole or not.
    private static func count(_ artifacts: URL) -> Int {
        let runs = (try? FileManager.default.contentsOfDirectory(atPath: artifacts.path)) ?? []
        return runs.filter { FileManager.default.fileExists(atPath: artifacts.appending(path: "\($0)/artifacts/data.bin").path) }.count
    }
}
