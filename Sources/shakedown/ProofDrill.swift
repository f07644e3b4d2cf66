import ArgumentParser
import Foundation
import SlipwayCore
import SlipwayPipeline
import SlipwayStorage

struct ProofCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "proof",
        abstract: "Drives a platform on this machine into a state, and has it proven: core, optional, e2e.",
        discussion: """
            A platform of its own, on free ports, in a temporary folder, with a clone of this repository as
            its GitOps tree; only the capture is written here. Exit code 1 when a check does not pass.

              shakedown proof core --into docs/proof/latest/core_only
            """
    )

    enum Kind: String, CaseIterable, ExpressibleByArgument {
        case core, optional, e2e

        var capture: String {
            switch self {
            case .core: "core_only"
            case .optional: "optional_on"
            case .e2e: "e2e_success"
            }
        }
    }

    @Argument(help: "core, optional or e2e.") var kind: Kind
    @Option(help: ArgumentHelp("Where the capture goes; docs/proof/latest/KIND when left out.", valueName: "folder")) var into: String?

    func run() throws {
        try Trial.run("proof", keepsFailure: true, failed: "NOT proven") { home in
            let drill = try ProofDrill(home: home, into: URL(filePath: into ?? "docs/proof/latest/\(kind.capture)").standardizedFileURL)
            switch kind {
            case .core: try drill.core()
            case .optional: try drill.optional()
            case .e2e: try drill.endToEnd()
            }
            try drill.end()
        }
    }
}

/// One platform, brought into the state that is to be proven.
struct ProofDrill {
    private static let switchSeconds = 240.0

    private let platform: PlatformUnderTest
    private let tree: URL
    private let into: URL
    private var home: URL { platform.home }

    init(home: URL, into: URL) throws {
        self.into = into
        // A clone: the switch is a commit, and a proof must not commit to the repository that it is about.
        tree = home.appending(path: "tree")
        try Self.git(["clone", "--quiet", PlatformUnderTest.packageRoot.path, tree.path], log: home)
        say("starting: slipway up --env dev")
        platform = try PlatformUnderTest.start(home: home.appending(path: "home"), log: home.appending(path: "up.log"))
    }

    func core() throws {
        try capture("core_only", after: try firstRun(), facts: [:])
    }

    func endToEnd() throws {
        let first = try firstRun()
        let load = try load(first)
        load.start()
        let record = try platform.run("examples/tumor", ["quality=better"])
        let tally = load.stop()
        try capture("e2e_success", after: first, facts: ["traffic": Self.traffic(tally)], more: ["--run", record.id.text])
    }

    func optional() throws {
        let first = try firstRun()
        let features = FeatureDrill(platform: platform, tree: tree)
        let before = try everythingElse()
        var commits = [try switchOptional("on")]
        try features.awaitServing(seconds: Self.switchSeconds)
        try features.fill()
        let values = try features.values()
        let load = try load(first)
        load.start()
        commits.append(try switchOptional("off"))
        try features.awaitDetached(seconds: Self.switchSeconds)
        commits.append(try switchOptional("on"))
        try features.awaitServing(seconds: Self.switchSeconds)
        let tally = load.stop()
        let again = try features.values()
        try capture("optional_on", after: first, facts: [
            "traffic": Self.traffic(tally),
            "features": ["before": .array(values), "after": .array(again)],
            "switch": [
                "changedPaths": .array(try commits.map { .array(try changedPaths($0)) }), "before": .string(before), "after": .string(try everythingElse()),
            ],
        ])
    }

    func end() throws {
        try require(try platform.up.stop() == 0, "'slipway up' did not stop cleanly: \(platform.up.text.suffix(1000))")
    }

    // MARK: Steps

    private func firstRun() throws -> RunRecord {
        let record = try platform.run("examples/tumor", ["quality=baseline"])
        try require(record.state == .succeeded, "the first run is \(record.state.rawValue): \(record.summary)")
        return record
    }

    private func rows(_ run: RunRecord) throws -> [String] {
        try LoadGenerator.rows(ofHoldout: home.appending(path: "dev/runs/\(run.id)/output/holdout.csv"))
    }

    private func load(_ run: RunRecord) throws -> LoadGenerator {
        LoadGenerator(url: platform.endpoints.gateway ?? "", rows: try rows(run))
    }

    /// - Returns: The commit in the tree.
    private func switchOptional(_ way: String) throws -> String {
        let answer = try platform.command(["optional", way, "--tree", tree.path, "--output", "json"])
        try require(answer.status == 0, "'slipway optional \(way)' failed: \(answer.output)")
        let line = answer.output.split(separator: "\n").last { $0.hasPrefix("{") } ?? ""
        guard let commit = try JSONValue(parsing: String(line))["commits"]?["tree"]?.stringValue else { throw Difference("'slipway optional \(way)' made no commit: \(answer.output)") }
        return commit
    }

    private func changedPaths(_ commit: String) throws -> [JSONValue] {
        try Self.git(["-C", tree.path, "diff-tree", "-r", "--no-commit-id", "--name-only", commit], log: home)
            .split(separator: "\n").map { .string(String($0)) }
    }

    /// The digest of every file of the tree but Optional's switch.
    private func everythingElse() throws -> String {
        let listing = try Self.git(["-C", tree.path, "ls-tree", "-r", "HEAD"], log: home).split(separator: "\n").filter { !$0.hasSuffix("/optional.yaml") }
        return Digest(of: listing.joined(separator: "\n").utf8).text
    }

    private static func traffic(_ tally: LoadGenerator.Tally) -> JSONValue {
        ["requests": .int(Int64(tally.requests)), "failed": .int(Int64(tally.failures.values.joined().count))]
    }

    private func capture(_ kind: String, after run: RunRecord, facts: JSONValue, more: [String] = []) throws {
        let row = try rows(run).first ?? ""
        let body = home.appending(path: "row.json")
        try Data("{\"instances\":[\(row)]}".utf8).write(to: body)
        let file = home.appending(path: "facts.json")
        try Data(facts.canonicalBytes).write(to: file)
        let arguments = ["proof", "capture", kind, "--tree", tree.path, "--facts", file.path, "--predict", body.path, "--into", into.path] + more
        let answer = try platform.command(arguments)
        say(answer.output)
        try require(answer.status == 0, "a check of '\(kind)' does not pass")
        let check = try Child(platform.slipway, ["proof", "check", into.path], log: home.appending(path: "check.log"))
        try check.start()
        try require(try check.wait(seconds: 60) == 0, "the capture does not hold: \(check.text)")
        say("written: \(into.path)")
    }

    @discardableResult
    private static func git(_ arguments: [String], log folder: URL) throws -> String {
        let child = try Child("/usr/bin/env", ["git"] + arguments, log: folder.appending(path: "git-\(UUID().uuidString).log"))
        try child.start()
        try require(try child.wait(seconds: 120) == 0, "git \(arguments.first ?? "") failed: \(child.text)")
        return child.text
    }
}
