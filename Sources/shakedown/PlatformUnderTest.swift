import Foundation
import SlipwayCore
import SlipwayPipeline
import SlipwayRelease
import SlipwayStorage

/// A platform of its own, on free ports, in a folder of its own, driven through its command line.
struct PlatformUnderTest {
    let slipway: String
    let home: URL
    let environment: EnvironmentName
    let up: Child
    let endpoints: Endpoints
    let readySeconds: Double

    /// The built program beside this one.
    ///
    /// In a test, this program is the bundle of all tests, which lies there too.
    static func program(_ name: String) throws -> String {
        let own = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        let path = URL(filePath: own).deletingLastPathComponent().appending(path: name).path
        try require(FileManager.default.isExecutableFile(atPath: path), "there is no built '\(name)' beside this program: run 'make build'")
        return path
    }

    /// The package's folder, with its examples and its virtual environment.
    static var packageRoot: URL { URL(filePath: FileManager.default.currentDirectoryPath) }

    static var python: String {
        ProcessInfo.processInfo.environment["SLIPWAY_PYTHON"] ?? packageRoot.appending(path: ".venv/bin/python").path
    }

    /// `PATH` with the virtual environment in front, so that a project's `python` is that one.
    static var childEnvironment: [String: String] {
        let bin = URL(filePath: python).deletingLastPathComponent().path
        return ["PATH": "\(bin):\(ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin")"]
    }

    static func start(home: URL, environment: String = "dev", log: URL) throws -> PlatformUnderTest {
        let slipway = try program("slipway")
        let ports = ["tracking", "model-server", "grpc", "metrics", "gateway", "gateway-grpc", "console"].flatMap { ["--\($0)-port", "0"] }
        let up = try Child(
            slipway,
            ["up", "--env", environment, "--home", home.path] + ports,
            environment: childEnvironment,
            log: log
        )
        let began = Date()
        try up.start()
        let name = try EnvironmentName(environment)
        let place = EnvironmentHome(root: home.path, environment: name)
        while true {
            if let endpoints = try? place.endpoints(), endpoints.pid == up.id {
                let seconds = Date().timeIntervalSince(began)
                return PlatformUnderTest(slipway: slipway, home: home, environment: name, up: up, endpoints: endpoints, readySeconds: seconds)
            }
            try require(up.process.isRunning, "'slipway up' ended: \(up.text.suffix(2000))")
            try require(Date().timeIntervalSince(began) < 30, "'slipway up' was not ready within 30 s: \(up.text.suffix(2000))")
            Thread.sleep(forTimeInterval: 0.01)
        }
    }

    /// Runs one `slipway` command to its end.
    func command(_ arguments: [String], seconds: Double = 120) throws -> (status: Int32, output: String) {
        let log = home.appending(path: "command-\(UUID().uuidString).log")
        defer { try? FileManager.default.removeItem(at: log) }
        let child = try Child(slipway, arguments + ["--env", "\(environment)", "--home", home.path], environment: Self.childEnvironment, log: log)
        try child.start()
        let status = try child.wait(seconds: seconds)
        return (status, child.text)
    }

    /// Sends a project down the road, live on the terminal, and answers the final record.
    func run(_ project: String, _ settings: [String], isShown: Bool = true, seconds: Double = 180) throws -> RunRecord {
        let arguments = ["run", project] + settings.flatMap { ["--set", $0] }
        let started = try command(arguments + ["--detach"])
        let id = started.output.trimmingCharacters(in: .whitespacesAndNewlines)
        try require(started.status == 0, "the run was not accepted: \(started.output)")
        let log = isShown ? nil : home.appending(path: "watch.log")
        let watch = try Child(slipway, ["runs", "watch", id, "--env", "\(environment)", "--home", home.path], log: log)
        try watch.start()
        let status = try watch.wait(seconds: seconds)
        let shown = try command(["runs", "show", id, "--output", "json"])
        let record = try JSONValue(parsing: shown.output.trimmingCharacters(in: .whitespacesAndNewlines)).decoded(as: RunRecord.self)
        try require((status == 0) == (record.state == .succeeded), "'runs watch' ended with \(status) for a run that is \(record.state.rawValue)")
        return record
    }

    /// The release and the commit that has it.
    func release(of model: String) throws -> (release: Release, commit: String) {
        let answer = try command(["release", "show", model, "--output", "json"])
        try require(answer.status == 0, "'release show' failed: \(answer.output)")
        let body = try JSONValue(parsing: answer.output.trimmingCharacters(in: .whitespacesAndNewlines))
        guard let release = try body["releases"]?.arrayValue?.first?.decoded(as: Release.self), let commit = body["commit"]?.stringValue else {
            throw Difference("'release show' named no release")
        }
        return (release, commit)
    }

    /// Resident memory of the platform in MiB.
    var residentMiB: Double { residentMemoryMiB(up.id) }

    /// CPU time the platform has used, in seconds.
    var cpuSeconds: Double { processCPUSeconds(up.id) }
}

/// User and system time of a process and all its threads, in seconds.
func processCPUSeconds(_ id: Int32) -> Double {
    let text = (try? String(contentsOfFile: "/proc/\(id)/stat", encoding: .utf8)) ?? ""
    let fields = text.drop { $0 != ")" }.split(separator: " ")
    guard fields.count > 13, let user = Double(fields[12]), let system = Double(fields[13]) else { return 0 }
    return (user + system) / Double(sysconf(Int32(_SC_CLK_TCK)))
}
