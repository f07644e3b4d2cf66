import HTTPTypes
import NIOCore
import SlipwayCore
import SlipwayHTTP
import SlipwayInference

/// How an answer is written.
enum AnswerFormat: Sendable {
    /// For `instances`: `{"model":…,"version":…,"variant":…,"outputs":{"label":[…]}}`.
    case nested
    /// A body of the Open Inference Protocol, with these outputs as binary.
    case tensors(BinaryOutputs)

    var binary: BinaryOutputs {
        switch self {
        case .nested: .none
        case .tensors(let binary): binary
        }
    }
}

/// A request that has its variant: from here on it is that variant's, whatever happens to the routes.
struct RoutedCall: Sendable {
    let target: ServingTarget
    let shard: MeterShard
    let style: AnswerProtocol
    let format: AnswerFormat
    /// `nil`: this request is not copied to a shadow.
    let mirrored: MirroredRequest?
    /// As the client calls the request.
    let requestID: String?
    let started: NIODeadline

    /// Begins the call: from now on it is in flight on its version, until one of the `finish` ends it.
    init(
        target: ServingTarget,
        shardIndex: Int,
        style: AnswerProtocol,
        format: AnswerFormat,
        mirrored: MirroredRequest? = nil,
        requestID: String? = nil
    ) {
        self.target = target
        self.shard = target.meter.shard(shardIndex)
        self.style = style
        self.format = format
        self.mirrored = mirrored
        self.requestID = requestID
        self.started = .now()
        shard.begin()
    }

    /// The same call, which has begun already, with another format.
    init(rewriting call: RoutedCall, format: AnswerFormat) {
        target = call.target
        shard = call.shard
        style = call.style
        started = call.started
        requestID = call.requestID
        self.format = format
        mirrored = nil
    }

    func finish(_ result: Result<InferenceResponse, PlatformError>) -> FastResponse {
        switch result {
        case .success(let response):
            defer { mirrored?.offer(response.outputs) }
            let (outcome, refusal) = judge(response.outputs)
            if let refusal { return end(outcome, refusal.response(style, headers: target.headers), because: refusal) }
            if let refusal = InferenceBody.refusal(of: response, binary: format.binary) { return finish(failure: refusal) }
            return end(outcome, write(response))
        case .failure(let error):
            return finish(failure: error)
        }
    }

    /// Counts what a model answered, and decides whether it may go out.
    ///
    /// `/predict` promises numbers; the Open Inference Protocol passes on what the model computed.
    func judge(_ outputs: [Tensor]) -> (Outcome, refusal: PlatformError?) {
        target.observation.count(outputs, in: shard)
        guard !OutputObservation.isFinite(outputs) else { return (.ok, nil) }
        guard case .predict = style else { return (.nonFinite, nil) }
        return (
            .nonFinite,
            PlatformError(
                .unexpected,
                "version \(target.version) of model '\(target.model)' answered with NaN or an infinite number",
                remedy: "check the input's values; /v2/models/\(target.model)/infer shows what the model computes"
            )
        )
    }

    func finish(failure error: PlatformError) -> FastResponse {
        let (outcome, told) = verdict(on: error)
        return end(outcome, told.response(style, headers: target.headers), because: told)
    }

    /// How a failure counts, and what the client is told.
    func verdict(on error: PlatformError) -> (Outcome, PlatformError) {
        switch error.code {
        case .invalidArgument:
            return (.rejected, error)
        case .notFound, .failedPrecondition:
            // It is not the client's mistake that a version which is routed to is not there.
            let gone = PlatformError(
                .unavailable,
                "version \(target.version) of model '\(target.model)' is not ready at the model server",
                cause: error
            )
            return (.error, gone)
        case .alreadyExists, .permissionDenied, .unauthenticated, .exhausted, .unavailable, .corrupt, .unexpected:
            return (.error, error)
        }
    }

    func write(_ response: InferenceResponse) -> FastResponse {
        switch format {
        case .nested: FastResponse(status: .ok, headers: target.headers, body: nestedBody(response.outputs))
        case .tensors(let binary): tensorResponse(response, binary: binary)
        }
    }

    private func nestedBody(_ outputs: [Tensor]) -> ByteBuffer {
        let keys = outputs.map { target.outputKeys[$0.name] ?? ServingTarget.key($0.name) }
        var bytesMax = target.answerStart.count + 2
        for (key, output) in zip(keys, outputs) { bytesMax += key.count + 1 + TensorWriter.bytesMax(of: output) }
        var buffer = ByteBuffer()
        buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: bytesMax) { space in
            var count = 0
            func put(_ bytes: [UInt8]) {
                UnsafeMutableRawBufferPointer(rebasing: space[count...]).copyBytes(from: bytes)
                count += bytes.count
            }
            put(target.answerStart)
            for (index, output) in outputs.enumerated() {
                if index > 0 {
                    space[count] = UInt8(ascii: ",")
                    count += 1
                }
                put(keys[index])
                count += TensorWriter.write(output, into: UnsafeMutableRawBufferPointer(rebasing: space[count...]))
            }
            space[count] = UInt8(ascii: "}")
            space[count + 1] = UInt8(ascii: "}")
            return count + 2
        }
        return buffer
    }

    private func tensorResponse(_ response: InferenceResponse, binary: BinaryOutputs) -> FastResponse {
        var buffer = ByteBuffer()
        var jsonBytes: Int?
        let bytesMax = InferenceBody.bytesMax(of: response, binary: binary)
        buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: bytesMax) { space in
            let written = InferenceBody.write(response, binary: binary, into: space)
            jsonBytes = written.jsonBytes
            return written.bytes
        }
        guard let jsonBytes else { return FastResponse(status: .ok, headers: target.headers, body: buffer) }
        var headers = target.binaryHeaders
        headers[GatewayHeader.jsonLength] = "\(jsonBytes)"
        return FastResponse(status: .ok, headers: headers, body: buffer)
    }
}
