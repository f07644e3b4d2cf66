import HTTPTypes
public import Hummingbird
public import Logging
import NIOCore
import SlipwayCore
public import SlipwayHTTP
import SlipwayPipeline

/// The control API under `/api/v1` and the page at `/`.
///
/// Reading is open to whoever reaches the listener, which is loopback unless told otherwise; everything
/// that changes something needs the environment's token as `Authorization: Bearer`.
public struct ConsoleRoutes: Sendable {
    private let backend: any ConsoleBackend
    private let token: String
    private let metrics: (@Sendable () async -> MetricsPage)?

    /// - Parameter metrics: What `/metrics` answers; `nil`: nothing is there.
    public init(backend: any ConsoleBackend, token: String, metrics: (@Sendable () async -> MetricsPage)? = nil) {
        self.backend = backend
        self.token = token
        self.metrics = metrics
    }

    /// The listener that serves the console.
    public func server(host: String, port: Int, logger: Logger) -> HTTPServer {
        let router = Router(context: PlatformRequestContext.self)
        add(to: router)
        return HTTPServer(name: "console", host: host, port: port, router: router, logger: logger)
    }

    public func add(to router: Router<PlatformRequestContext>) {
        router.get("health") { _, _ in "OK" }
        if let metrics { router.get("metrics") { _, _ in await metrics().response } }
        router.get("/") { _, _ in
            Response(
                status: .ok,
                headers: [.contentType: "text/html; charset=utf-8"],
                body: ResponseBody(byteBuffer: ByteBuffer(string: consolePage))
            )
        }
        let api = router.group("api/v1")
        api.get("status") { _, _ in Response(json: try await backend.status()) }
        api.get("runs") { request, _ in
            let limit = request.uri.queryParameters["limit"].flatMap { Int($0) } ?? ConsoleLimits.runsDefault
            let runs = try await backend.runs(limit: min(max(limit, 1), ConsoleLimits.runsMax))
            return Response(json: ["runs": .array(try runs.map { try JSONValue(encoding: $0) })])
        }
        api.get("runs/:id") { _, context in
            Response(json: try JSONValue(encoding: try await backend.run(runID(context))))
        }
        api.get("runs/:id/events") { _, context in
            eventStream(try await backend.events(of: runID(context)))
        }
        addWrites(to: api)
    }

    private func addWrites(to api: RouterGroup<PlatformRequestContext>) {
        api.post("runs") { request, _ in
            let body = try await authorizedBody(request)
            guard let project = body["project"]?.stringValue, project.hasPrefix("/") else {
                throw PlatformError(.invalidArgument, "'project' must be the absolute path of a training project")
            }
            let id = try await backend.submit(project: project, parameters: try parameters(body["parameters"]))
            return Response(json: ["id": .string(id.text)], status: .accepted)
        }
        api.post("runs/:id/cancel") { request, context in
            _ = try await authorizedBody(request)
            try await backend.cancel(try runID(context))
            return Response(json: [:], status: .accepted)
        }
        api.post("promotions") { request, _ in
            let body = try await authorizedBody(request)
            let (model, source) = try promotion(body)
            let id = try await backend.promote(model: model, from: source)
            return Response(json: ["id": .string(id.text)], status: .accepted)
        }
        api.post("reconcile") { request, _ in
            _ = try await authorizedBody(request)
            try await backend.reconcile()
            return Response(json: [:], status: .accepted)
        }
    }

    private func authorizedBody(_ request: Request) async throws -> JSONValue {
        let given = request.headers[.authorization] ?? ""
        guard constantTimeEqual(given, "Bearer \(token)") else {
            throw HTTPError(.unauthorized, message: "the environment's token is needed")
        }
        let buffer = try await request.body.collect(upTo: ConsoleLimits.bodyBytesMax)
        guard buffer.readableBytes > 0 else { return [:] }
        return try JSONValue(parsing: buffer.readableBytesView)
    }

    // Not inlined: the optimiser of Swift 6.3 crashes on an async closure into which a call with a typed
    // error was inlined.
    @inline(never)
    private func runID(_ context: PlatformRequestContext) throws -> RunID {
        try RunID(try context.parameters.require("id"))
    }

    @inline(never)
    private func promotion(_ body: JSONValue) throws -> (ModelName, EnvironmentName) {
        guard let model = body["model"]?.stringValue, let source = body["from"]?.stringValue else {
            throw PlatformError(.invalidArgument, "'model' and 'from' must be given")
        }
        return (try ModelName(model), try EnvironmentName(source))
    }

    private func parameters(_ value: JSONValue?) throws -> [String: String] {
        guard let value else { return [:] }
        guard let members = value.objectValue, members.count <= ConsoleLimits.parametersMax else {
            throw PlatformError(.invalidArgument, "'parameters' must be an object of at most \(ConsoleLimits.parametersMax) texts")
        }
        return try members.mapValues { value in
            guard let text = value.stringValue else {
                throw PlatformError(.invalidArgument, "every value of 'parameters' must be a text")
            }
            return text
        }
    }

    /// One JSON value a line, as they come.
    private func eventStream(_ events: AsyncStream<RunEvent>) -> Response {
        Response(
            status: .ok,
            headers: [.contentType: "application/x-ndjson"],
            body: ResponseBody { writer in
                for await event in events {
                    var line = try JSONValue(encoding: event).canonicalBytes
                    line.append(0x0A)
                    try await writer.write(ByteBuffer(bytes: line))
                }
                try await writer.finish(nil)
            }
        )
    }
}

enum ConsoleLimits {
    static let bodyBytesMax = 1 << 20
    static let parametersMax = 100
    static let runsDefault = 20
    static let runsMax = 1000
}
