import AsyncHTTPClient
import Foundation
import NIOCore
import NIOHTTP1
public import SlipwayCore
public import SlipwayTracking

/// The registry over MLflow's REST API: the embedded server and a real one alike.
public struct MLflowRegistry: ModelRegistry {
    private let http: JSONClient
    private let artifacts: ArtifactTransfer

    /// - Parameter url: `http://127.0.0.1:5000`.
    public init(url: String, token: String? = nil, connections: HTTPConnections) {
        http = JSONClient(base: url, server: "the tracking server", token: token, client: connections.client)
        artifacts = ArtifactTransfer(http: http)
    }

    // MARK: Runs

    public func createRun(experiment: String, name: String, tags: [String: String]) async throws -> String {
        let id = try await experimentID(experiment)
        let body = try await post(
            "runs/create",
            [
                "experiment_id": .string(id), "run_name": .string(name), "user_id": "slipway",
                "start_time": .int(Timestamp(Date()).milliseconds), "tags": Self.pairs(tags),
            ]
        )
        return try Self.text(body["run"]?["info"]?["run_id"], "a run id")
    }

    private func experimentID(_ name: String) async throws -> String {
        do {
            let body = try await get("experiments/get-by-name", [("experiment_name", name)])
            guard body["experiment"]?["lifecycle_stage"]?.stringValue != "deleted" else {
                throw PlatformError(.failedPrecondition, "experiment '\(name)' is deleted", remedy: "restore it, or choose another name")
            }
            return try Self.text(body["experiment"]?["experiment_id"], "an experiment id")
        } catch let error as PlatformError where error.code == .notFound {
            do {
                return try Self.text(try await post("experiments/create", ["name": .string(name)])["experiment_id"], "an experiment id")
            } catch let error as PlatformError where error.code == .alreadyExists {
                // Somebody made it between the two calls.
                return try Self.text(try await get("experiments/get-by-name", [("experiment_name", name)])["experiment"]?["experiment_id"], "an experiment id")
            }
        }
    }

    public func run(id: String) async throws -> TrackedRun {
        let body = try await get("runs/get", [("run_id", id)])
        guard let run = body["run"], let info = run["info"] else { throw Self.strange("a run") }
        var metrics: [String: Double] = [:]
        for metric in run["data"]?["metrics"]?.arrayValue ?? [] {
            metrics[try Self.text(metric["key"], "a metric's key")] = Self.number(metric["value"])
        }
        let outputs = run["outputs"]?["model_outputs"]?.arrayValue ?? []
        return TrackedRun(
            id: try Self.text(info["run_id"], "a run id"),
            experimentID: try Self.text(info["experiment_id"], "an experiment id"),
            status: info["status"]?.stringValue ?? "",
            metrics: metrics,
            parameters: Self.table(run["data"]?["params"]),
            tags: Self.table(run["data"]?["tags"]),
            loggedModelIDs: outputs.compactMap { $0["model_id"]?.stringValue }
        )
    }

    public func logMetrics(_ metrics: [String: Double], runID: String) async throws {
        let now = Timestamp(Date()).milliseconds
        let items = metrics.sorted { $0.key < $1.key }.map { key, value -> JSONValue in
            ["key": .string(key), "value": Self.json(value), "timestamp": .int(now), "step": 0]
        }
        _ = try await post("runs/log-batch", ["run_id": .string(runID), "metrics": .array(items)])
    }

    public func setRunTags(_ tags: [String: String], runID: String) async throws {
        _ = try await post("runs/log-batch", ["run_id": .string(runID), "tags": Self.pairs(tags)])
    }

    public func endRun(id: String, status: String) async throws {
        let now = Timestamp(Date()).milliseconds
        _ = try await post("runs/update", ["run_id": .string(id), "status": .string(status), "end_time": .int(now)])
    }

    // MARK: Artifacts

    public func uploadArtifact(runID: String, path: String, fromFile file: String) async throws {
        let body = try await get("runs/get", [("run_id", runID)])
        let root = try Self.text(body["run"]?["info"]?["artifact_uri"], "an artifact URI")
        try await artifacts.upload(file, to: "\(try ArtifactTransfer.path(root))/\(path)")
    }

    public func downloadArtifact(_ path: String, ofRun id: String, toFile file: String) async throws -> Digest {
        let body = try await get("runs/get", [("run_id", id)])
        let root = try Self.text(body["run"]?["info"]?["artifact_uri"], "an artifact URI")
        return try await artifacts.download("\(try ArtifactTransfer.path(root))/\(path)", to: file)
    }

    public func artifacts(ofLoggedModel id: String) async throws -> [ArtifactEntry] {
        try await artifacts.list(try await root(ofLoggedModel: id))
    }

    public func downloadArtifact(_ path: String, ofLoggedModel id: String, toFile file: String) async throws -> Digest {
        try await artifacts.download("\(try await root(ofLoggedModel: id))/\(path)", to: file)
    }

    private func root(ofLoggedModel id: String) async throws -> String {
        let body = try await get("logged-models/\(JSONClient.escaped(id))", [])
        return try ArtifactTransfer.path(try Self.text(body["model"]?["info"]?["artifact_uri"], "an artifact URI"))
    }

    public func artifacts(of version: ModelVersion, model: ModelName) async throws -> [ArtifactEntry] {
        try await artifacts.list(try await location(version, model))
    }

    public func downloadArtifact(
        _ path: String,
        of version: ModelVersion,
        model: ModelName,
        toFile file: String
    ) async throws -> Digest {
        try await artifacts.download("\(try await location(version, model))/\(path)", to: file)
    }

    private func location(_ version: ModelVersion, _ model: ModelName) async throws -> String {
        let body = try await get("model-versions/get-download-uri", [("name", model.text), ("version", "\(version)")])
        return try ArtifactTransfer.path(try Self.text(body["artifact_uri"], "an artifact URI"))
    }

    // MARK: Versions

    public func createVersion(
        of model: ModelName,
        source: String,
        runID: String,
        tags: [String: String]
    ) async throws -> RegisteredVersion {
        try await ensureModel(model)
        var body: [String: JSONValue] = [
            "name": .string(model.text), "source": .string(source), "run_id": .string(runID), "tags": Self.pairs(tags),
        ]
        if source.hasPrefix("models:/m-") { body["model_id"] = .string(String(source.dropFirst("models:/".count))) }
        return try Self.version(try await post("model-versions/create", .object(body))["model_version"])
    }

    private func ensureModel(_ model: ModelName) async throws {
        do {
            _ = try await post("registered-models/create", ["name": .string(model.text)])
        } catch let error as PlatformError where error.code == .alreadyExists {
            // As it should be from the second version on.
        }
    }

    public func version(_ version: ModelVersion, of model: ModelName) async throws -> RegisteredVersion {
        try Self.version(try await get("model-versions/get", [("name", model.text), ("version", "\(version)")])["model_version"])
    }

    public func versions(of model: ModelName) async throws -> [RegisteredVersion] {
        var versions: [RegisteredVersion] = []
        var token = ""
        repeat {
            let query = [("filter", "name='\(model)'"), ("max_results", "1000")] + (token.isEmpty ? [] : [("page_token", token)])
            let body = try await get("model-versions/search", query)
            versions += try (body["model_versions"]?.arrayValue ?? []).map(Self.version)
            token = body["next_page_token"]?.stringValue ?? ""
        } while !token.isEmpty
        return versions.sorted { $0.version < $1.version }
    }

    public func setVersionTags(_ tags: [String: String], version: ModelVersion, of model: ModelName) async throws {
        for (key, value) in tags.sorted(by: { $0.key < $1.key }) {
            _ = try await post(
                "model-versions/set-tag",
                ["name": .string(model.text), "version": .string("\(version)"), "key": .string(key), "value": .string(value)]
            )
        }
    }

    public func importVersion(
        of model: ModelName,
        files: [String: String],
        tags: [String: String],
        description: String
    ) async throws -> RegisteredVersion {
        let experiment = try await experimentID("promoted")
        let created = try await post("logged-models", ["experiment_id": .string(experiment), "name": .string(model.text)])
        let info = created["model"]?["info"]
        let id = try Self.text(info?["model_id"], "a model id")
        let root = try ArtifactTransfer.path(try Self.text(info?["artifact_uri"], "an artifact URI"))
        for (path, file) in files.sorted(by: { $0.key < $1.key }) { try await artifacts.upload(file, to: "\(root)/\(path)") }
        _ = try await call(.PATCH, "logged-models/\(id)", [:], ["status": "LOGGED_MODEL_READY"])
        try await ensureModel(model)
        let body = try await post(
            "model-versions/create",
            [
                "name": .string(model.text), "source": .string("models:/\(id)"), "model_id": .string(id), "tags": Self.pairs(tags),
                "description": .string(description),
            ]
        )
        return try Self.version(body["model_version"])
    }

    // MARK: Aliases

    public func aliases(of model: ModelName) async throws -> [Alias: ModelVersion] {
        do {
            let body = try await get("registered-models/get", [("name", model.text)])
            var aliases: [Alias: ModelVersion] = [:]
            for item in body["registered_model"]?["aliases"]?.arrayValue ?? [] {
                // An alias that our names do not allow is none of ours.
                guard let alias = try? Alias(item["alias"]?.stringValue ?? ""), let text = item["version"]?.stringValue else { continue }
                aliases[alias] = try ModelVersion(text)
            }
            return aliases
        } catch let error as PlatformError where error.code == .notFound {
            return [:]
        }
    }

    public func setAlias(_ alias: Alias, to version: ModelVersion, of model: ModelName) async throws {
        _ = try await post(
            "registered-models/alias",
            ["name": .string(model.text), "alias": .string(alias.text), "version": .string("\(version)")]
        )
    }

    public func removeAlias(_ alias: Alias, of model: ModelName) async throws {
        _ = try await call(.DELETE, "registered-models/alias", [:], ["name": .string(model.text), "alias": .string(alias.text)])
    }

    // MARK: The wire

    private func get(_ path: String, _ query: [(String, String)]) async throws -> JSONValue {
        let (status, body) = try await http.call(.GET, "api/2.0/mlflow/\(path)", query: query)
        return try Self.checked(status, body)
    }

    private func post(_ path: String, _ body: JSONValue) async throws -> JSONValue {
        try await call(.POST, path, [:], body)
    }

    private func call(_ method: HTTPMethod, _ path: String, _ query: [String: String], _ body: JSONValue) async throws -> JSONValue {
        let (status, answer) = try await http.call(method, "api/2.0/mlflow/\(path)", body: body)
        return try Self.checked(status, answer)
    }

    private static func checked(_ status: Int, _ body: JSONValue) throws -> JSONValue {
        guard !(200..<300).contains(status) else { return body }
        let message = body["message"]?.stringValue ?? "the tracking server answered \(status)"
        throw PlatformError(code(body["error_code"]?.stringValue ?? "", status: status), message)
    }

    private static func code(_ name: String, status: Int) -> PlatformError.Code {
        switch name {
        case "RESOURCE_DOES_NOT_EXIST": .notFound
        case "RESOURCE_ALREADY_EXISTS": .alreadyExists
        case "INVALID_PARAMETER_VALUE", "BAD_REQUEST": .invalidArgument
        case "INVALID_STATE": .failedPrecondition
        case "RESOURCE_EXHAUSTED", "REQUEST_LIMIT_EXCEEDED": .exhausted
        case "TEMPORARILY_UNAVAILABLE": .unavailable
        case "DATA_LOSS": .corrupt
        default: status == 404 ? .notFound : (status < 500 ? .invalidArgument : .unavailable)
        }
    }

    private static func version(_ body: JSONValue?) throws -> RegisteredVersion {
        guard let body else { throw strange("a model version") }
        return RegisteredVersion(
            model: try ModelName(try text(body["name"], "a model's name")),
            version: try ModelVersion(try text(body["version"], "a version")),
            source: body["source"]?.stringValue ?? "",
            runID: body["run_id"]?.stringValue.flatMap { $0.isEmpty ? nil : $0 },
            tags: table(body["tags"]),
            created: Timestamp(milliseconds: body["creation_timestamp"]?.intValue ?? 0)
        )
    }

    private static func text(_ value: JSONValue?, _ what: String) throws -> String {
        guard let text = value?.stringValue, !text.isEmpty else { throw strange(what) }
        return text
    }

    private static func strange(_ what: String) -> PlatformError {
        PlatformError(.unavailable, "the tracking server's answer lacks \(what)")
    }

    private static func pairs(_ pairs: [String: String]) -> JSONValue {
        .array(pairs.sorted { $0.key < $1.key }.map { ["key": .string($0.key), "value": .string($0.value)] })
    }

    private static func table(_ value: JSONValue?) -> [String: String] {
        (value?.arrayValue ?? []).reduce(into: [:]) { table, item in
            if let key = item["key"]?.stringValue { table[key] = item["value"]?.stringValue ?? "" }
        }
    }

    private static func json(_ value: Double) -> JSONValue {
        if value.isNaN { return "NaN" }
        return value.isFinite ? .double(value) : (value > 0 ? "Infinity" : "-Infinity")
    }

    private static func number(_ value: JSONValue?) -> Double {
        if let number = value?.doubleValue { return number }
        switch value?.stringValue {
        case "Infinity"?: return .infinity
        case "-Infinity"?: return -.infinity
        default: return .nan
        }
    }
}
