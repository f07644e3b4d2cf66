import HTTPTypes
import NIOCore
import SlipwayCore
import SlipwayHTTP

/// Which protocol an answer speaks.
enum AnswerProtocol: Sendable {
    /// Our own: `{"error":{"code":…,"message":…}}`.
    case predict
    /// The Open Inference Protocol: `{"error":"…"}`.
    case inference
}

extension PlatformError {
    /// The status of this error on the Open Inference Protocol, as Triton answers it.
    var inferenceStatus: HTTPResponse.Status {
        switch code {
        case .failedPrecondition: .badRequest
        default: code.status
        }
    }

    /// This error as an answer.
    ///
    /// - Parameter headers: Who answered, if a variant was chosen.
    func response(_ style: AnswerProtocol, headers: HTTPFields = [:]) -> FastResponse {
        let body: JSONValue
        var status: HTTPResponse.Status
        switch style {
        case .predict:
            body = self.body
            status = code.status
        case .inference:
            body = ["error": .string(remedy.map { "\(message) (\($0))" } ?? message)]
            status = inferenceStatus
        }
        if case .late = upstreamTrouble { status = .gatewayTimeout }
        var headers = headers
        headers[.contentType] = "application/json"
        if code == .unavailable || code == .exhausted {
            headers[GatewayHeader.retryAfter] = "\(retryAfterSeconds)"
        }
        return FastResponse(status: status, headers: headers, body: ByteBuffer(bytes: body.canonicalBytes))
    }

    /// What whoever refused said, or a moment.
    var retryAfterSeconds: Int {
        if case .open(let seconds) = upstreamTrouble { return seconds }
        return (cause as? ClientAdmission.Wait)?.seconds ?? GatewayLimits.retryAfterSeconds
    }
}
