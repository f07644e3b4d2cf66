import HTTPTypes
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
    /// `nil`: clients may send what they like.
    let admission: ClientAdmission?

    /// - Parameter isStreamed: Whether the message is one of a stream, where a refusal is an answer like any
    ///   other and says in its parameters what a unary one says in its metadata.
    func infer(_ message: ByteBuffer, _ call: GRPCContext, isStreamed: Bool) -> GRPCAnswer {
        guard let admission else { return route(message, call, isStreamed: isStreamed) }
        do throws(PlatformError) {
            return try admission.admit(call) { route(message, call, isStreamed: isStreamed) }
        } catch {
            return .now(refusal(error, message, RoutedReplies(call: call, isStreamed: isStreamed)))
        }
    }

    /// Of a message that no variant was chosen for.
    private func refusal(_ error: PlatformError, _ message: ByteBuffer, _ replies: RoutedReplies) -> GRPCReply {
        unrouted.count(error.code)
        var refusal = replies.refusal(error, id: replies.isStreamed ? GRPCInferenceWire.id(of: message) : nil)
        if let id = replies.requestID { refusal.metadata.append(GRPCMetadata(GatewayHeader.requestID.canonicalName, id)) }
        return refusal
    }

    private func route(_ message: ByteBuffer, _ call: GRPCContext, isStreamed: Bool) -> GRPCAnswer {
        guard let local = published.onLoop(call.eventLoop) else {
            // A listener on other event loops than the gateway's.
            let loop = published.anyLoop
            return .later(
                loop.flatSubmit {
                    switch route(message, call, isStreamed: isStreamed) {
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
            return .now(refusal(error, message, replies))
        }
        request.model = target.model
        request.version = target.version
        let id = request.id
        switch backend {
        case .embedded(let dataPlane):
            let routed = self.routed(target, bytes: message.readableBytes, local, replies.requestID, .tensors(request))
            request.cancellation = replies.call.cancellation
            let pending = GRPCPendingReply(eventLoop: replies.call.eventLoop)
            dataPlane.infer(request) { pending.complete(replies.reply(to: $0, of: routed, id: id)) }
            return pending.answer
        case .upstream(let upstream):
            let (body, jsonBytes) = InferenceBody.write(request)
            let buffer = ByteBuffer(bytes: body)
            let routed = self.routed(target, bytes: body.count, local, replies.requestID, .body(buffer, jsonBytes: jsonBytes, local.loop))
            let answer = upstream.infer(buffer, jsonBytes: jsonBytes, target, id: id, requestID: routed.requestID, on: local.loop, cancellation: replies.call.cancellation)
            return .later(answer.map { replies.reply(to: $0, of: routed, id: id) })
        }
    }

    private func routed(
        _ target: ServingTarget,
        bytes: Int,
        _ local: LoopRoutes,
        _ requestID: String?,
        _ payload: @autoclosure () -> ShadowJob.Payload
    ) -> RoutedCall {
        var mirrored: MirroredRequest?
        if let mirror = target.mirror, mirror.picks(local.nextRandom()) {
            mirrored = MirroredRequest(mirror: mirror, payload: payload(), bytes: bytes)
        }
        return RoutedCall(target: target, shardIndex: local.shard, style: .inference, format: .tensors(.all), mirrored: mirrored, requestID: requestID)
    }

    // MARK: Which variant

    private func target(of request: InferenceRequest, _ call: GRPCContext, _ local: LoopRoutes) throws(PlatformError) -> ServingTarget {
        guard let serving = local.snapshot.models[request.model] else {
            guard !local.snapshot.models.isEmpty else {
                throw PlatformError(.unavailable, "no model is released yet", remedy: "release one with: slipway run PROJECT")
            }
            throw PlatformError(.notFound, "model '\(request.model.prefix(200))' is not released")
        }
        let routes = serving.routes
        let chosen = call.metadata("x-variant")
        if chosen != nil, !routes.policy.allowsChoice {
            throw PlatformError(
                .permissionDenied,
                "the release of model '\(routes.model)' does not let a request choose its variant",
                remedy: "leave out metadata 'x-variant', or allow it with 'variantHeader: true' in the release file"
            )
        }
        if let version = request.version {
            guard let named = serving.targets.first(where: { $0.version == version }) else {
                throw PlatformError(.notFound, "version \(version) of model '\(request.model.prefix(200))' is not released")
            }
            guard chosen == nil || chosen == named.alias else {
                throw PlatformError(.invalidArgument, "metadata 'x-variant' is '\(chosen?.prefix(100) ?? "")', the request names the version of '\(named.alias)'")
            }
            return named
        }
        if let chosen {
            guard let index = routes.index(of: chosen) else {
                throw PlatformError(.notFound, "model '\(routes.model)' has no variant '\(chosen.prefix(100))'")
            }
            return serving.targets[index]
        }
        guard let id = call.metadata("x-client-id"), !id.isEmpty else {
            return serving.targets[routes.index(of: ClientBucket(random: local.nextRandom()))]
        }
        guard id.utf8.count <= GatewayLimits.clientIDBytesMax else {
            throw PlatformError(.invalidArgument, "metadata 'x-client-id' is longer than \(GatewayLimits.clientIDBytesMax) bytes")
        }
        return serving.targets[routes.index(of: routes.bucket(ofClient: id.utf8))]
    }
}

/// What goes back to a caller of the gateway over gRPC.
struct RoutedReplies: Sendable {
    let call: GRPCContext
    let isStreamed: Bool

    /// As the client calls the call, cleaned.
    var requestID: String? { call.metadata(GatewayHeader.requestID.canonicalName).flatMap { RequestID.cleaned("\($0)") } }

    /// Ends a routed call: counts what came of it, and writes it.
    func reply(to result: Result<InferenceResponse, PlatformError>, of routed: RoutedCall, id: String?) -> GRPCReply {
        switch result {
        case .success(let response):
            defer { routed.mirrored?.offer(response.outputs) }
            let (outcome, refusal) = routed.judge(response.outputs)
            if let refusal { return routed.end(outcome, self.refusal(refusal, id: id, of: routed.target), because: refusal) }
            guard isStreamed else {
                return routed.end(outcome, GRPCReply(GRPCInferenceWire.write(response), metadata: routed.target.metadata))
            }
            let who = routed.target.metadata.map { (name: $0.name, value: InferenceMessage.Parameter.text($0.value)) }
            return routed.end(outcome, GRPCReply(GRPCInferenceWire.writeStreamed(response, parameters: who)))
        case .failure(let error):
            let (outcome, told) = routed.verdict(on: error)
            return routed.end(outcome, refusal(told, id: id, of: routed.target), because: told)
        }
    }

    /// - Parameter target: Who refused, if a variant was chosen.
    func refusal(_ error: PlatformError, id: String?, of target: ServingTarget? = nil) -> GRPCReply {
        var metadata = target?.metadata ?? []
        if error.code == .unavailable || error.code == .exhausted {
            metadata.append(GRPCMetadata("retry-after", "\(error.retryAfterSeconds)"))
        }
        let text = error.remedy.map { "\(error.message) (\($0))" } ?? error.message
        var status = error.code.grpcStatus
        if case .late = error.upstreamTrouble { status = .deadlineExceeded }
        let reply = GRPCReply(status, text, metadata: metadata)
        return isStreamed ? GRPCInferenceWire.refusal(reply, id: id, call) : reply
    }
}
