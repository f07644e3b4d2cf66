import Atomics
import Foundation
import HTTPTypes
public import Hummingbird
public import Logging
import NIOCore
import SlipwayCore
public import SlipwayHTTP
import SlipwayInference

/// The rest of the v2 protocol: health, metadata, statistics and Triton's model repository extension.
public struct InferenceRoutes: Sendable {
    private let server: EmbeddedModelServer
    private let isReady: @Sendable () -> Bool

    /// - Parameter isReady: Whether everything that must serve does. Without it the server is ready as
    ///   soon as one version is: an empty server never is.
    public init(server: EmbeddedModelServer, isReady: (@Sendable () -> Bool)? = nil) {
        self.server = server
        self.isReady = isReady ?? { !server.table.load(ordering: .acquiring).models.isEmpty }
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
            fastRoutes: InferenceFastRoutes(dataPlane: server),
            logger: logger
        )
    }

    public func add(to router: Router<PlatformRequestContext>) {
        let v2 = router.group("v2")
        v2.get { _, _ in Response(json: ServerMetadata.json) }
        v2.get("health/live") { _, _ in Response(status: .ok) }
        v2.get("health/ready") { _, _ in
            Response(status: isReady() && !server.isDraining ? .ok : .badRequest)
        }
        v2.get("models") { _, _ in
            Response(json: ["models": .array(server.table.load(ordering: .acquiring).models.keys.sorted().map { .string($0) })])
        }
        v2.get("models/stats") { _, _ in
            Response(json: ["model_stats": .array(server.table.load(ordering: .acquiring).all.map(ServerMetadata.statistics))])
        }
        for prefix in ["models/:model", "models/:model/versions/:version"] {
            v2.get(RouterPath(prefix)) { _, context in try answer { try metadata(try version(context)) } }
            v2.get(RouterPath("\(prefix)/config")) { _, context in try answer { ServerMetadata.config(try version(context)) } }
            v2.get(RouterPath("\(prefix)/ready")) { _, context in
                Response(status: (try? version(context)) == nil ? .badRequest : .ok)
            }
            v2.get(RouterPath("\(prefix)/stats")) { _, context in
                try answer { ["model_stats": .array(try versions(context).map(ServerMetadata.statistics))] }
            }
        }
        RepositoryRoutes(control: server.control).add(to: v2.group("repository"))
    }

    private func answer(_ body: () throws -> JSONValue) throws -> Response {
        do {
            return Response(json: try body())
        } catch let error as PlatformError {
            return error.inferenceResponse.routed
        }
    }

    private func version(_ context: PlatformRequestContext) throws(PlatformError) -> LoadedVersion {
        var number: ModelVersion?
        if let text = context.parameters.get("version") { number = try ModelVersion(text) }
        return try server.table.load(ordering: .acquiring).version(number, of: context.parameters.get("model") ?? "")
    }

    private func versions(_ context: PlatformRequestContext) throws(PlatformError) -> [LoadedVersion] {
        let one = try version(context)
        guard context.parameters.get("version") == nil else { return [one] }
        return server.table.load(ordering: .acquiring).all.filter { $0.model == one.model }
    }

    private func metadata(_ version: LoadedVersion) throws(PlatformError) -> JSONValue {
        let versions = server.table.load(ordering: .acquiring).models[version.model]?.versions.keys.sorted() ?? []
        return ServerMetadata.metadata(version, versions: versions)
    }
}
