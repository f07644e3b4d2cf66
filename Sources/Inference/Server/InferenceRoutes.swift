import HTTPTypes
public import Hummingbird
public import Logging
import NIOCore
import SlipwayCore
public import SlipwayHTTP

/// The rest of the v2 protocol: health, metadata, statistics and Triton's model repository extension.
public struct InferenceRoutes: Sendable {
    private let administration: ModelAdministration

    /// - Parameter isReady: Whether everything that must serve does. Without it the server is ready as
    ///   soon as one version is: an empty server never is.
    public init(server: EmbeddedModelServer, isReady: (@Sendable () -> Bool)? = nil) {
        self.init(ModelAdministration(server: server, isReady: isReady))
    }

    public init(_ administration: ModelAdministration) {
        self.administration = administration
    }

    /// The listener that serves these routes, `infer` on its fast path.
    public func server(host: String, port: Int, logger: Logger) -> HTTPServer {
        let router = Router(context: PlatformRequestContext.self)
        add(to: router)
        return HTTPServer(
            name: "model server",
            host: host,
            port: port,
            router: router,
            fastRoutes: InferenceFastRoutes(dataPlane: administration.server),
            logger: logger
        )
    }

    public func add(to router: Router<PlatformRequestContext>) {
        let v2 = router.group("v2")
        v2.get { _, _ in Response(json: ServerMetadata.json) }
        v2.get("health/live") { _, _ in Response(status: administration.isLive ? .ok : .badRequest) }
        v2.get("health/ready") { _, _ in Response(status: administration.isReady ? .ok : .badRequest) }
        v2.get("models") { _, _ in
            Response(json: ["models": .array(administration.readyModels.map(JSONValue.string))])
        }
        v2.get("models/stats") { _, _ in try answer { try statistics(model: "", version: nil) } }
        for prefix in ["models/:model", "models/:model/versions/:version"] {
            v2.get(RouterPath(prefix)) { _, context in
                try answer {
                    let (model, version) = try target(context)
                    return ServerMetadata.json(try administration.description(model: model, version: version))
                }
            }
            v2.get(RouterPath("\(prefix)/config")) { _, context in
                try answer {
                    let (model, version) = try target(context)
                    return try ModelConfigJSON.value(try administration.config(model: model, version: version))
                }
            }
            v2.get(RouterPath("\(prefix)/ready")) { _, context in
                guard let (model, version) = try? target(context) else { return Response(status: .badRequest) }
                return Response(status: administration.isReady(model: model, version: version) ? .ok : .badRequest)
            }
            v2.get(RouterPath("\(prefix)/stats")) { _, context in
                try answer {
                    let (model, version) = try target(context)
                    return try statistics(model: model, version: version)
                }
            }
        }
        RepositoryRoutes(administration: administration).add(to: v2.group("repository"))
    }

    private func answer(_ body: () throws -> JSONValue) throws -> Response {
        do {
            return Response(json: try body())
        } catch let error as PlatformError {
            return error.inferenceResponse.routed
        }
    }

    private func statistics(model: String, version: ModelVersion?) throws(PlatformError) -> JSONValue {
        ["model_stats": .array(try administration.statistics(model: model, version: version).map(ServerMetadata.json))]
    }

    /// The model and version that a path names.
    private func target(_ context: PlatformRequestContext) throws(PlatformError) -> (String, ModelVersion?) {
        var number: ModelVersion?
        if let text = context.parameters.get("version") { number = try ModelVersion(text) }
        return (context.parameters.get("model") ?? "", number)
    }
}
