import ArgumentParser
import Foundation
import SlipwayCore

struct ImportCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "import",
        abstract: "A large artifact copied from another server: flat memory, kill -9 in the middle of it, right bytes.",
        discussion: "  shakedown import --mebibytes 1024\n\nMeasures the highest resident memory of 'slipway tracking import'."
    )

    @Option(help: "The large file's size.")
    var mebibytes: Int = 1024

    @Option(help: "How often the import is killed on its way.")
    var kills: Int = 3

    @Option(help: "How many more MiB the import may have at its highest than one of a small file.")
    var growthMax: Double = 64

    private static let environment = "dev"
    private static let smallMebibytes = 4
    private static let importSecondsMax = 900.0

    func run() throws {
        try Trial.run("import", keepsFailure: false, failed: "NOT as promised") { try measure($0) }
    }

    private func measure(_ home: URL) throws {
        let there = home.appending(path: "there")
        try FileManager.default.createDirectory(at: there, withIntermediateDirectories: true)
        let source = try TrackingUnderTest.slipway(home: there, log: home.appending(path: "there.log"))
        let client = try TrackingClient(source.url)
        let port = URL(string: source.url)?.port ?? 0
        let file = ArtifactStream(port: port)

        let small = try put(file, client, Self.smallMebibytes)
        let before = try importAll(source.url, home.appending(path: "warm"), home)
        say(String(format: "a file of %d MiB: highest resident %.1f MiB", Self.smallMebibytes, before))

        let large = try put(file, client, mebibytes)
        var highest = 0.0
        let here = home.appending(path: "here")
        for kill in 1...max(1, kills) where kills > 0 {
            let peak = try importAll(source.url, here, home, killedAt: (mebibytes << 20) * kill / (kills + 1))
            highest = max(highest, peak)
            try require(visible(here, large) == nil, "a file that had not wholly come is visible after a kill")
        }
        let began = Date()
        highest = max(highest, try importAll(source.url, here, home))
        let seconds = Date().timeIntervalSince(began)
        say(String(format: "a file of %d MiB: %.0f MiB/s, highest resident %.1f MiB (%+.1f), %d kills before", mebibytes, Double(mebibytes) / seconds, highest, highest - before, kills))
        try require(highest - before < growthMax, "resident memory grew by \(Int(highest - before)) MiB, allowed \(growthMax) MiB")
        try require(try source.child.stop() == 0, "'slipway tracking' did not stop cleanly")

        for (run, size) in [(small, Self.smallMebibytes), (large, mebibytes)] {
            guard let place = visible(here, run) else { throw Difference("the file of \(size) MiB did not arrive") }
            try require(try digest(of: place) == file.digest(mebibytes: 0..<size), "the file of \(size) MiB arrived with other bytes")
        }
        let staged = (try? FileManager.default.contentsOfDirectory(atPath: folder(here).appending(path: ".staging").path)) ?? []
        try require(staged.count <= 1, "what the kills left behind is still there: \(staged)")
    }

    /// A run with one file.
    private func put(_ file: ArtifactStream, _ client: TrackingClient, _ mebibytes: Int) throws -> String {
        let created = try client.post("runs/create", ["experiment_id": "0", "run_name": .string("\(mebibytes) MiB")])
        guard let run = created["run"]?["info"]?["run_id"]?.stringValue else { throw Difference("no run was created") }
        _ = try file.upload("/api/2.0/mlflow-artifacts/artifacts/0/\(run)/artifacts/data.bin", mebibytes: 0..<mebibytes)
        return run
    }

    /// Imports, or begins to.
    ///
    /// - Parameter killedAt: Killed with so many bytes of a file written.
    /// - Returns: The highest resident memory, in MiB.
    private func importAll(_ url: String, _ here: URL, _ home: URL, killedAt: Int? = nil) throws -> Double {
        let child = try Child(
            try PlatformUnderTest.program("slipway"),
            ["tracking", "import", url, "--env", Self.environment, "--home", here.path],
            log: home.appending(path: "import-\(UUID().uuidString).log")
        )
        try child.start()
        var highest = 0.0
        let deadline = Date().addingTimeInterval(Self.importSecondsMax)
        while child.process.isRunning, Date() < deadline {
            highest = max(highest, peakMemoryMiB(child.id))
            if let killedAt, largest(folder(here)) >= killedAt {
                child.kill()
                _ = try child.wait(seconds: 20)
                return highest
            }
            Thread.sleep(forTimeInterval: 0.005)
        }
        let status = try child.wait(seconds: 1)
        try require(killedAt == nil, "the import ended before it could be killed: \(child.text.suffix(500))")
        try require(status == 0, "the import ended with \(status): \(child.text.suffix(2000))")
        return highest
    }

    private func folder(_ here: URL) -> URL {
        here.appending(path: "\(Self.environment)/tracking/artifacts")
    }

    private func visible(_ here: URL, _ run: String) -> String? {
        let place = folder(here).appending(path: "0/\(run)/artifacts/data.bin").path
        return FileManager.default.fileExists(atPath: place) ? place : nil
    }

    /// Bytes of the largest file below the folder, staged or not.
    private func largest(_ folder: URL) -> Int {
        guard let files = FileManager.default.enumerator(at: folder, includingPropertiesForKeys: [.fileSizeKey]) else { return 0 }
        var largest = 0
        for case let file as URL in files {
            largest = max(largest, (try? file.resourceValues(forKeys: [.fileSizeKey]))?.fileSize ?? 0)
        }
        return largest
    }

    private func digest(of place: String) throws -> Digest {
        let handle = try FileHandle(forReadingFrom: URL(filePath: place))
        defer { try? handle.close() }
        var hasher = DigestHasher()
        while let piece = try handle.read(upToCount: 1 << 20), !piece.isEmpty { hasher.update(Array(piece)) }
        return hasher.finish()
    }

    private func peakMemoryMiB(_ id: Int32) -> Double {
        let status = (try? String(contentsOfFile: "/proc/\(id)/status", encoding: .utf8)) ?? ""
        let line = status.split(separator: "\n").first { $0.hasPrefix("VmHWM:") }
        return (line?.split(whereSeparator: \.isWhitespace).dropFirst().first.flatMap { Double($0) } ?? 0) / 1024
    }
}
