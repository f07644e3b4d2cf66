import ArgumentParser
import SlipwayCore

extension PlatformError.Code {
    /// What the command line exits with. Scripts branch on these: a number never changes its meaning.
    var exitCode: ExitCode {
        switch self {
        case .unexpected: ExitCode(1)
        case .invalidArgument: ExitCode(2)
        case .notFound: ExitCode(3)
        case .alreadyExists: ExitCode(4)
        case .failedPrecondition: ExitCode(5)
        case .exhausted: ExitCode(6)
        case .unavailable: ExitCode(7)
        case .corrupt: ExitCode(8)
        case .permissionDenied: ExitCode(9)
        case .unauthenticated: ExitCode(10)
        }
    }
}

extension PlatformError {
    /// What the command line says on stderr: the failure, why, and what to do next.
    var report: String {
        var lines = ["error[\(code.rawValue)]: \(message)"]
        if let cause { lines.append("  because: \(Self.reason(cause))") }
        if let remedy { lines.append("  try: \(remedy)") }
        return lines.joined(separator: "\n")
    }

    private static func reason(_ cause: any Error) -> String {
        guard let known = cause as? PlatformError else { return "\(cause)" }
        guard let deeper = known.cause else { return known.message }
        return "\(known.message): \(reason(deeper))"
    }
}
