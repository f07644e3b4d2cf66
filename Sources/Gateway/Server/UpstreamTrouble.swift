import SlipwayCore

/// Why a model server was not asked or did not answer, as the cause of an `unavailable` error: it decides
/// the answer's status and `Retry-After`, and whom the failure counts against.
enum UpstreamTrouble: Error {
    /// The deadline passed: 504, over gRPC DEADLINE_EXCEEDED.
    case late
    /// As many requests wait as may.
    case saturated
    /// The circuit breaker is open.
    case open(retryAfterSeconds: Int)
    /// The client hung up: nobody is left to answer.
    case abandoned

    static var clientGone: PlatformError {
        PlatformError(.unavailable, "the client has gone", cause: UpstreamTrouble.abandoned)
    }
}

extension PlatformError {
    var upstreamTrouble: UpstreamTrouble? { cause as? UpstreamTrouble }
}
