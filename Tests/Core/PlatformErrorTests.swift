import SlipwayCore
import Testing

@Suite("Platform error")
struct PlatformErrorTests {
    struct Refused: Error, CustomStringConvertible {
        var description: String { "connection refused" }
    }

    @Test("Wrapping one of ours changes nothing: code, remedy, cause and origin are the first ones")
    func ours() {
        let first = PlatformError(
            .notFound,
            "model 'tumor' does not exist",
            remedy: "register it",
            cause: Refused()
        )
        let wrapped = PlatformError.wrapping(first, doing: "load it", code: .unavailable)
        #expect(wrapped.code == .notFound)
        #expect(wrapped.message == first.message)
        #expect(wrapped.remedy == "register it")
        #expect(wrapped.cause is Refused)
        #expect(wrapped.origin == first.origin)
    }

    @Test("Wrapping a strange error tells the caller what failed, and only the operator why")
    func strange() {
        let line = #line + 1
        let wrapped = PlatformError.wrapping(Refused(), doing: "read the release of 'tumor'")
        #expect(wrapped.code == .unexpected)
        #expect(wrapped.message == "could not read the release of 'tumor'")
        #expect(wrapped.remedy == nil)
        #expect(wrapped.cause is Refused)
        #expect(wrapped.origin == "SlipwayCoreTests/PlatformErrorTests.swift:\(line)")
    }

    @Test(
        "Wrapping a strange error can say which kind of failure it is",
        arguments: PlatformError.Code.allCases
    )
    func kind(code: PlatformError.Code) {
        #expect(PlatformError.wrapping(Refused(), doing: "ask", code: code).code == code)
    }

    @Test("In a log it is one line: code, message, origin, then each cause")
    func description() {
        let inner = PlatformError(
            .unavailable,
            "tracking did not answer",
            cause: Refused(),
            file: "A/B.swift",
            line: 1
        )
        let outer = PlatformError(
            .failedPrecondition,
            "no champion",
            remedy: "wait",
            cause: inner,
            file: "C/D.swift",
            line: 2
        )
        #expect(
            "\(outer)"
                == "failed_precondition: no champion [C/D.swift:2] <- unavailable: tracking did not answer [A/B.swift:1] "
                + "<- connection refused"
        )
        #expect("\(PlatformError(.corrupt, "x", file: "A/B.swift", line: 3))" == "corrupt: x [A/B.swift:3]")
    }

    @Test("The codes on the wire are these words")
    func codes() {
        #expect(
            PlatformError.Code.allCases.map(\.rawValue) == [
                "invalid_argument", "not_found", "already_exists", "failed_precondition", "permission_denied", "unauthenticated", "exhausted",
                "unavailable", "corrupt",
                "unexpected",
            ]
        )
    }
}
