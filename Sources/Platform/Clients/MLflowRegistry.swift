import NIOHTTP1
public import SlipwayCore
public import SlipwayTracking

/// MLflow's REST API, of the embedded server and of a real one alike.
///
/// Writes may be repeated, with one exception: ``createRun(experiment:name:tags:)`` makes a new run each
/// time, so that a second attempt never logs over the first. When its answer is lost, an empty run stays
/// behind.
public struct MLflowRegistry: ModelRegistry {
    /// Where copied versions' logged models are kept.
    static let importExperiment = "slipway-imports"
    private static let metricsPerBatchMax = 1_000
    private static let tagsPerBatchMax = 100

    let wire: MLflowWire
    let wallClock: WallClock
    let reconcilerSecret: String?

    /// - Parameters:
    ///   - url: `http://127.0.0.1:5000`; `user:password@` in it becomes Basic authentication.
    ///   - token: Sent as a bearer token, where the server wants one.
    ///   - reconcilerSecret: Goes with moves of aliases, and shows the embedded server that they are the
    ///     reconciler's.
    public init(
        url: String,
        token: String? = nil,
        reconcilerSecret: String? = nil,
        connections: HTTPConnections,
        clock: any Clock<Duration> = ContinuousClock(),
        wallClock: WallClock = .system
    ) {
        let headers = token.map { [(name: "authorization", value: "Bearer \($0)")] } ?? []
        self.wire = MLflowWire(
            peer: Peer(url, name: "the tracking server", headers: headers, connections: connections, clock: clock)
        )
        self.wallClock = wallClock
        self.reconcilerSecret = reconcilerSecret
    }

    /// Without credentials, for messages.
    public var address: String { wire.peer.address }

    public func createRun(experiment: String, name: String, tags: [String: String]) async throws -> String {
        let doing = "make a run in experiment '\(experiment)'"
        let answer = try await wire.send(
            .POST, "runs/create",
            [
                "experiment_id": .string(try await experimentID(experiment)),
                "run_name": .string(name),
                "start_time": .int(wallClock.now.milliseconds),
                "tags": .pairs(tags),
            ],
            doing: doing
        )
        return try (answer["run"]?["info"] ?? .null).text("run_id", doing: doing)
    }

    public func run(id: String) async throws -> TrackedRun {
        let doing = "read run '\(id)'"
        let run = try await runJSON(id, doing: doing)
        var metrics: [String: Double] = [:]
        for metric in run["data"]?["metrics"]?.arrayValue ?? [] {
            guard let key = metric["key"]?.stringValue, let value = Self.metric(metric["value"]) else { continue }
            metrics[key] = value
        }
        return TrackedRun(
            id: try (run["info"] ?? .null).text("run_id", doing: doing),
            experimentID: try (run["info"] ?? .null).text("experiment_id", doing: doing),
            status: run["info"]?["status"]?.stringValue ?? "",
            metrics: metrics,
            parameters: run["data"]?["params"]?.pairs ?? [:],
            tags: run["data"]?["tags"]?.pairs ?? [:],
            loggedModelIDs: (run["outputs"]?["model_outputs"]?.arrayValue ?? []).compactMap { $0["model_id"]?.stringValue }
        )
    }

    public func logMetrics(_ metrics: [String: Double], runID: String) async throws {
        // Logged again, a value would be one more point of its history.
        let known = try await run(id: runID).metrics
        let now = wallClock.now.milliseconds
        let points: [JSONValue] = metrics.sorted { $0.key < $1.key }
            .filter { key, value in known[key].map { $0 != value && !($0.isNaN && value.isNaN) } ?? true }
            .map { key, value in
                ["key": .string(key), "value": Self.json(value), "timestamp": .int(now), "step": 0]
            }
        try await logBatch("metrics", points, per: Self.metricsPerBatchMax, runID: runID, doing: "log metrics of run '\(runID)'")
    }

    public func setRunTags(_ tags: [String: String], runID: String) async throws {
        let pairs = JSONValue.pairs(tags).arrayValue ?? []
        try await logBatch("tags", pairs, per: Self.tagsPerBatchMax, runID: runID, doing: "tag run '\(runID)'")
    }

    public func endRun(id: String, status: String) async throws {
        let doing = "end run '\(id)'"
        // Ended again, it would get another end time.
        guard try await runJSON(id, doing: doing)["info"]?["status"]?.stringValue != status else { return }
        _ = try await wire.send(
            .POST, "runs/update",
            ["run_id": .string(id), "status": .string(status), "end_time": .int(wallClock.now.milliseconds)],
            doing: doing
        )
    }

    func runJSON(_ id: String, doing: String) async throws -> JSONValue {
        try await wire.get("runs/get", [("run_id", id)], doing: doing)["run"] ?? .null
    }

    /// The experiment's id; made if it is missing.
    func experimentID(_ name: String) async throws -> String {
        let doing = "find experiment '\(name)'"
        if let id = try await existingExperiment(name, doing: doing) { return id }
        do {
            let made = try await wire.send(.POST, "experiments/create", ["name": .string(name)], doing: "make experiment '\(name)'")
            return try made.text("experiment_id", doing: doing)
        } catch let error as PlatformError where error.code == .alreadyExists {
            // Somebody else was first, or an earlier call's answer was lost.
            guard let id = try await existingExperiment(name, doing: doing) else { throw error }
            return id
        }
    }

    private func existingExperiment(_ name: String, doing: String) async throws -> String? {
        do {
            let found = try await wire.get("experiments/get-by-name", [("experiment_name", name)], doing: doing)
            return try (found["experiment"] ?? .null).text("experiment_id", doing: doing)
        } catch let error as PlatformError where error.code == .notFound {
            return nil
        }
    }

    private func logBatch(_ key: String, _ items: [JSONValue], per size: Int, runID: String, doing: String) async throws {
        for start in stride(from: 0, to: items.count, by: size) {
            let part = Array(items[start..<min(start + size, items.count)])
            _ = try await wire.send(.POST, "runs/log-batch", ["run_id": .string(runID), key: .array(part)], doing: doing)
        }
    }

    /// Protobuf's JSON writes what is not finite as text.
    private static func json(_ value: Double) -> JSONValue {
        if value.isNaN { return "NaN" }
        guard value.isFinite else { return value > 0 ? "Infinity" : "-Infinity" }
        return .double(value)
    }

    private static func metric(_ value: JSONValue?) -> Double? {
        switch value?.stringValue {
        case "NaN": .nan
        case "Infinity": .infinity
        case "-Infinity": -.infinity
        default: value?.doubleValue
        }
    }
}
