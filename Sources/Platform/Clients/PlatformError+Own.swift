import SlipwayCore

extension PlatformError {
    /// The error that one of our own APIs answered: `{"error":{"code":…,"message":…,"remedy":…}}`.
    static func own(_ answer: PeerAnswer, peer: String) -> PlatformError {
        let error = (try? JSONValue(parsing: answer.body))?["error"]
        let message = error?["message"]?.stringValue ?? "\(peer) answered \(answer.status): \(answer.said)"
        let remedy = error?["remedy"]?.stringValue
        guard let code = error?["code"]?.stringValue.flatMap({ Code(rawValue: $0) }) else {
            return PlatformError(code(status: answer.status), message, remedy: remedy)
        }
        return PlatformError(code, message, remedy: remedy)
    }

    /// What a bare status means.
    static func code(status: Int) -> Code {
        switch status {
        case 400: .invalidArgument
        case 401: .unauthenticated
        case 403: .permissionDenied
        case 404: .notFound
        case 408, 502, 503, 504: .unavailable
        case 429: .exhausted
        case 500...: .unexpected
        default: .failedPrecondition
        }
    }
}
