/// The one error that leaves a module.
///
/// Every edge of the platform (HTTP, the command line, a run's record) maps it with a single `switch`
/// that the compiler checks. It speaks to two people, and keeps them apart: ``message`` and ``remedy``
/// are for whoever asked, and hold no secret, address or path of ours; ``cause`` is for whoever runs the
/// platform, and only logs and proofs see it. A mistake in our own code is a `precondition` instead.
public struct PlatformError: Error, Sendable {
    /// What kind of failure this is, and so what the caller may do about it.
    public enum Code: String, Codable, CaseIterable, Sendable {
        /// Wrong as written: sending it again fails again.
        case invalidArgument = "invalid_argument"
        /// The thing named does not exist.
        case notFound = "not_found"
        /// The thing to be made exists already.
        case alreadyExists = "already_exists"
        /// The thing exists, in a state that does not allow this.
        case failedPrecondition = "failed_precondition"
        /// Whoever asks may not do this; somebody else, or something else, may.
        case permissionDenied = "permission_denied"
        /// Nobody knows who asks: with a valid token it may be allowed.
        case unauthenticated
        /// A named limit was reached; later it may fit.
        case exhausted
        /// Something that this depends on did not answer; it may be asked again.
        case unavailable
        /// Stored bytes do not match their digest or schema. Nothing was changed.
        case corrupt
        /// None of the above, and so always a bug.
        case unexpected
    }

    public let code: Code
    /// One sentence that names the thing in quotes and says what is wrong with it.
    public let message: String
    /// The next command or change that would fix it.
    public let remedy: String?
    public let cause: (any Error)?
    /// Where it was thrown first, as `Module/File.swift:line`.
    public let origin: String

    public init(
        _ code: Code,
        _ message: String,
        remedy: String? = nil,
        cause: (any Error)? = nil,
        file: String = #fileID,
        line: Int = #line
    ) {
        self.code = code
        self.message = message
        self.remedy = remedy
        self.cause = cause
        self.origin = "\(file):\(line)"
    }

    /// Takes any error in: a `PlatformError` as it is, another one as `unexpected` with that cause.
    ///
    /// - Parameter doing: What was being done, as in "could not \(doing)".
    public static func wrapping(
        _ error: any Error,
        doing: String,
        code: Code = .unexpected,
        file: String = #fileID,
        line: Int = #line
    ) -> PlatformError {
        if let known = error as? PlatformError { return known }
        return PlatformError(code, "could not \(doing)", cause: error, file: file, line: line)
    }
}

extension PlatformError: CustomStringConvertible {
    /// One line for logs: code, message, origin, then the chain of causes.
    public var description: String {
        let head = "\(code.rawValue): \(message) [\(origin)]"
        guard let cause else { return head }
        return "\(head) <- \(cause)"
    }
}
