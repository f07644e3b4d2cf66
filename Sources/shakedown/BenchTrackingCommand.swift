import ArgumentParser
import Foundation
import GRDB
import SlipwayCore

struct BenchTrackingCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench-tracking",
        abstract: "The tracking server beside MLflow's own, and beside bare SQLite.",
        discussion: """
            Both servers run at the same time on empty homes that are then filled alike; the same client sends
            both the same bytes, in turns. MLflow has one worker and SQLite, with its own settings of
            durability. Bare SQLite does the transactions in a loop, with synchronous=FULL.
            """
    )

    @Option(help: "Seconds of each measurement.")
    var seconds: Double = 3

    @Option(help: "Rounds of each measurement; medians are shown.")
    var rounds: Int = 3

    @Option(help: "How many runs are searched.")
    var runs: Int = 50_000

    func run() throws {
        try Trial.run("bench", keepsFailure: false, failed: "could not measure") { home in
            try TrackingSpeed(home: home, seconds: seconds, rounds: rounds, runs: runs).measure()
        }
    }
}

/// Requests a second of what clients of a tracking server do most.
struct TrackingSpeed {
    let home: URL
    let seconds: Double
    let rounds: Int
    let runs: Int

    /// One thing that is measured: what client `client` sends as its `number`th request.
    private struct Operation: Sendable {
        let name: String
        let request: @Sendable (_ target: Target, _ client: Int, _ number: Int) -> (method: String, path: String, body: [UInt8])
        /// The same work on bare SQLite; nil when there is none worth showing.
        var limit: (@Sendable (Database, _ number: Int) throws -> Void)?
    }

    private struct Target: Sendable {
        let server: TrackingUnderTest
        /// A run for each client, made before.
        let runIDs: [String]
    }

    private struct Figures {
        var rates: [Double] = []
        var p50: [Double] = []
        var p99: [Double] = []
    }

    private static let clientsMax = 8

    func measure() throws {
        let ours = try start("slipway") { try TrackingUnderTest.slipway(home: $0, log: $1) }
        let theirs = try start("mlflow") { try TrackingUnderTest.mlflow(home: $0, log: $1) }
        defer { theirs.end() }
        say("ready after \(text(ours.readySeconds * 1000)) ms and \(text(theirs.readySeconds * 1000)) ms (mlflow \(Self.mlflowVersion)): \(ratio(theirs.readySeconds / ours.readySeconds))")
        Thread.sleep(forTimeInterval: 2)
        say("idle resident memory \(text(ours.residentMiB)) MiB and \(text(theirs.residentMiB)) MiB: \(ratio(theirs.residentMiB / ours.residentMiB))")
        let targets = try [prepare(ours), prepare(theirs)]
        say("\nmedians of \(rounds) interleaved rounds of \(text(seconds)) s; requests a second (p50 / p99 in ms)")
        say("  " + "".padding(36) + "clients".padding(9) + "slipway".padding(28) + "mlflow, 1 worker".padding(28) + "rate".padding(9) + "p99".padding(9) + "bare SQLite")
        for operation in Self.writing { try show(operation, targets) }
        try fill(ours)
        try fill(mlflow: theirs)
        for operation in Self.searching(runs) { try show(operation, targets) }
        say("\nresident memory at the end \(text(ours.residentMiB)) MiB and \(text(theirs.residentMiB)) MiB")
        _ = try ours.child.stop()
    }

    private static var mlflowVersion: String {
        let child = try? Child(PlatformUnderTest.python, ["-c", "import importlib.metadata as m; print(m.version('mlflow'))"], log: FileManager.default.temporaryDirectory.appending(path: "slipway-mlflow-version"))
        try? child?.start()
        _ = try? child?.wait(seconds: 30)
        return child?.text.trimmingCharacters(in: .whitespacesAndNewlines) ?? ""
    }

    private func start(_ name: String, _ body: (URL, URL) throws -> TrackingUnderTest) throws -> TrackingUnderTest {
        let folder = home.appending(path: name)
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        return try body(folder, home.appending(path: "\(name).log"))
    }

    private func prepare(_ server: TrackingUnderTest) throws -> Target {
        let client = try TrackingClient(server.url)
        let ids = try (0..<Self.clientsMax).map { number -> String in
            let run = try client.post("runs/create", ["experiment_id": "0", "run_name": .string("client-\(number)"), "start_time": 1])
            guard let id = run["run"]?["info"]?["run_id"]?.stringValue else { throw Difference("no run id") }
            return id
        }
        try client.post("registered-models/create", ["name": "tumor"])
        for _ in 0..<3 { try client.post("model-versions/create", ["name": "tumor", "source": "s3://x/y"]) }
        try client.post("registered-models/alias", ["name": "tumor", "alias": "champion", "version": "2"])
        return Target(server: server, runIDs: ids)
    }

    private func show(_ operation: Operation, _ targets: [Target]) throws {
        let limit = try operation.limit.map { try bare($0) }
        for clients in [1, Self.clientsMax] {
            var figures = [Figures](repeating: Figures(), count: targets.count)
            for round in 0..<rounds {
                for (index, target) in targets.enumerated() { try drive(operation, target, clients: clients, round: round, into: &figures[index]) }
            }
            let cells = figures.map { "\(text(median($0.rates))) (\(text(median($0.p50))) / \(text(median($0.p99))))".padding(28) }
            let rate = median(figures[0].rates) / median(figures[1].rates)
            let tail = median(figures[1].p99) / median(figures[0].p99)
            say("  " + operation.name.padding(36) + "\(clients)".padding(9) + cells.joined() + ratio(rate).padding(9) + ratio(tail).padding(9) + (limit.map { text($0) } ?? ""))
        }
    }

    private func drive(_ operation: Operation, _ target: Target, clients: Int, round: Int, into figures: inout Figures) throws {
        let deadline = DispatchTime.now().uptimeNanoseconds + UInt64(seconds * 1e9)
        let results = Results()
        let group = DispatchGroup()
        let began = DispatchTime.now().uptimeNanoseconds
        for client in 0..<clients {
            group.enter()
            Thread.detachNewThread {
                defer { group.leave() }
                do {
                    let connection = try TrackingClient(target.server.url)
                    var times: [Double] = []
                    var number = round * 10_000_000
                    while DispatchTime.now().uptimeNanoseconds < deadline {
                        let (method, path, body) = operation.request(target, client, number)
                        let sent = DispatchTime.now().uptimeNanoseconds
                        try connection.send(method, path, body)
                        times.append(Double(DispatchTime.now().uptimeNanoseconds - sent) / 1e6)
                        number += 1
                    }
                    results.add(times)
                } catch {
                    results.fail(error)
                }
            }
        }
        try require(group.wait(timeout: .now() + seconds + 60) == .success, "'\(operation.name)' does not end on \(target.server.name)")
        let elapsed = Double(DispatchTime.now().uptimeNanoseconds - began) / 1e9
        let times = try results.sorted()
        try require(!times.isEmpty, "'\(operation.name)' was never answered by \(target.server.name)")
        figures.rates.append(Double(times.count) / elapsed)
        figures.p50.append(times[times.count / 2])
        figures.p99.append(times[min(times.count - 1, times.count * 99 / 100)])
    }

    /// The work of one request on SQLite itself, as often as it goes in a second.
    private func bare(_ work: @Sendable (Database, Int) throws -> Void) throws -> Double {
        let file = home.appending(path: "bare-\(UUID().uuidString).db")
        var configuration = Configuration()
        configuration.prepareDatabase { try $0.execute(sql: "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL") }
        let database = try DatabaseQueue(path: file.path, configuration: configuration)
        return try database.writeWithoutTransaction { db in
            try db.execute(sql: """
                CREATE TABLE run (id INTEGER PRIMARY KEY, uuid TEXT NOT NULL UNIQUE, started INTEGER NOT NULL);
                CREATE TABLE metric (run INTEGER, key TEXT, value REAL, timestamp INTEGER, step INTEGER, PRIMARY KEY (run, key, timestamp, step, value)) WITHOUT ROWID;
                """)
            var count = 0
            let began = DispatchTime.now().uptimeNanoseconds
            while DispatchTime.now().uptimeNanoseconds - began < UInt64(seconds * 1e9) {
                try db.inTransaction(.immediate) {
                    try work(db, count)
                    return .commit
                }
                count += 1
            }
            return Double(count) / (Double(DispatchTime.now().uptimeNanoseconds - began) / 1e9)
        }
    }

    private static let writing = [
        Operation(name: "runs/create", request: { _, client, number in
            ("POST", "runs/create", Array(#"{"experiment_id":"0","run_name":"r-\#(client)-\#(number)","start_time":1,"tags":[{"key":"team","value":"x"}]}"#.utf8))
        }, limit: { db, number in
            try db.cachedStatement(sql: "INSERT INTO run (uuid, started) VALUES (?, ?)").execute(arguments: ["\(number)", number])
        }),
        Operation(name: "runs/log-metric", request: { target, client, number in
            ("POST", "runs/log-metric", Array(#"{"run_id":"\#(target.runIDs[client])","key":"loss","value":0.25,"timestamp":\#(number),"step":\#(number)}"#.utf8))
        }, limit: { db, number in
            try db.cachedStatement(sql: "INSERT INTO metric VALUES (?, ?, ?, ?, ?)").execute(arguments: [1, "loss", 0.25, number, number])
        }),
        Operation(name: "runs/log-batch, 1,000 metrics", request: { target, client, number in
            ("POST", "runs/log-batch", Self.batch(run: target.runIDs[client], number: number))
        }, limit: { db, number in
            let insert = try db.cachedStatement(sql: "INSERT INTO metric VALUES (?, ?, ?, ?, ?)")
            for index in 0..<1000 {
                let step = number * 100 + index / 10
                try insert.execute(arguments: [1, "m\(index % 10)", Double(index), step, step])
            }
        }),
        Operation(name: "version by alias", request: { _, _, _ in
            ("GET", "registered-models/alias?name=tumor&alias=champion", [])
        }),
    ]

    /// Written from texts that were made once: what a client takes to write numbers is not measured here.
    private static func batch(run: String, number: Int) -> [UInt8] {
        var body = Array(#"{"run_id":"\#(run)","metrics":["#.utf8)
        body.reserveCapacity(96 * metricBeginnings.count)
        for (index, beginning) in metricBeginnings.enumerated() {
            if index > 0 { body.append(UInt8(ascii: ",")) }
            body.append(contentsOf: beginning)
            let step = Array("\(number * 100 + index / 10)".utf8)
            body.append(contentsOf: step)
            body.append(contentsOf: stepName)
            body.append(contentsOf: step)
            body.append(UInt8(ascii: "}"))
        }
        body.append(contentsOf: Array("]}".utf8))
        return body
    }

    private static let metricBeginnings = (0..<1000).map { Array(#"{"key":"m\#($0 % 10)","value":\#($0).5,"timestamp":"#.utf8) }
    private static let stepName = Array(#","step":"#.utf8)

    private static func searching(_ runs: Int) -> [Operation] {
        [
            Operation(name: "runs/search, newest 100 of \(runs)", request: { _, _, _ in
                ("POST", "runs/search", Array(#"{"experiment_ids":["0"],"max_results":100}"#.utf8))
            }),
            Operation(name: "runs/search, filter, by metric", request: { _, client, number in
                let filter = "metrics.auc > 0.\((client + number) % 9) and params.depth = '\(number % 10)'"
                return ("POST", "runs/search", Array(#"{"experiment_ids":["0"],"filter":"\#(filter)","order_by":["metrics.loss ASC"],"max_results":100}"#.utf8))
            }),
        ]
    }

    /// What `Benchmarks/tracking/fill_mlflow.py` puts into MLflow, over REST.
    private func fill(_ server: TrackingUnderTest) throws {
        let began = Date()
        let results = Results()
        let group = DispatchGroup()
        for client in 0..<Self.clientsMax {
            group.enter()
            Thread.detachNewThread { [runs] in
                defer { group.leave() }
                do {
                    let connection = try TrackingClient(server.url)
                    for number in stride(from: client, to: runs, by: Self.clientsMax) {
                        let run = try connection.post("runs/create", [
                            "experiment_id": "0", "run_name": .string("run-\(number)"), "user_id": "someone", "start_time": .int(Int64(number)),
                            "tags": [["key": "team", "value": .string("t\(number % 7)")]],
                        ])
                        let metric = { (key: String, value: Double) -> JSONValue in
                            ["key": .string(key), "value": .double(value), "timestamp": .int(Int64(number)), "step": 0]
                        }
                        try connection.post("runs/log-batch", [
                            "run_id": run["run"]?["info"]?["run_id"] ?? .null,
                            "metrics": [metric("auc", Double(number % 1000) / 1000), metric("loss", Double(number % 997) / 997), metric("epoch", Double(number % 50))],
                            "params": [
                                ["key": "depth", "value": .string("\(number % 10)")], ["key": "trees", "value": .string("\(number % 100)")],
                                ["key": "seed", "value": .string("\(number)")],
                            ],
                        ])
                    }
                } catch {
                    results.fail(error)
                }
            }
        }
        group.wait()
        _ = try results.sorted()
        say("  (\(runs) runs with their metrics, parameters and tags were written to slipway over REST in \(text(Date().timeIntervalSince(began))) s; into MLflow's database directly)")
    }

    private func fill(mlflow server: TrackingUnderTest) throws {
        let script = PlatformUnderTest.packageRoot.appending(path: "Benchmarks/tracking/fill_mlflow.py").path
        let database = home.appending(path: "mlflow/mlflow.db").path
        let child = try Child(PlatformUnderTest.python, [script, database, "\(runs)"], log: home.appending(path: "fill.log"))
        try child.start()
        try require(try child.wait(seconds: 120) == 0, "MLflow's database could not be filled: \(child.text)")
    }

    private func text(_ value: Double) -> String {
        value >= 100 ? "\(Int(value.rounded()))" : String(format: value >= 10 ? "%.1f" : "%.2f", value)
    }

    private func ratio(_ value: Double) -> String { "\(text(value)) x" }
}

/// Response times of several clients.
private final class Results: @unchecked Sendable {
    private let lock = NSLock()
    private var times: [Double] = []
    private var error: (any Error)?

    func add(_ more: [Double]) { lock.withLock { times += more } }
    func fail(_ error: any Error) { lock.withLock { self.error = error } }

    func sorted() throws -> [Double] {
        try lock.withLock {
            if let error { throw error }
            return times.sorted()
        }
    }
}
