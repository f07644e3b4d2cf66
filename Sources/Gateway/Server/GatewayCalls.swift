import NIOCore
import SlipwayCore
import SlipwayGRPC
import SlipwayInference
import SlipwayRouting

/// `infer` over gRPC: the hot path of the gateway, beside ``GatewayFastRoutes``.
///
/// Like that, all of it runs on the event loop that the call came in on.
struct GatewayCalls: Sendable {
    let backend: GatewayBackend
    let published: PublishedRoutes
    let unrouted: UnroutedMeter

    /// - Parameter isStreamed: Whether the message is one of a stream, where a refusal is an answer like any
    ///   other and says in its parameters what a unary one says in its metadata.
    func infer(_ message: ByteBuffer, _ call: GRPCContext, isStreamed: Bool) -> GRPCAnswer {
        guard let local = published.onLoop(call.eventLoop) else {
            // A listener on other event loops than the gateway's.
            let loop = published.anyLoop
            return .later(
                loop.flatSubmit {
                    switch infer(message, call, isStreamed: isStreamed) {
                    case .now(let reply): loop.makeSucceededFuture(reply)
                    case .later(let future): future
                    }
                }
            )
        }
        return infer(message, RoutedReplies(call: call, isStreamed: isStreamed), local)
    }

    private func infer(_ message: ByteBuffer, _ replies: RoutedReplies, _ local: LoopRoutes) -> GRPCAnswer {
        var request: InferenceRequest
        let target: ServingTarget
        do throws(PlatformError) {
            request = try GRPCInferenceWire.parse(message).request
            target = try self.target(of: request, replies.call, local)
        } catch {
            unrouted.count(error.code)
            return .now(replies.refusal(error, id: replies.isStreamed ? GRPCInferenceWire.id(of: message) : nil))
        }
        request.model = target.model
        request.version = target.version
        request.cancellation = replies.call.cancellation
        let routed = RoutedCall(target: target, shardIndex: local.shard, style: .inference, format: .tensors(.all))
        let id = request.id
        switch backend {
        case .embedded(let dataPlane):
            let pending = GRPCPendingReply(eventLoop: replies.call.eventLoop)
            dataPlane.infer(request) { pending.complete(replies.reply(to: $0, of: routed, id: id)) }
            return pending.answer
        case .upstream(let upstream):
            return .later(upstream.infer(request, of: routed, on: local.loop).map { replies.reply(to: $0, of: routed, id: id) })
        }
    }

    // MARK: Which variant

    private func target(of request: InferenceRequest, _ call: GRPCContext, _ local: LoopRoutes) throws(PlatformError) -> ServingTarget {
        guard let serving = local.snapshot.models[request.model] else {
            guard !local.snapshot.models.isEmpty else {
                throw PlatformError(.unavailable, "no model is released yet", remedy: "release one with: slipway run PROJECT")
            }
            throw PlatformError(.notFound, "model '\(request.model.prefix(200))' is not released")
        }
        if let version = request.version {
            guard let named = serving.targets.first(where: { $0.version == version }) else {
                throw PlatformError(.notFound, "version \(version) of model '\(request.model.prefix(200))' is not released")
            }
            return named
        }
        guard let id = call.metadata("x-client-id"), !id.isEmpty else {
            return serving.targets[serving.routes.index(of: ClientBucket(random: local.nextRandom()))]
        }
        guard id.utf8.count <= GatewayLimits.clientIDBytesMax else {
            throw PlatformError(.invalidArgument, "metadata 'x-client-id' is longer than \(GatewayLimits.clientIDBytesMax) bytes")
        }
        return serving.targets[serving.routes.index(of: serving.routes.bucket(ofClient: id.utf8))]
    }
}

/// What goes back to a caller of the gateway over gRPC.
struct RoutedReplies: Sendable {
    let call: GRPCContext
    let isStreamed: Bool

    /// Ends a routed call: counts what came of it, and writes it.
    func reply(to result: Result<InferenceResponse, PlatformError>, of routed: RoutedCall, id: String?) -> GRPCReply {
        switch result {
        case .success(let response):
            let (outcome, refusal) = routed.judge(response.outputs)
            if let refusal { return routed.end(outcome, self.refusal(refusal, id: id, of: routed.target)) }
            guard isStreamed else {
                return routed.end(outcome, GRPCReply(GRPCInferenceWire.write(response), metadata: routed.target.metadata))
            }
            let who = routed.target.metadata.map { (name: $0.name, value: InferenceMessage.Parameter.text($0.value)) }
            return routed.end(outcome, GRPCReply(GRPCInferenceWire.writeStreamed(response, parameters: who)))
        case .failure(let error):
            let (outcome, told) = routed.verdict(on: error)
            return routed.end(outcome, refusal(told, id: id, of: routed.target))
        }
    }

    /// - Parameter target: Who refused, if a variant was chosen.
    func refusal(_ error: PlatformError, id: String?, of target: ServingTarget? = nil) -> GRPCReply {
        var metadata = target?.metadata ?? []
        if error.code == .unavailable || error.code == .exhausted {
            metadata.append(GRPCMetadata("retry-after", "\(GatewayLimits.retryAfterSeconds)"))
        }
        let text = error.remedy.map { "\(error.message) (\($0))" } ?? error.message
        let reply = GRPCReply(error.code.grpcStatus, text, metadata: metadata)
        return isStreamed ? GRPCInferenceWire.refusal(reply, id: id, call) : reply
    }
}
