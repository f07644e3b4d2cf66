import HTTPTypes
import Hummingbird
public import NIOPosix
import NIOCore
import SlipwayCore
public import SlipwayHTTP
import SlipwayInference
import SlipwayRelease

extension GatewayService {
    /// The gateway's listener: predictions on its event loops, everything else through a router.
    public nonisolated func server(
        host: String,
        port: Int,
        eventLoops: MultiThreadedEventLoopGroup = .singleton
    ) -> HTTPServer {
        HTTPServer(
            name: "gateway",
            host: host,
            port: port,
            router: router(),
            fastRoutes: fastRoutes,
            eventLoops: eventLoops,
            logger: logger
        )
    }

    nonisolated func router() -> Router<PlatformRequestContext> {
        let router = Router(context: PlatformRequestContext.self)
        GatewayRoutes(gateway: self).add(to: router)
        InferenceProtocolRoutes(gateway: self).add(to: router)
        return router
    }
}

/// Health, what serves, metrics, and reload.
///
/// `/health` is whether the process answers, `/ready` whether it should get traffic; a draining gateway
/// is live, not ready, and says that it drains.
struct GatewayRoutes: Sendable {
    let gateway: GatewayService

    func add(to router: Router<PlatformRequestContext>) {
        router.get("health") { _, _ in Response(json: ["status": "live"]) }
        router.get("ready") { _, _ in
            let report = await gateway.readinessReport()
            var body: [String: JSONValue] = ["ready": .bool(report.isReady), "draining": .bool(report.isDraining)]
            if let reason = report.reason { body["reason"] = .string(reason) }
            return Response(json: .object(body), status: report.isReady ? .ok : .serviceUnavailable)
        }
        router.get("models") { _, _ in Response(json: await models()) }
        router.get("models/:model/counters") { _, context in
            Response(json: try await counters(try context.parameters.require("model")))
        }
        router.get("metrics") { _, _ in await gateway.metricsPage().response }
        router.post("variant/:alias/reload") { request, context in
            try await reload(request, alias: try context.parameters.require("alias"))
        }
    }

    /// `{"models":[{"model":…,"commit":…,"generation":…,"lastGood":…,"variants":[{"alias":…,"version":…,"weight":…}],"inFlight":{"2":0}}]}`.
    ///
    /// Weights are in percent. With a shadow, a cookie or the testers' header there is also
    /// `"shadow":{"version":…,"percent":…,"compare":…,"queue":…,"mirrored":true,"counts":{"match":…,…}}`,
    /// `"stickiness":{…}` and `"variantHeader":true`. `inFlight` also has versions that are out of the routes: at 0 they may be
    /// unloaded.
    private func models() async -> JSONValue {
        var items: [JSONValue] = []
        for route in await gateway.routes() {
            let release = route.release
            var item: [String: JSONValue] = [
                "model": .string(release.model.text),
                "commit": .string(route.commit.text),
                "generation": .int(Int64(route.generation)),
                "variants": .array(release.variants.map { variant in
                    [
                        "alias": .string(variant.alias.text),
                        "version": .int(Int64(variant.version.number)),
                        "weight": variant.weight.json,
                    ]
                }),
            ]
            if let lastGood = release.lastGood { item["lastGood"] = .int(Int64(lastGood.number)) }
            if let shadow = release.shadow {
                var members = shadow.json
                members["mirrored"] = .bool(route.shadow?.isMirrored ?? false)
                members["counts"] = .object((route.shadow?.counts ?? [:]).mapValues { .int(Int64($0)) })
                item["shadow"] = .object(members)
            }
            if let stickiness = release.stickiness { item["stickiness"] = stickiness.json }
            if release.allowsVariantHeader { item["variantHeader"] = true }
            let inFlight = await gateway.inFlightByVersion(of: release.model)
            item["inFlight"] = .object(
                Dictionary(inFlight.map { ("\($0.key)", .int(Int64($0.value))) }, uniquingKeysWith: { first, _ in first })
            )
            if let features = release.features { item["features"] = try? JSONValue(encoding: features) }
            items.append(.object(item))
        }
        return ["models": .array(items)]
    }

    /// `{"model":…,"versions":{"2":{…}}}`: ``VariantCounters`` by version, for an observer that sums up the
    /// replicas.
    private func counters(_ name: String) async throws -> JSONValue {
        let model = try ModelName(name)
        var versions: [String: JSONValue] = [:]
        for (version, counters) in await gateway.counters(of: model) {
            versions["\(version)"] = try JSONValue(encoding: counters)
        }
        return ["model": .string(model.text), "versions": .object(versions)]
    }

    /// Needs the environment's token in `x-token`. The body may say what the caller expects to come out:
    /// `{"model":"tumor","version":3}`.
    private func reload(_ request: Request, alias: String) async throws -> Response {
        guard constantTimeEqual(request.headers[GatewayHeader.token] ?? "", gateway.token), !gateway.token.isEmpty else {
            let body: JSONValue = [
                "error": [
                    "code": "unauthorized",
                    "message": "a reload needs the environment's token",
                    "remedy": "send it in the header 'x-token'",
                ]
            ]
            return Response(json: body, status: .unauthorized)
        }
        let buffer: ByteBuffer
        do {
            buffer = try await request.body.collect(upTo: GatewayLimits.reloadBodyBytesMax)
        } catch {
            throw PlatformError(.invalidArgument, "the body could not be read, or is larger than \(GatewayLimits.reloadBodyBytesMax) bytes", cause: error)
        }
        let body = buffer.readableBytes == 0 ? [:] : try JSONValue(parsing: buffer.readableBytesView)
        guard let members = body.objectValue else { throw PlatformError(.invalidArgument, "the body must be an object") }
        let report = try await gateway.reload(
            try Alias(alias),
            of: try Self.model(members["model"]),
            version: try Self.version(members["version"])
        )
        return Response(json: [
            "model": .string(report.model.text),
            "alias": .string(report.alias.text),
            "version": .int(Int64(report.version.number)),
            "generation": .int(Int64(report.generation)),
        ])
    }

    private static func model(_ value: JSONValue?) throws -> ModelName? {
        guard let value, !value.isNull else { return nil }
        guard let text = value.stringValue else { throw PlatformError(.invalidArgument, "'model' must be a text") }
        return try ModelName(text)
    }

    private static func version(_ value: JSONValue?) throws -> ModelVersion? {
        guard let value, !value.isNull else { return nil }
        if let text = value.stringValue { return try ModelVersion(text) }
        guard let number = value.intValue.flatMap({ Int(exactly: $0) }) else {
            throw PlatformError(.invalidArgument, "'version' must be a number")
        }
        return try ModelVersion(number)
    }
}
