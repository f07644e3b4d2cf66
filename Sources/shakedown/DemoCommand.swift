import ArgumentParser
import Foundation
import SlipwayCore
import SlipwayPipeline
import SlipwayRelease
import SlipwayStorage

struct DemoCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "demo",
        abstract: "Four runs of examples/tumor: into service, replaced under load, refused, rolled back.",
        discussion: "Everything is real: training, registry, serving, traffic, Git, proofs. Exit code 1 when anything differs from what is promised."
    )

    @Option(help: ArgumentHelp("Where to keep the platform's home; a temporary folder when left out.", valueName: "folder"))
    var home: String?

    @Flag(help: "Leave the platform running at the end, to look around.")
    var keep = false

    func run() throws {
        let signals = Child.endAllOnSignals()
        defer { signals.forEach { $0.cancel() } }
        let folder = home.map { URL(filePath: $0) } ?? FileManager.default.temporaryDirectory.appending(path: "slipway-demo-\(ProcessInfo.processInfo.processIdentifier)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let began = Date()
        do {
            var demo = try Demo(home: folder)
            try demo.play()
            demo.summary(seconds: Date().timeIntervalSince(began))
            if keep {
                say("\nThe platform goes on running; Ctrl-C stops it.")
                while true { Thread.sleep(forTimeInterval: 3600) }
            }
            try demo.end()
            if home == nil { try FileManager.default.removeItem(at: folder) }
        } catch {
            Child.endAll()
            say("\nshakedown: NOT as promised: \(error)\n  the platform's home is kept: \(folder.path)")
            throw ExitCode(1)
        }
    }
}

/// The demo, as a sequence of promises.
struct Demo {
    private let platform: PlatformUnderTest
    private var records: [(title: String, record: RunRecord)] = []

    init(home: URL) throws {
        say("starting: slipway up --env dev")
        platform = try PlatformUnderTest.start(home: home, log: home.appending(path: "up.log"))
        say("  ready in \(Int(platform.readySeconds * 1000)) ms, console \(platform.endpoints.console ?? "")\n")
    }

    mutating func play() throws {
        try firstRelease()
        try promotionUnderLoad()
        try refusal()
        try rollback()
        try proofs()
    }

    private func heading(_ text: String) { say("\n── \(text)") }

    private mutating func firstRelease() throws {
        heading("run 1: a first model, from training to service")
        let record = try platform.run("examples/tumor", ["quality=baseline"])
        records.append(("run 1: first release", record))
        try require(record.state == .succeeded, "run 1 is \(record.state.rawValue): \(record.summary)")
        try require(record.conditions == Set(SuccessCondition.allCases), "run 1 lacks a success condition")
        let release = try platform.release(of: "tumor").release
        try require(release.champion.version.number == 1 && release.champion.alias.text == "A", "variant A does not serve version 1")
        try compareWithPython()
    }

    private func compareWithPython() throws {
        let child = try Child(
            PlatformUnderTest.python,
            ["examples/tumor/predict.py", platform.endpoints.gateway ?? ""],
            environment: ["MLFLOW_TRACKING_URI": platform.endpoints.tracking ?? ""],
            log: nil
        )
        try child.start()
        try require(try child.wait(seconds: 60) == 0, "the gateway's predictions differ from Python's onnxruntime by more than 1e-5")
    }

    /// Rows that a client would send: the first run's held-out data, and some that no gate has seen.
    private func rows() throws -> [String] {
        let id = records[0].record.id
        return try LoadGenerator.rows(ofHoldout: platform.home.appending(path: "dev/runs/\(id)/output/holdout.csv"))
    }

    private mutating func promotionUnderLoad() throws {
        heading("run 2: a better candidate, while clients keep calling")
        let load = LoadGenerator(url: platform.endpoints.gateway ?? "", rows: try rows())
        load.start()
        let record = try platform.run("examples/tumor", ["quality=better"])
        let tally = load.stop()
        records.append(("run 2: promotion", record))
        try require(record.state == .succeeded, "run 2 is \(record.state.rawValue): \(record.summary)")
        say("  \(tally.requests) requests by \(tally.paths.count) clients, \(tally.failures.values.joined().count) failed, slowest \(String(format: "%.1f", tally.slowestMilliseconds)) ms, answers by version \(tally.answers.sorted { $0.key < $1.key }.map { "\($0.key): \($0.value)" }.joined(separator: ", "))")
        try require(tally.failures.isEmpty, "requests failed during the promotion: \(tally.failures.mapValues { $0.prefix(3) })")
        try require(tally.requests >= 1000, "only \(tally.requests) requests were made")
        for (client, path) in tally.paths {
            try require(path == ["1"] || path == ["1", "2"] || path == ["2"], "client \(client) was answered by versions \(path), back and forth")
        }
        let weights = record.steps.filter { $0.name == .shift && $0.state == .passed }.compactMap(\.part)
        try require(weights == ["10", "50", "100", "promote"], "the weights went \(weights)")
        let release = try platform.release(of: "tumor").release
        try require(release.champion.version.number == 2 && release.lastGood?.number == 1, "version 2 is not the champion with 1 as last good")
    }

    private mutating func refusal() throws {
        heading("run 3: a candidate that is worse than the champion")
        let before = try platform.release(of: "tumor")
        let record = try platform.run("examples/tumor", ["quality=worse"])
        records.append(("run 3: refused", record))
        try require(record.state == .refused, "run 3 is \(record.state.rawValue), not refused: \(record.summary)")
        try require(record.summary.contains("0."), "the refusal names no numbers: \(record.summary)")
        try require(record.candidate == nil, "a refused candidate was registered")
        let after = try platform.release(of: "tumor")
        try require(before.commit == after.commit, "a refused candidate changed Git")
    }

    private mutating func rollback() throws {
        heading("run 4: a candidate that passes every gate and then answers NaN")
        let before = try platform.release(of: "tumor")
        let load = LoadGenerator(url: platform.endpoints.gateway ?? "", rows: try rows())
        load.start()
        let record = try platform.run("examples/tumor", ["quality=better", "fault=nan"])
        let tally = load.stop()
        records.append(("run 4: rolled back", record))
        try require(record.state == .rolledBack, "run 4 is \(record.state.rawValue), not rolled back: \(record.summary)")
        let observed = record.steps.first { $0.name == .observe && $0.verdict == .fail }
        try require(observed != nil, "no 'observe' of run 4 failed")
        let candidate = record.candidate.map { "\($0)" } ?? "?"
        let others = tally.failures.filter { $0.key != candidate }
        say("  \(tally.requests) requests, \(tally.failures[candidate]?.count ?? 0) failed at the candidate (version \(candidate)), \(others.values.joined().count) elsewhere")
        try require(others.isEmpty, "requests to the good variant failed: \(others.mapValues { $0.prefix(3) })")
        try require(!(tally.failures[candidate] ?? []).isEmpty, "the fault was never met: nothing was tried")
        let after = try platform.release(of: "tumor")
        try require(after.release == before.release, "the release after the rollback is not the one before the run")
        try require(after.commit != before.commit, "the rollback is no commit")
    }

    private func proofs() throws {
        heading("proofs")
        let answer = try platform.command(["proof", "verify"])
        say("  \(answer.output.trimmingCharacters(in: .whitespacesAndNewlines))")
        try require(answer.status == 0, "the proofs do not hold")
        let status = try platform.command(["status"])
        try require(status.status == 0, "something is not synced at the end:\n\(status.output)")
        say(status.output)
    }

    func summary(seconds: Double) {
        heading("the six conditions")
        let names = SuccessCondition.allCases.map(\.rawValue)
        say("  " + "".padding(26) + names.map { $0.padding($0.count + 2) }.joined() + "outcome")
        for (title, record) in records {
            let marks = SuccessCondition.allCases.map { (record.conditions.contains($0) ? "yes" : "-").padding($0.rawValue.count + 2) }
            say("  " + title.padding(26) + marks.joined() + record.state.rawValue)
        }
        heading("time of each step")
        for (title, record) in records {
            let steps = record.steps.compactMap { step -> String? in
                guard let started = step.started, let finished = step.finished, step.state != .skipped else { return nil }
                return "\(step.title) \(finished.since(started).milliseconds) ms"
            }
            say("  \(title): \(steps.joined(separator: ", "))")
        }
        heading("look around")
        say("  console \(platform.endpoints.console ?? "")   tracking \(platform.endpoints.tracking ?? "")   gateway \(platform.endpoints.gateway ?? "")")
        say("  next: slipway up --env dev; slipway run examples/tumor --set quality=better; slipway status; slipway release rollback tumor")
        say("\nall as promised, in \(String(format: "%.1f", seconds)) s")
    }

    func end() throws {
        try require(try platform.up.stop() == 0, "'slipway up' did not stop cleanly: \(platform.up.text.suffix(1000))")
    }
}

extension String {
    func padding(_ width: Int) -> String {
        self + String(repeating: " ", count: max(0, width - count))
    }
}
