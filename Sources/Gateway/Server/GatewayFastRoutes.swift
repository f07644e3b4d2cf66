import HTTPTypes
import NIOCore
import SlipwayCore
import SlipwayHTTP
import SlipwayInference
import SlipwayRouting

/// Predictions: the hot path of the gateway.
///
/// Everything here runs on the event loop that the request came in on, between its last byte and the
/// model's first: the routes are that loop's own, the tensors are read once, and nothing is locked.
///
/// `POST /predict`, `/models/{model}/predict` and `/variant/{alias}/predict` take one of two bodies, and
/// answer in kind:
///
/// - `{"instances":[[…],…]}`: rows for a model with a single input, read as that input's datatype. The
///   answer is `{"model":"tumor","version":"2","variant":"B","outputs":{"label":[…],"probabilities":[[…],…]}}`,
///   each output nested by its shape.
/// - a request of the Open Inference Protocol (`inputs`), with or without a binary part; the answer is a
///   response of that protocol.
///
/// Where several models are released, `model` in the body or the header `x-model` says which is meant.
/// The header `x-client-id` makes the choice of the variant sticky; without it a cookie does, where the
/// release names one; otherwise it is random. Where the release allows it, `x-variant` chooses.
struct GatewayFastRoutes: FastRoutes {
    let backend: GatewayBackend
    let published: PublishedRoutes
    let unrouted: UnroutedMeter
    /// `nil`: clients may send what they like.
    var admission: ClientAdmission?
    var features: GatewayFeatures?

    var bodyBytesMax: Int { InferenceLimits.bodyBytesMax }

    func accepts(method: HTTPRequest.Method, path: String) -> Bool {
        method == .post && GatewayPath(path) != nil
    }

    func answer(_ request: FastRequest, on eventLoop: any EventLoop) -> FastAnswer {
        guard let admission else { return route(request, on: eventLoop) }
        do throws(PlatformError) {
            return try admission.admit(request) { route(request, on: eventLoop) }
        } catch {
            unrouted.count(error.code)
            return .now(error.response(style(of: GatewayPath(request.path)))).naming(RequestHeaders(request.head.headerFields).requestID)
        }
    }

    private func style(of path: GatewayPath?) -> AnswerProtocol {
        if case .infer = path { .inference } else { .predict }
    }

    private func route(_ request: FastRequest, on eventLoop: any EventLoop) -> FastAnswer {
        guard let local = published.onLoop(eventLoop) else {
            let loop = published.anyLoop
            return .later(
                loop.flatSubmit {
                    switch route(request, on: loop) {
                    case .now(let response): loop.makeSucceededFuture(response)
                    case .later(let future): future
                    }
                }
            )
        }
        if let features, features.isActive {
            let plain = GatewayFastRoutes(backend: backend, published: published, unrouted: unrouted)
            let only = local.snapshot.only?.routes.model.text
            let whole = (try? decoded(request, RequestHeaders(request.head.headerFields))) ?? request
            let joined = features.intercept(whole, only: only, on: local.loop) { plain.answer($0, on: eventLoop) }
            if let joined { return joined.naming(RequestHeaders(request.head.headerFields).requestID) }
        }
        let path = GatewayPath(request.path)
        let style = style(of: path)
        do throws(PlatformError) {
            let headers = RequestHeaders(request.head.headerFields)
            var exchange = Exchange(request: try decoded(request, headers), headers: headers, local: local, style: style)
            let answer: FastAnswer
            switch path {
            case .predict: answer = try predict(&exchange, model: nil, alias: nil)
            case .predictModel(let model): answer = try predict(&exchange, model: String(model), alias: nil)
            case .predictVariant(let alias): answer = try predict(&exchange, model: nil, alias: alias)
            case .infer(let model, let version): answer = try infer(&exchange, model: String(model), version: version)
            case nil: throw PlatformError(.notFound, "there is nothing at '\(request.path.prefix(200))'")
            }
            return exchange.issued.map { answer.adding(GatewayHeader.setCookie, $0) } ?? answer
        } catch {
            unrouted.count(error.code)
            return .now(error.response(style)).naming(RequestHeaders(request.head.headerFields).requestID)
        }
    }

    /// The request with its body as it was before its client compressed it.
    private func decoded(_ request: FastRequest, _ headers: RequestHeaders) throws(PlatformError) -> FastRequest {
        guard let header = headers.contentEncoding, let encoding = try BodyEncoding.of(header) else { return request }
        return FastRequest(
            head: request.head,
            path: request.path,
            body: try encoding.decoded(request.body, bytesMax: bodyBytesMax),
            cancellation: request.cancellation,
            peer: request.peer
        )
    }

    /// A request with what was read of it and decided about it so far.
    private struct Exchange {
        let request: FastRequest
        let headers: RequestHeaders
        let local: LoopRoutes
        let style: AnswerProtocol
        /// The `Set-Cookie` that goes with the answer.
        var issued: String?

        /// How long the client waits, where it says so.
        func timeout() throws(PlatformError) -> Duration? {
            guard let text = headers.timeout else { return nil }
            guard let milliseconds = Int64(text), milliseconds > 0, milliseconds <= GatewayLimits.timeoutMillisecondsMax else {
                throw PlatformError(.invalidArgument, "header 'x-timeout-ms' is '\(text.prefix(40))'; it is a number of milliseconds from 1 to \(GatewayLimits.timeoutMillisecondsMax)")
            }
            return .milliseconds(milliseconds)
        }

        func jsonBytes() throws(PlatformError) -> Int? {
            guard let text = headers.jsonLength else { return nil }
            guard let count = Int(text), count >= 0, count <= request.body.readableBytes else {
                throw PlatformError(
                    .invalidArgument,
                    "header 'Inference-Header-Content-Length' is '\(text.prefix(40))', the body has \(request.body.readableBytes) bytes"
                )
            }
            return count
        }
    }

    // MARK: Which variant

    private func predict(_ exchange: inout Exchange, model: String?, alias: Substring?) throws(PlatformError) -> FastAnswer {
        let snapshot = exchange.local.snapshot
        let jsonBytes = try exchange.jsonBytes()
        let named = model ?? exchange.headers.model
        let body = try exchange.request.body.withBytes { bytes throws(PlatformError) in
            let json = UnsafeRawBufferPointer(rebasing: bytes[..<(jsonBytes ?? bytes.count)])
            let isOpen = named == nil && snapshot.only == nil
            return try PredictBody.read(json, wantsModel: isOpen || PredictBody.mayNameModel(json))
        }
        if let named, let other = body.model, named != other {
            throw PlatformError(.invalidArgument, "the body names model '\(other.prefix(200))', the request goes to '\(named.prefix(200))'")
        }
        let serving = try self.serving(named ?? body.model, in: snapshot)
        let target = try self.target(of: serving, alias: alias, &exchange)
        switch body.content {
        case .tensors: return try forward(exchange, to: target, jsonBytes: jsonBytes)
        case .instances(let rows):
            guard jsonBytes == nil else {
                throw PlatformError(.invalidArgument, "'instances' cannot have a binary part", remedy: "send 'inputs'")
            }
            return try forward(rows, of: exchange, to: target)
        }
    }

    private func infer(_ exchange: inout Exchange, model: String, version: Substring?) throws(PlatformError) -> FastAnswer {
        let serving = try self.serving(model, in: exchange.local.snapshot)
        let target: ServingTarget
        if let version {
            let number = try ModelVersion(String(version))
            guard let named = serving.targets.first(where: { $0.version == number }) else {
                throw PlatformError(.notFound, "version \(number) of model '\(model)' is not released")
            }
            if let chosen = exchange.headers.variant { try check(chosen, alias: named.alias[...], of: serving) }
            target = named
        } else {
            target = try self.target(of: serving, alias: nil, &exchange)
        }
        return try forward(exchange, to: target, jsonBytes: try exchange.jsonBytes())
    }

    private func serving(_ name: String?, in snapshot: RouteSnapshot) throws(PlatformError) -> ServingModel {
        guard let name else {
            if let only = snapshot.only { return only }
            guard !snapshot.models.isEmpty else {
                throw PlatformError(.unavailable, "no model is released yet", remedy: "release one with: slipway run PROJECT")
            }
            throw PlatformError(
                .invalidArgument,
                "\(snapshot.models.count) models are released and the request names none",
                remedy: "name one in header 'x-model', as 'model' in the body, or use /models/{model}/predict"
            )
        }
        guard let serving = snapshot.models[name] else {
            throw PlatformError(.notFound, "model '\(name.prefix(200))' is not released", remedy: "GET /models lists what is")
        }
        return serving
    }

    private func target(
        of serving: ServingModel,
        alias: Substring?,
        _ exchange: inout Exchange
    ) throws(PlatformError) -> ServingTarget {
        if let chosen = exchange.headers.variant { try check(chosen, alias: alias, of: serving) }
        if let alias = alias ?? exchange.headers.variant.map({ $0[...] }) {
            guard let index = serving.routes.index(of: alias) else {
                throw PlatformError(.notFound, "model '\(serving.routes.model)' has no variant '\(alias.prefix(100))'")
            }
            return serving.targets[index]
        }
        let routes = serving.routes
        guard let id = exchange.headers.clientID, !id.isEmpty else {
            guard let cookie = routes.policy.cookie else {
                return serving.targets[routes.index(of: ClientBucket(random: exchange.local.nextRandom()))]
            }
            if let value = exchange.headers.cookies.flatMap(cookie.value), value.count <= GatewayLimits.clientIDBytesMax {
                return serving.targets[routes.index(of: routes.bucket(ofClient: value))]
            }
            guard cookie.isIssued else {
                return serving.targets[routes.index(of: ClientBucket(random: exchange.local.nextRandom()))]
            }
            // Random, so that nobody guesses another client's.
            let fresh = RequestID.fresh()
            exchange.issued = cookie.issue(fresh)
            return serving.targets[routes.index(of: routes.bucket(ofClient: fresh.utf8))]
        }
        guard id.utf8.count <= GatewayLimits.clientIDBytesMax else {
            throw PlatformError(.invalidArgument, "header 'x-client-id' is longer than \(GatewayLimits.clientIDBytesMax) bytes")
        }
        return serving.targets[routes.index(of: routes.bucket(ofClient: id.utf8))]
    }

    /// A tester's choice is refused, not ignored: an answer by another variant would be mistaken for it.
    private func check(_ chosen: String, alias: Substring?, of serving: ServingModel) throws(PlatformError) {
        guard serving.routes.policy.allowsChoice else {
            throw PlatformError(
                .permissionDenied,
                "the release of model '\(serving.routes.model)' does not let a request choose its variant",
                remedy: "leave out header 'x-variant', or allow it with 'variantHeader: true' in the release file"
            )
        }
        guard let alias, alias != chosen else { return }
        throw PlatformError(
            .invalidArgument,
            "header 'x-variant' is '\(chosen.prefix(100))', the path says '\(alias.prefix(100))'"
        )
    }

    // MARK: On to the model server

    /// A body of the Open Inference Protocol, as it came.
    private func forward(_ exchange: Exchange, to target: ServingTarget, jsonBytes: Int?) throws(PlatformError) -> FastAnswer {
        switch backend {
        case .embedded(let dataPlane):
            let parsed: ParsedInference
            do throws(PlatformError) {
                parsed = try exchange.request.body.withBytes { bytes throws(PlatformError) in
                    try InferenceBody.parseRequest(bytes, jsonBytes: jsonBytes, model: target.model, version: target.version)
                }
            } catch {
                return .now(reject(error, exchange, target))
            }
            let call = call(exchange, target, .tensors(parsed.binary), .tensors(parsed.request))
            return run(parsed.request, on: dataPlane, call, exchange)
        case .upstream(let upstream):
            let body = exchange.request.body
            let call = call(exchange, target, .tensors(.none), .body(body, jsonBytes: jsonBytes, exchange.local.loop))
            return call.forward(body, jsonBytes: jsonBytes, to: upstream, on: exchange.local.loop, timeout: try exchange.timeout(), cancellation: exchange.request.cancellation)
        }
    }

    private func forward(_ rows: InstanceRows, of exchange: Exchange, to target: ServingTarget) throws(PlatformError) -> FastAnswer {
        guard let start = target.instancesStart else {
            let error = PlatformError(
                .invalidArgument,
                "model '\(target.model)' has \(target.signature.inputs.count) inputs; 'instances' fits models with one",
                remedy: "send 'inputs' as in the Open Inference Protocol"
            )
            return .now(reject(error, exchange, target))
        }
        if let output = target.signature.outputs.first(where: { $0.type == .fp16 || $0.type == .bf16 }) {
            let error = PlatformError(
                .invalidArgument,
                "output '\(output.name)' of type \(output.type.rawValue) has no JSON form",
                remedy: "use /v2/models/\(target.model)/infer with binary outputs"
            )
            return .now(reject(error, exchange, target))
        }
        let body = exchange.request.body
        switch backend {
        case .embedded(let dataPlane):
            let parsed: ParsedInference
            do throws(PlatformError) {
                parsed = try rows.parse(start: start, body: body, target: target)
            } catch {
                return .now(reject(error, exchange, target))
            }
            return run(parsed.request, on: dataPlane, call(exchange, target, .nested, .tensors(parsed.request)), exchange)
        case .upstream(let upstream):
            var buffer = ByteBuffer()
            body.withUnsafeReadableBytes { bytes in
                _ = buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: rows.bytesMax(start: start)) { space in
                    rows.writeInference(start: start, body: bytes, into: space)
                }
            }
            let loop = exchange.local.loop
            let call = call(exchange, target, .nested, .body(buffer, jsonBytes: nil, loop))
            return call.forward(buffer, jsonBytes: nil, to: upstream, on: loop)
        }
    }

    private func call(
        _ exchange: Exchange,
        _ target: ServingTarget,
        _ format: AnswerFormat,
        _ payload: @autoclosure () -> ShadowJob.Payload
    ) -> RoutedCall {
        var mirrored: MirroredRequest?
        if let mirror = target.mirror, mirror.picks(exchange.local.nextRandom()) {
            mirrored = MirroredRequest(mirror: mirror, payload: payload(), bytes: exchange.request.body.readableBytes)
        }
        return RoutedCall(
            target: target,
            shardIndex: exchange.local.shard,
            style: exchange.style,
            format: format,
            mirrored: mirrored,
            requestID: exchange.headers.requestID
        )
    }

    private func reject(_ error: PlatformError, _ exchange: Exchange, _ target: ServingTarget) -> FastResponse {
        target.meter.shard(exchange.local.shard).reject()
        var headers = target.headers
        if let id = exchange.headers.requestID { headers[GatewayHeader.requestID] = id }
        return error.response(exchange.style, headers: headers)
    }

    private func run(
        _ request: InferenceRequest,
        on dataPlane: any InferenceDataPlane,
        _ call: RoutedCall,
        _ exchange: Exchange
    ) -> FastAnswer {
        let pending = PendingAnswer(call)
        var request = request
        request.cancellation = exchange.request.cancellation
        dataPlane.infer(request) { pending.complete($0) }
        return pending.answer(on: exchange.local.loop)
    }
}

extension FastAnswer {
    /// With the id that the client gave its request.
    fileprivate func naming(_ id: String?) -> FastAnswer {
        id.map { adding(GatewayHeader.requestID, $0) } ?? self
    }

    fileprivate func adding(_ name: HTTPField.Name, _ value: String) -> FastAnswer {
        switch self {
        case .now(var response):
            response.headers[name] = value
            return .now(response)
        case .later(let future):
            return .later(
                future.map { response in
                    var response = response
                    response.headers[name] = value
                    return response
                }
            )
        }
    }
}

extension InstanceRows {
    /// The rows as the model's only input.
    fileprivate func parse(start: [UInt8], body: ByteBuffer, target: ServingTarget) throws(PlatformError) -> ParsedInference {
        do throws(PlatformError) {
            return try body.withBytes { bytes throws(PlatformError) in
                try withUnsafeTemporaryAllocation(byteCount: bytesMax(start: start), alignment: 1) {
                    space throws(PlatformError) in
                    let count = writeInference(start: start, body: bytes, into: space)
                    let text = UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(space)[..<count])
                    return try InferenceBody.parseRequest(text, model: target.model, version: target.version)
                }
            }
        } catch {
            // Offsets in the text that was made here mean nothing to the client.
            guard let range = error.message.firstRange(of: " at byte "), let input = target.signature.inputs.first,
                let colon = error.message[range.upperBound...].firstIndex(of: ":")
            else { throw error }
            throw PlatformError(
                .invalidArgument,
                "'instances' cannot be read as \(input.type.rawValue)\(error.message[colon...])",
                cause: error
            )
        }
    }
}

extension ByteBuffer {
    /// The readable bytes, for a body that throws our errors.
    fileprivate func withBytes<Result>(
        _ body: (UnsafeRawBufferPointer) throws(PlatformError) -> Result
    ) throws(PlatformError) -> Result {
        let result: Swift.Result<Result, PlatformError> = withUnsafeReadableBytes { bytes in
            do throws(PlatformError) { return .success(try body(bytes)) } catch { return .failure(error) }
        }
        return try result.get()
    }
}
