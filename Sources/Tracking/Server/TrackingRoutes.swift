import Foundation
import HTTPTypes
public import Hummingbird
public import Logging
import NIOCore
import SlipwayCore
public import SlipwayHTTP
public import SlipwayTracking

/// MLflow's REST API over a store and an artifact folder.
///
/// Every call is registered under `/api` and `/ajax-api`. Families of calls that this server does not
/// have answer 404, as a server of an older version does, so that clients go on without them.
public struct TrackingRoutes: Sendable {
    let store: any TrackingStore
    let artifacts: any ArtifactStore
    let origins: ChangeOrigins
    let access: AccessPolicy
    let reports: ArtifactReports

    /// - Parameters:
    ///   - reconcilerSecret: What shows that a caller is the environment's reconciler; `nil` where none is known.
    ///   - access: Who may ask for what.
    public init(
        store: any TrackingStore,
        artifacts: any ArtifactStore,
        reconcilerSecret: String? = nil,
        access: AccessPolicy = .loopback,
        logger: Logger = Logger(label: "slipway.tracking")
    ) {
        self.store = store
        self.artifacts = artifacts
        self.access = access
        origins = ChangeOrigins(reconcilerSecret: reconcilerSecret)
        reports = ArtifactReports(logger: logger)
    }

    /// The listener that serves these routes.
    public func server(host: String, port: Int, tls: ServerTLS? = nil, logger: Logger) -> HTTPServer {
        let router = Router(context: PlatformRequestContext.self)
        add(to: router)
        return HTTPServer(
            name: "tracking",
            host: host,
            port: port,
            router: router,
            fastRoutes: TrackingFastRoutes(calls, prefixes: Self.prefixes.map { "\($0)/2.0/mlflow" }, access: access),
            eventLoops: Self.eventLoops,
            tls: tls,
            logger: logger
        )
    }

    private static let prefixes = ["api", "ajax-api"]
    /// Of its own, so that no look-up of a training loop delays a prediction.
    private static let eventLoops = HTTPServer.eventLoops(TrackingLimits.eventLoops)

    /// Every call, without its prefix.
    var calls: [TrackingCall] {
        ExperimentCalls(store: store).all + RunCalls(store: store).all + LoggedModelCalls(store: store).all
            + MetricHistoryCalls(store: store).all + RegistryCalls(store: store).all
            + ArtifactCalls(store: store, artifacts: artifacts).all
    }

    public func add(to router: Router<PlatformRequestContext>) {
        // First: it stands before what is added after it.
        router.add(middleware: AccessMiddleware(policy: access))
        router.get("health") { _, _ in "OK" }
        router.get("version") { _, _ in TrackingLimits.mlflowVersion }
        router.get("metrics") { _, _ in
            var page = MetricsPage()
            reports.add(to: &page)
            return page.response
        }
        let transfer = ArtifactTransfer(artifacts: artifacts, reports: reports)
        let grants = DownloadGrants()
        for prefix in Self.prefixes {
            for call in calls { add(call, to: router.group(RouterPath("\(prefix)/2.0/mlflow"))) }
            router.get(RouterPath("\(prefix)/3.0/mlflow/server-info")) { _, _ in
                Response(json: [
                    "store_type": "SqlStore", "workspaces_enabled": false, "trace_archival_enabled": false,
                    // Downloads in ranges work too, but a client told so asks twice for every small file.
                    "multipart_uploads_enabled": true, "multipart_downloads_enabled": false,
                ])
            }
            let place = "\(prefix)/2.0/mlflow-artifacts"
            ArtifactProxy(artifacts: artifacts, transfer: transfer).add(to: router.group(RouterPath(place)))
            MultipartCalls(artifacts: artifacts, transfer: transfer, grants: grants, place: "/\(place)").add(to: router.group(RouterPath(place)))
        }
        ArtifactDownloads(store: store, transfer: transfer).add(to: router)
        AliasHistoryRoutes(ledger: store).add(to: router)
    }

    private func add(_ call: TrackingCall, to group: RouterGroup<PlatformRequestContext>) {
        group.on(RouterPath(call.path), method: call.method) { request, context in
            do {
                let parameters = try await parameters(request, context)
                guard request.method != .get else { return Response(json: try await call.handle(parameters)) }
                return try await ChangeOrigin.$current.withValue(try origins.origin(of: request.headers)) {
                    Response(json: try await call.handle(parameters))
                }
            } catch let error as PlatformError {
                return error.mlflowResponse
            }
        }
    }

    /// Body or query, with the path's parameters on top.
    private func parameters(_ request: Request, _ context: PlatformRequestContext) async throws -> Parameters {
        var members: [String: JSONValue] = [:]
        for (key, value) in context.parameters { members[String(key)] = .string(String(value).removingPercentEncoding ?? String(value)) }
        guard request.method != .get else {
            return Parameters(query: request.uri.query).overlaid(members)
        }
        let buffer: ByteBuffer
        do {
            buffer = try await request.body.collect(upTo: Limits.jsonBytesMax)
        } catch {
            throw PlatformError(.invalidArgument, "the request body is larger than \(Limits.jsonBytesMax) bytes", cause: error)
        }
        return try Parameters(body: buffer).overlaid(members)
    }
}

/// One call of the API.
struct TrackingCall: Sendable {
    let method: HTTPRequest.Method
    let path: String
    let handle: @Sendable (Parameters) async throws -> JSONValue

    init(_ method: HTTPRequest.Method, _ path: String, _ handle: @escaping @Sendable (Parameters) async throws -> JSONValue) {
        self.method = method
        self.path = path
        self.handle = handle
    }
}

/// What the server bounds; the numbers are MLflow's where it has them.
enum TrackingLimits {
    /// The version of MLflow whose API this is.
    static let mlflowVersion = "3.17.2"
    static let metricsPerBatchMax = 1000
    static let parametersPerBatchMax = 100
    static let tagsPerBatchMax = 100
    static let entitiesPerBatchMax = 1000
    static let searchResultsMax: Int64 = 50_000
    static let registeredModelsMax: Int64 = 1000
    static let modelVersionsMax: Int64 = 200_000
    static let historyRunsMax = 100
    static let historyResultsMax: Int64 = 25_000
    /// Of one run, in `get-history-bulk-interval`.
    static let historySamplesMax: Int64 = 2500
    static let datasetExperimentsMax = 20
    static let datasetsFoundMax = 1000
    static let searchResultsDefault: Int64 = 1000
    static let registrySearchDefault: Int64 = 100
    static let eventLoops = 2
    static let artifactChunkBytes = 1 << 20
    static let artifactThreads = 8
}

extension Search {
    /// Reads what every search has in common.
    init(
        _ parameters: Parameters,
        defaultLimit: Int64,
        limitMax: Int64 = TrackingLimits.searchResultsMax,
        view: String? = nil,
        words: FilterWords = .runs
    ) throws(PlatformError) {
        let limit = try parameters.int("max_results") ?? defaultLimit
        guard limit >= 1 else {
            throw PlatformError(.invalidArgument, "Invalid value \(limit) for parameter 'max_results' supplied. It must be a positive integer")
        }
        guard limit <= limitMax else {
            // MLflow says in two ways that a page is too large.
            guard words == .experiments else { throw parameters.invalid(parameters.value("max_results") ?? .int(limit), "max_results") }
            throw PlatformError(.invalidArgument, "Invalid value \(limit) for parameter 'max_results' supplied. It must be at most \(limitMax)")
        }
        var order: [SortTerm] = []
        for text in try parameters.texts("order_by") { order.append(try FilterParser.sortTerm(text, words: words)) }
        let token = try parameters.text("page_token") ?? ""
        var filterText = ""
        for key in ["filter", "filter_string"] {
            if let text = try parameters.text(key) { filterText = text }
        }
        self.init(
            filter: try FilterParser.filter(filterText, words: words),
            order: order,
            view: try Self.view(parameters, view),
            limit: Int(limit),
            after: token.isEmpty ? nil : try SearchCursor(token: token)
        )
    }

    private static func view(_ parameters: Parameters, _ key: String?) throws(PlatformError) -> ViewType {
        guard let key else { return .activeOnly }
        if let view = parameters.numbered(ViewType.self, key) { return view }
        guard let text = try parameters.text(key) else { return .activeOnly }
        guard let view = ViewType(rawValue: text) else {
            throw PlatformError(.invalidArgument, "Invalid view type '\(text.prefix(100))'")
        }
        return view
    }
}

extension Page {
    /// `{<key>: […], "next_page_token": …}`.
    func json(_ key: String, _ item: (Item) -> JSONValue) -> JSONValue {
        var members: [String: JSONValue] = [key: .array(items.map(item))]
        if let nextToken { members["next_page_token"] = .string(nextToken) }
        return .object(members)
    }
}
