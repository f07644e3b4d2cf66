import ArgumentParser
import Foundation
import GRDB
import SlipwayCore

struct CrashCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "crash",
        abstract: "kill -9 of the tracking server under writing clients: what was acknowledged is there.",
        discussion: """
            Each round starts the server on what the last one left, checks every write that was acknowledged
            then, lets the clients write, and kills the server at a random moment.
            """
    )

    @Option(help: "How often the server is killed.")
    var rounds: Int = 200

    @Option(help: "How many clients write.")
    var clients: Int = 8

    @Option(help: "Where the moments of the kills begin.")
    var seed: UInt64 = 1

    func run() throws {
        try Trial.run("crash", keepsFailure: true, failed: "NOT as promised") { try crash($0) }
    }

    private func crash(_ home: URL) throws {
        var random = SplitMix(state: seed)
        var writers: [CrashWriter] = []
        var total = 0
        let began = Date()
        for round in 0...rounds {
            let server = try TrackingUnderTest.slipway(home: home, log: home.appending(path: "server.log"))
            for writer in writers { try writer.check(server.url) }
            total += writers.map(\.acknowledged).reduce(0, +)
            if round % 20 == 0 { say("round \(round): \(total) acknowledged writes, all there") }
            guard round < rounds else {
                try require(try server.child.stop() == 0, "the server did not stop cleanly")
                break
            }
            writers = (0..<clients).map { CrashWriter(url: server.url, name: "r\(round)-c\($0)") }
            let group = DispatchGroup()
            for writer in writers {
                group.enter()
                Thread.detachNewThread {
                    writer.write()
                    group.leave()
                }
            }
            Thread.sleep(forTimeInterval: Double(random.next() % 400 + 20) / 1000)
            server.child.kill()
            _ = try server.child.wait(seconds: 10)
            try require(group.wait(timeout: .now() + 30) == .success, "a client did not notice the end of its server")
            if let mistake = writers.compactMap(\.mistake).first { throw Difference("round \(round): \(mistake)") }
        }
        let database = try DatabaseQueue(path: home.appending(path: "tracking.db").path)
        let verdict = try database.read { try String.fetchAll($0, sql: "PRAGMA integrity_check") }
        try require(verdict == ["ok"], "PRAGMA integrity_check: \(verdict)")
        let staged = try FileManager.default.contentsOfDirectory(atPath: home.appending(path: "artifacts/.staging").path)
        try require(staged.isEmpty, "half-written files are left: \(staged)")
        say("\(rounds) rounds of kill -9 in \(Int(Date().timeIntervalSince(began))) s: \(total) acknowledged writes of \(clients) clients, none lost; integrity_check ok")
        try require(total > rounds * clients, "hardly anything was written: \(total)")
    }
}

/// One client that writes until the server is gone, and remembers what was acknowledged.
private final class CrashWriter: @unchecked Sendable {
    private let url: String
    private let name: String
    private let lock = NSLock()
    private var runID: String?
    private var metrics = 0
    private var parameters: [String: String] = [:]
    private var versions = 0
    private var alias: Int?
    private var artifacts: [String: [UInt8]] = [:]
    private(set) var acknowledged = 0
    private(set) var mistake: String?

    init(url: String, name: String) {
        self.url = url
        self.name = name
    }

    func write() {
        guard let client = try? TrackingClient(url) else { return }
        do {
            let run = try client.post("runs/create", ["experiment_id": "0", "run_name": .string(name)])
            guard let id = run["run"]?["info"]?["run_id"]?.stringValue else { throw Difference("no run id") }
            note { self.runID = id }
            try client.post("registered-models/create", ["name": .string(name)])
            for step in 0... {
                try client.post("runs/log-metric", ["run_id": .string(id), "key": "m", "value": .double(Double(step)), "timestamp": .int(Int64(step)), "step": .int(Int64(step))])
                note { self.metrics = step + 1 }
                try client.post("runs/log-batch", [
                    "run_id": .string(id), "params": [["key": .string("p\(step)"), "value": .string("\(step)")]], "tags": [["key": "t", "value": .string("\(step)")]],
                ])
                note { self.parameters["p\(step)"] = "\(step)" }
                try client.post("model-versions/create", ["name": .string(name), "source": "s3://x/y"])
                note { self.versions = step + 1 }
                try client.post("registered-models/alias", ["name": .string(name), "alias": "A", "version": .string("\(step + 1)")])
                note { self.alias = step + 1 }
                let bytes = [UInt8](repeating: UInt8(step % 251), count: 3000 + step * 977 % 60_000)
                try client.put(artifact: "crash/\(name)/\(step)", bytes)
                note { self.artifacts["crash/\(self.name)/\(step)"] = bytes }
            }
        } catch let error as Difference where error.description.contains("was answered") {
            // An answer that is not 200 is not the crash: it is a mistake.
            lock.withLock { mistake = error.description }
        } catch {
            // The server is gone.
        }
    }

    /// Every acknowledged write is there; one more of each may be, that was not answered any more.
    func check(_ url: String) throws {
        guard let runID else { return }
        let client = try TrackingClient(url)
        let run = try client.get("runs/get?run_id=\(runID)")["run"]
        let params = run?["data"]?["params"]?.arrayValue ?? []
        let found = Dictionary(params.map { ($0["key"]?.stringValue ?? "", $0["value"]?.stringValue ?? "") }, uniquingKeysWith: { first, _ in first })
        for (key, value) in parameters { try require(found[key] == value, "\(name): parameter '\(key)' is lost") }
        let history = try client.get("metrics/get-history?run_id=\(runID)&metric_key=m&max_results=50000")["metrics"]?.arrayValue ?? []
        try require(history.count == metrics || history.count == metrics + 1, "\(name): \(metrics) metrics were acknowledged, \(history.count) are there")
        if let alias {
            let version = try client.get("registered-models/alias?name=\(name)&alias=A")["model_version"]?["version"]?.stringValue
            try require(version == "\(alias)" || version == "\(alias + 1)", "\(name): alias A was at \(alias), is at \(version ?? "nothing")")
        }
        for number in stride(from: 1, through: versions, by: 1) { try client.get("model-versions/get?name=\(name)&version=\(number)") }
        for (path, bytes) in artifacts { try require(try client.artifact(path) == bytes, "\(name): artifact '\(path)' is lost or not whole") }
        // The one that was under way when the server was killed: whole or not there.
        let next = artifacts.count
        if let bytes = try client.artifact("crash/\(name)/\(next)") {
            try require(bytes == [UInt8](repeating: UInt8(next % 251), count: 3000 + next * 977 % 60_000), "\(name): half an artifact is visible")
        }
    }

    private func note(_ change: () -> Void) {
        change()
        acknowledged += 1
    }
}

/// A small generator whose numbers a seed repeats.
struct SplitMix {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
