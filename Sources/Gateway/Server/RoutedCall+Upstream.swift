import HTTPTypes
import NIOCore
import SlipwayCore
import SlipwayHTTP
import SlipwayInference

extension RoutedCall {
    /// Sends a body of the Open Inference Protocol on as it is, and the answer back as it is.
    ///
    /// The request's tensors are not read here. The answer's are, for what the variant is judged by; they
    /// are written again only where the server knows the model by another name.
    func forward(
        _ body: ByteBuffer,
        jsonBytes: Int?,
        to upstream: UpstreamDataPlane,
        on loop: any EventLoop,
        timeout: Duration? = nil,
        cancellation: Cancellation? = nil
    ) -> FastAnswer {
        let path = upstream.naming.path(model: target.model, version: target.version) + "/infer"
        let request = UpstreamRequest(path: path, body: body, jsonBytes: jsonBytes, requestID: requestID)
        let promise = loop.makePromise(of: FastResponse.self)
        upstream.send(request, on: loop, timeout: timeout, cancellation: cancellation) {
            promise.succeed(finish($0, renames: upstream.naming.namesDiffer))
        }
        return .later(promise.futureResult)
    }

    private func finish(_ result: UpstreamResult, renames: Bool) -> FastResponse {
        switch result {
        case .failure(let error): return finish(failure: error)
        case .success(let response):
            guard response.status == 200 else { return finish(failure: Self.error(of: response)) }
            let parsed: InferenceResponse
            do throws(PlatformError) {
                parsed = try Self.parse(response)
            } catch {
                return finish(failure: PlatformError(.unavailable, "the model server's answer cannot be read", cause: error))
            }
            defer { mirrored?.offer(parsed.outputs) }
            let (outcome, refusal) = judge(parsed.outputs)
            if let refusal { return end(outcome, refusal.response(style, headers: target.headers), because: refusal) }
            switch format {
            case .nested: return end(outcome, write(parsed))
            case .tensors: return end(outcome, renames ? renamed(parsed, response) : passed(response))
            }
        }
    }

    private func passed(_ response: UpstreamResponse) -> FastResponse {
        guard let jsonBytes = response.jsonBytes else {
            return FastResponse(status: .ok, headers: target.headers, body: response.body)
        }
        var headers = target.binaryHeaders
        headers[GatewayHeader.jsonLength] = "\(jsonBytes)"
        return FastResponse(status: .ok, headers: headers, body: response.body)
    }

    private func renamed(_ parsed: InferenceResponse, _ response: UpstreamResponse) -> FastResponse {
        let ours = InferenceResponse(model: target.model, version: target.version, id: parsed.id, outputs: parsed.outputs)
        let binary = response.jsonBytes == nil ? BinaryOutputs.none : .all
        let call = RoutedCall(rewriting: self, format: .tensors(binary))
        return call.write(ours)
    }

    private static func parse(_ response: UpstreamResponse) throws(PlatformError) -> InferenceResponse {
        let result: Result<InferenceResponse, PlatformError> = response.body.withUnsafeReadableBytes { bytes in
            do throws(PlatformError) {
                return .success(try InferenceBody.parseResponse(bytes, jsonBytes: response.jsonBytes))
            } catch {
                return .failure(error)
            }
        }
        return try result.get()
    }

    /// The tensors of an answer, for those who only look at them.
    static func outputs(of result: UpstreamResult) -> Result<[Tensor], PlatformError> {
        switch result {
        case .failure(let error): return .failure(error)
        case .success(let response):
            guard response.status == 200 else { return .failure(error(of: response)) }
            do throws(PlatformError) {
                return .success(try parse(response).outputs)
            } catch {
                return .failure(error)
            }
        }
    }

    /// The error that a status other than 200 stands for.
    private static func error(of response: UpstreamResponse) -> PlatformError {
        let text = (try? JSONValue(parsing: response.body.readableBytesView))?["error"]?.stringValue
        let message = text.map { String($0.prefix(messageCharactersMax)) } ?? "the model server answered \(response.status)"
        switch response.status {
        case 400, 413, 415, 422: return PlatformError(.invalidArgument, message)
        case 404: return PlatformError(.notFound, message)
        case 429, 503: return PlatformError(.unavailable, message)
        case 501: return PlatformError(.invalidArgument, message)
        default: return PlatformError(.unexpected, message)
        }
    }

    private static var messageCharactersMax: Int { 1000 }
}
