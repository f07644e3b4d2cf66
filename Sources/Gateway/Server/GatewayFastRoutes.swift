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
/// The header `x-client-id` makes the choice of the variant sticky; without it, it is random.
struct GatewayFastRoutes: FastRoutes {
    let backend: GatewayBackend
    let published: PublishedRoutes
    let unrouted: UnroutedMeter
    var features: GatewayFeatures?

    var bodyBytesMax: Int { InferenceLimits.bodyBytesMax }

    func accepts(method: HTTPRequest.Method, path: String) -> Bool {
        method == .post && GatewayPath(path) != nil
    }

    func answer(_ request: FastRequest, on eventLoop: any EventLoop) -> FastAnswer {
        guard let local = published.onLoop(eventLoop) else {
            let loop = published.anyLoop
            return .later(
                loop.flatSubmit {
                    switch answer(request, on: loop) {
                    case .now(let response): loop.makeSucceededFuture(response)
                    case .later(let future): future
                    }
                }
            )
        }
        if let features, features.isActive {
            let plain = GatewayFastRoutes(backend: backend, published: published, unrouted: unrouted)
            let only = local.snapshot.only?.routes.model.text
            let joined = features.intercept(request, only: only, on: local.loop) { plain.answer($0, on: eventLoop) }
            if let joined { return joined }
        }
        let path = GatewayPath(request.path)
        var style = AnswerProtocol.predict
        if case .infer = path { style = .inference }
        do throws(PlatformError) {
            let headers = RequestHeaders(request.head.headerFields)
            if let encoding = headers.contentEncoding, encoding != "identity" {
                throw PlatformError(.invalidArgument, "content encoding '\(encoding.prefix(40))' is not supported by the gateway")
            }
            let exchange = Exchange(request: request, headers: headers, local: local, style: style)
            switch path {
            case .predict: return try predict(exchange, model: nil, alias: nil)
            case .predictModel(let model): return try predict(exchange, model: String(model), alias: nil)
            case .predictVariant(let alias): return try predict(exchange, model: nil, alias: alias)
            case .infer(let model, let version): return try infer(exchange, model: String(model), version: version)
            case nil: throw PlatformError(.notFound, "there is nothing at '\(request.path.prefix(200))'")
            }
        } catch {
            unrouted.count(error.code)
            return .now(error.response(style))
        }
    }

    /// A request with what was read of it so far.
    private struct Exchange {
        let request: FastRequest
        let headers: RequestHeaders
        let local: LoopRoutes
        let style: AnswerProtocol

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

    private func predict(_ exchange: Exchange, model: String?, alias: Substring?) throws(PlatformError) -> FastAnswer {
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
        let target = try self.target(of: serving, alias: alias, exchange)
        switch body.content {
        case .tensors: return try forward(exchange, to: target, jsonBytes: jsonBytes)
        case .instances(let rows):
            guard jsonBytes == nil else {
                throw PlatformError(.invalidArgument, "'instances' cannot have a binary part", remedy: "send 'inputs'")
            }
            return try forward(rows, of: exchange, to: target)
        }
    }

    private func infer(_ exchange: Exchange, model: String, version: Substring?) throws(PlatformError) -> FastAnswer {
        let serving = try self.serving(model, in: exchange.local.snapshot)
        let target: ServingTarget
        if let version {
            let number = try ModelVersion(String(version))
            guard let named = serving.targets.first(where: { $0.version == number }) else {
                throw PlatformError(.notFound, "version \(number) of model '\(model)' is not released")
            }
            target = named
        } else {
            target = try self.target(of: serving, alias: nil, exchange)
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
        _ exchange: Exchange
    ) throws(PlatformError) -> ServingTarget {
        if let alias {
            guard let index = serving.routes.index(of: alias) else {
                throw PlatformError(.notFound, "model '\(serving.routes.model)' has no variant '\(alias.prefix(100))'")
            }
            return serving.targets[index]
        }
        guard let id = exchange.headers.clientID, !id.isEmpty else {
            return serving.targets[serving.routes.index(of: ClientBucket(random: exchange.local.nextRandom()))]
        }
        guard id.utf8.count <= GatewayLimits.clientIDBytesMax else {
            throw PlatformError(.invalidArgument, "header 'x-client-id' is longer than \(GatewayLimits.clientIDBytesMax) bytes")
        }
        return serving.targets[serving.routes.index(of: serving.routes.bucket(ofClient: id.utf8))]
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
            return run(parsed.request, on: dataPlane, call(exchange, target, .tensors(parsed.binary)), exchange)
        case .upstream(let upstream):
            let call = call(exchange, target, .tensors(.none))
            return call.forward(exchange.request.body, jsonBytes: jsonBytes, to: upstream, on: exchange.local.loop)
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
            return run(parsed.request, on: dataPlane, call(exchange, target, .nested), exchange)
        case .upstream(let upstream):
            var buffer = ByteBuffer()
            body.withUnsafeReadableBytes { bytes in
                _ = buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: rows.bytesMax(start: start)) { space in
                    rows.writeInference(start: start, body: bytes, into: space)
                }
            }
            return call(exchange, target, .nested).forward(buffer, jsonBytes: nil, to: upstream, on: exchange.local.loop)
        }
    }

    private func call(_ exchange: Exchange, _ target: ServingTarget, _ format: AnswerFormat) -> RoutedCall {
        RoutedCall(target: target, shardIndex: exchange.local.shard, style: exchange.style, format: format)
    }

    private func reject(_ error: PlatformError, _ exchange: Exchange, _ target: ServingTarget) -> FastResponse {
        target.meter.shard(exchange.local.shard).reject()
        return error.response(exchange.style, headers: target.headers)
    }

    private func run(
        _ request: InferenceRequest,
        on dataPlane: any InferenceDataPlane,
        _ call: RoutedCall,
        _ exchange: Exchange
    ) -> FastAnswer {
        let pending = PendingAnswer(call)
        dataPlane.infer(request) { pending.complete($0) }
        return pending.answer(on: exchange.local.loop)
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
