import SlipwayCore

/// What an S3 answer that is no success means.
enum S3Failure {
    /// Answers that may be others at the next attempt.
    static func isPassing(status: Int, code: String) -> Bool {
        status >= 500 && status != 501 || status == 429 || status == 408
            || ["SlowDown", "RequestTimeout", "InternalError", "ServiceUnavailable"].contains(code)
    }

    /// - Parameter object: `object 'key' in bucket 'name'`.
    static func error(status: Int, code: String, message: String, object: String) -> PlatformError {
        let said = code.isEmpty ? "S3 answered \(status)" : "S3 answered \(status) \(code.prefix(60))"
        let cause = PlatformError(.unexpected, "\(said) \(message.prefix(300))")
        switch (status, code) {
        case (_, "NoSuchBucket"):
            return PlatformError(.notFound, "there is no bucket for \(object)", remedy: "create the bucket, or correct its name", cause: cause)
        case (404, _):
            return PlatformError(.notFound, "there is no \(object)", cause: cause)
        case (412, _), (409, "ConditionalRequestConflict"):
            return PlatformError(.alreadyExists, "\(object) exists already", cause: cause)
        case (_, "RequestTimeTooSkewed"):
            return PlatformError(.failedPrecondition, "\(object) was refused: the clocks differ", remedy: "set this machine's clock", cause: cause)
        case (401, _), (403, _):
            return PlatformError(
                .failedPrecondition, "\(object) was refused: \(said)",
                remedy: "check the credentials, the region and the bucket's policy", cause: cause
            )
        case (301, _), (307, _):
            return PlatformError(.failedPrecondition, "\(object) is elsewhere: \(said)", remedy: "set the bucket's region and endpoint", cause: cause)
        case (400..<500, _) where !isPassing(status: status, code: code):
            return PlatformError(.invalidArgument, "\(object) was refused: \(said)", cause: cause)
        default:
            return PlatformError(.unavailable, "\(object) could not be reached: \(said)", remedy: "check that the S3 server runs", cause: cause)
        }
    }
}
