import ArgumentParser
import Foundation
import SlipwayClients
import SlipwayCore
import SlipwayPipeline

/// A run whose steps Airflow does: started over REST and followed to its end.
struct AirflowRun {
    enum Bound {
        /// Between two looks.
        static let poll = Duration.seconds(1)
        /// How long Airflow may be away before following it is given up: its scheduler and API may be replaced meanwhile.
        static let outage = Duration.seconds(300)
        /// After this nobody follows a run any more.
        static let length = Duration.seconds(7 * 24 * 3600)
    }

    let model: ModelName
    let parameters: [String: String]
    let output: OutputFormat

    var dag: String { "lifecycle-\(model)" }

    /// - Throws: `ExitCode(5)` when the run ended otherwise than in service.
    func start(_ address: String?, isDetached: Bool) async throws {
        let environment = ProcessInfo.processInfo.environment
        guard let url = address ?? environment["SLIPWAY_AIRFLOW"] else {
            throw PlatformError(.invalidArgument, "nothing says where Airflow is", remedy: "give '--airflow URL' or set SLIPWAY_AIRFLOW")
        }
        let connections = HTTPConnections()
        do {
            let client = AirflowClient(url: url, login: try Self.login(environment), connections: connections)
            let id = Self.newID()
            try await client.trigger(dag, run: id, configuration: ["parameters": .object(parameters.mapValues { .string($0) })])
            if isDetached {
                Talk.data(output == .json ? JSONValue.object(["id": .string(id), "dag": .string(dag)]).canonicalText : id)
            } else {
                try await follow(client, id)
            }
        } catch {
            // The first error is the one to tell.
            try? await connections.close()
            throw error
        }
        try await connections.close()
    }

    static func login(_ environment: [String: String]) throws -> AirflowClient.Login {
        if let token = environment["SLIPWAY_AIRFLOW_TOKEN"], !token.isEmpty { return .token(token) }
        guard let user = environment["SLIPWAY_AIRFLOW_USER"], let password = environment["SLIPWAY_AIRFLOW_PASSWORD"] else {
            throw PlatformError(
                .unauthenticated,
                "nothing says who starts the run in Airflow",
                remedy: "set SLIPWAY_AIRFLOW_USER and SLIPWAY_AIRFLOW_PASSWORD, or SLIPWAY_AIRFLOW_TOKEN"
            )
        }
        return .user(user, password: password)
    }

    /// `a20260131-120000-3fa2c1`, which is a run id of ours too.
    private static func newID() -> String {
        let time = WallClock.system.now.description.filter(\.isNumber).prefix(14)
        let tail = (0..<3).map { _ in UInt8.random(in: 0...255) }.hexText
        return "a\(time.prefix(8))-\(time.dropFirst(8))-\(tail)"
    }

    private func follow(_ client: AirflowClient, _ id: String) async throws {
        say("run \(id)  DAG \(dag)")
        var view = TaskView()
        let clock = ContinuousClock()
        let end = clock.now + Bound.length
        var answered = clock.now
        while clock.now < end {
            do {
                let run = try await client.run(dag, id)
                let tasks = try await client.tasks(dag, id)
                for task in view.news(tasks) {
                    say(task.line)
                    for detail in try await details(client, id, task) { say("      \(detail)") }
                }
                if run.isOver { return try await conclude(client, id, tasks) }
                answered = clock.now
            } catch let error as PlatformError where error.code == .unavailable {
                guard clock.now - answered < Bound.outage else { throw error }
            }
            try await clock.sleep(for: Bound.poll)
        }
        throw PlatformError(.unavailable, "run '\(id)' was followed for \(Bound.length.seconds) s and has not ended")
    }

    private func details(_ client: AirflowClient, _ id: String, _ task: AirflowClient.Task) async throws -> [String] {
        guard task.state != "skipped", task.state != "upstream_failed" else { return [] }
        let result = try await client.result(dag, id, task: task.name)
        return result?["details"]?.arrayValue?.compactMap(\.stringValue) ?? []
    }

    /// What `rollback` or `notify` said of the run; without a word from either it has failed.
    private func conclude(_ client: AirflowClient, _ id: String, _ tasks: [AirflowClient.Task]) async throws {
        var last: JSONValue?
        for name in ["rollback", "notify"] + tasks.reversed().map(\.name) {
            guard tasks.contains(where: { $0.name == name && $0.state != "skipped" && $0.state != "upstream_failed" }) else { continue }
            last = try await client.result(dag, id, task: name)
            if last != nil { break }
        }
        let known = last?["runState"]?.stringValue
        let state = known ?? RunState.failed.rawValue
        let summary = last?["summary"]?.stringValue ?? "Airflow ended the run without an outcome"
        if output == .json {
            let steps = tasks.map { task -> JSONValue in
                [
                    "name": .string(task.name), "state": .string(task.state ?? "none"), "attempt": .int(Int64(task.attempt)),
                    "seconds": task.seconds.map { .double($0) } ?? .null,
                ]
            }
            var outcome: [String: JSONValue] = ["id": .string(id), "dag": .string(dag)]
            outcome["state"] = .string(state)
            outcome["summary"] = .string(summary)
            outcome["candidate"] = last?["candidate"] ?? .null
            outcome["conditions"] = last?["conditions"] ?? .array([])
            outcome["steps"] = .array(steps)
            Talk.data(JSONValue.object(outcome).canonicalText)
        } else {
            Talk.data("\(state): \(summary)")
        }
        guard state == RunState.succeeded.rawValue || state == RunState.pendingNotify.rawValue else { throw ExitCode(5) }
    }

    private func say(_ line: String) {
        // With --output json stdout belongs to the outcome.
        if output == .text { Talk.data(line) } else { Talk.note(line) }
    }
}

/// Tells each task once, when it is over, and each further attempt.
struct TaskView {
    private var told: [String: String] = [:]

    mutating func news(_ tasks: [AirflowClient.Task]) -> [AirflowClient.Task] {
        tasks.filter { task in
            guard task.isOver else { return false }
            let now = "\(task.state ?? "") \(task.attempt)"
            guard told[task.name] != now else { return false }
            told[task.name] = now
            return true
        }
    }
}

extension AirflowClient.Task {
    var line: String {
        let sign = state == "success" ? "✓" : state == "failed" ? "✗" : "-"
        let time = state == "success" ? seconds.map { readable(.milliseconds(Int64($0 * 1000))) } ?? "" : state ?? ""
        return "  \(sign) \(name.padding(to: 16)) \(time)\(attempt > 1 ? "  attempt \(attempt)" : "")"
    }
}
