import AsyncHTTPClient
import NIOCore
import NIOHTTP1
import SlipwayCore
public import SlipwayTracking

/// An MLflow server as what an import reads from: 2.x or 3.x, or the embedded one.
///
/// 429, 408, 502 to 504 and connections that break are tried again, with growing pauses or when the server says.
public struct MLflowSource: TrackingSource {
    let peer: Peer
    let retries: Retries

    /// - Parameters:
    ///   - url: `http://127.0.0.1:5000`; `user:password@` in it becomes Basic authentication.
    ///   - token: Sent as a bearer token, where the server wants one.
    public init(
        url: String,
        token: String? = nil,
        connections: HTTPConnections,
        clock: any Clock<Duration> = ContinuousClock()
    ) {
        let headers = token.map { [(name: "authorization", value: "Bearer \($0)")] } ?? []
        peer = Peer(url, name: "the source", headers: headers, connections: connections, clock: clock)
        retries = Retries(clock: clock)
    }

    init(peer: Peer, retries: Retries) {
        self.peer = peer
        self.retries = retries
    }

    public var address: String { peer.address }

    public func describe() async throws -> SourceServer {
        // An address that is wrong should be said soon.
        var soon = retries
        soon.attempts = 3
        let answer = try await call(PeerRequest(.GET, "/version"), doing: "ask the source for its version", soon)
        let text = answer.said.trimmingPrefix { $0 == " " }
        guard answer.isSuccess, text.utf8.count <= ImportSourceLimits.versionBytesMax, text.first?.isNumber == true else {
            return SourceServer(version: nil)
        }
        return SourceServer(version: String(text))
    }

    public func experiments(after token: String?) async throws -> Page<SourceExperiment> {
        let doing = "list the source's experiments"
        return try await page("experiments", size: ImportSourceLimits.entitiesPerPage, token, doing: doing) { size in
            .post("experiments/search", ["max_results": .int(size), "view_type": "ALL", "order_by": ["creation_time ASC"]])
        } item: {
            try MLflowRecords.experiment($0, doing: doing)
        }
    }

    public func experiment(id: String) async throws -> SourceExperiment {
        let doing = "read the source's experiment '\(id)'"
        let answer = try await json(.get("experiments/get", [("experiment_id", id)]), doing: doing)
        return try MLflowRecords.experiment(answer["experiment"] ?? .null, doing: doing)
    }

    public func runs(experiment id: String, after token: String?) async throws -> Page<SourceRun> {
        let doing = "list the runs of the source's experiment '\(id)'"
        return try await page("runs", size: ImportSourceLimits.entitiesPerPage, token, doing: doing) { size in
            .post("runs/search", [
                "experiment_ids": [.string(id)], "max_results": .int(size), "run_view_type": "ALL",
                "order_by": ["attributes.start_time ASC"],
            ])
        } item: {
            try MLflowRecords.run($0, doing: doing)
        }
    }

    public func run(id: String) async throws -> SourceRun {
        let doing = "read the source's run '\(id)'"
        let answer = try await json(.get("runs/get", [("run_id", id)]), doing: doing)
        return try MLflowRecords.run(answer["run"] ?? .null, doing: doing)
    }

    public func metricHistory(runID: String, key: String, after token: String?) async throws -> Page<Metric> {
        let doing = "read the history of metric '\(key)' of the source's run '\(runID)'"
        return try await page("metrics", size: ImportSourceLimits.metricsPerPage, token, doing: doing) { size in
            .get("metrics/get-history", [("run_id", runID), ("metric_key", key), ("max_results", "\(size)")])
        } item: {
            try MLflowRecords.metric($0, doing: doing)
        }
    }

    public func loggedModels(experiment id: String, after token: String?) async throws -> Page<SourceLoggedModel> {
        let doing = "list the logged models of the source's experiment '\(id)'"
        return try await page("models", size: ImportSourceLimits.loggedModelsPerPage, token, mayLack: true, doing: doing) { size in
            .post("logged-models/search", [
                "experiment_ids": [.string(id)], "max_results": .int(size),
                "order_by": [["field_name": "creation_timestamp", "ascending": true]],
            ])
        } item: {
            try MLflowRecords.loggedModel($0, doing: doing)
        }
    }

    public func loggedModel(id: String) async throws -> SourceLoggedModel {
        let doing = "read the source's logged model '\(id)'"
        let answer = try await call(SourceCall.get("logged-models/\(id.urlEncoded)", []).request, doing: doing)
        guard !Self.isUnknownRoute(answer) else { throw PlatformError(.notFound, "the source has no logged model '\(id)'") }
        return try MLflowRecords.loggedModel(try Self.json(answer, doing: doing)["model"] ?? .null, doing: doing)
    }

    public func registeredModels(after token: String?) async throws -> Page<RegisteredModel> {
        let doing = "list the source's registered models"
        return try await page("registered_models", size: ImportSourceLimits.entitiesPerPage, token, doing: doing) { size in
            .get("registered-models/search", [("max_results", "\(size)")])
        } item: {
            try MLflowRecords.registeredModel($0, doing: doing)
        }
    }

    public func prompts(after token: String?) async throws -> Page<String> {
        let doing = "list the source's prompts"
        do {
            return try await page("registered_models", size: ImportSourceLimits.entitiesPerPage, token, doing: doing) { size in
                .get("registered-models/search", [("max_results", "\(size)"), ("filter", "tags.`mlflow.prompt.is_prompt` = 'true'")])
            } item: {
                try $0.text("name", doing: doing)
            }
        } catch let error as PlatformError where error.code == .invalidArgument {
            // A server too old for the filter has no prompts.
            return Page(items: [], nextToken: nil)
        }
    }

    public func modelVersions(of model: String, after token: String?) async throws -> Page<ModelVersionRecord> {
        let doing = "list the versions of the source's model '\(model)'"
        var query = [("order_by", "version_number ASC")]
        // The filter language has no escape: a name with both quotes is looked for among all versions.
        if !model.contains("'") {
            query.append(("filter", "name='\(model)'"))
        } else if !model.contains("\"") {
            query.append(("filter", "name=\"\(model)\""))
        }
        let page = try await page("model_versions", size: ImportSourceLimits.entitiesPerPage, token, doing: doing) { size in
            .get("model-versions/search", query + [("max_results", "\(size)")])
        } item: {
            try MLflowRecords.version($0, doing: doing)
        }
        return Page(items: page.items.filter { $0.name == model }, nextToken: page.nextToken)
    }

    public func location(ofVersion version: Int64, of model: String) async throws -> String {
        let doing = "find the artifacts of version \(version) of the source's model '\(model)'"
        let query = [("name", model), ("version", "\(version)")]
        return try await json(.get("model-versions/get-download-uri", query), doing: doing).text("artifact_uri", doing: doing)
    }
}

/// What reading a source bounds.
enum ImportSourceLimits {
    static let entitiesPerPage: Int64 = 100
    /// What servers give by default, and some at most.
    static let loggedModelsPerPage: Int64 = 50
    static let metricsPerPage: Int64 = 20_000
    /// One page; a larger one is asked for in halves.
    static let pageBytesMax = 32 << 20
    static let call = Duration.seconds(120)
    static let versionBytesMax = 40
    static let retryAfterSecondsMax: Int64 = 3_600
}
