public import SlipwayCore

/// The facts about a platform at one moment, with what they prove.
///
/// Stored as one signed envelope beside the facts themselves, which it names by their digest.
public struct Capture: Sendable, Equatable {
    /// The file of the facts, as the statement's subject calls it.
    public static let factsName = "facts.json"
    /// The model of a statement that is about the whole platform.
    private static let platformModel = "platform"

    public let kind: CaptureKind
    public let facts: JSONValue
    public let checks: [CaptureCheck]

    public init(kind: CaptureKind, facts: JSONValue) {
        self.kind = kind
        self.facts = facts
        checks = kind.checks(of: facts)
    }

    public var verdict: Verdict { CaptureCheck.verdict(of: checks) }
    public var factsBytes: [UInt8] { Array((facts.prettyText + "\n").utf8) }

    /// What is signed.
    public func transition(environment: EnvironmentName, commit: CommitID?, time: Timestamp) throws(PlatformError) -> Transition {
        Transition(
            kind: kind.rawValue,
            environment: environment,
            model: try ModelName(Self.platformModel),
            version: nil,
            run: nil,
            commit: commit,
            subjects: [Self.factsName: Digest(of: factsBytes)],
            observed: ["checks": .array(checks.map(\.json))],
            verdict: verdict,
            time: time
        )
    }

    /// Judges a stored capture again, from its facts.
    ///
    /// - Throws: `corrupt` that says what does not agree: the digest of the facts, the checks or the verdict.
    public init(verifying transition: Transition, factsBytes: [UInt8]) throws(PlatformError) {
        guard let kind = CaptureKind(rawValue: transition.kind) else {
            throw PlatformError(.corrupt, "'\(transition.kind)' is not a kind of capture")
        }
        guard transition.subjects == [Self.factsName: Digest(of: factsBytes)] else {
            throw PlatformError(.corrupt, "'\(Self.factsName)' is not what was signed")
        }
        let facts: JSONValue
        do {
            facts = try JSONValue(parsing: factsBytes, depthMax: ProofLimits.depthMax)
        } catch {
            throw PlatformError(.corrupt, "'\(Self.factsName)' is not JSON: \(error.message)", cause: error)
        }
        self.init(kind: kind, facts: facts)
        guard transition.observed == ["checks": .array(checks.map(\.json))], transition.verdict == verdict else {
            throw PlatformError(.corrupt, "the checks that were signed are not those that follow from '\(Self.factsName)'")
        }
    }

    /// The verdicts as a page for people; `facts.json` and the envelope are what counts.
    public func page(environment: EnvironmentName, commit: CommitID?, time: Timestamp, key: VerifyingKey) -> String {
        var lines = [
            "# \(kind.rawValue): \(verdict.rawValue)", "",
            "Environment \(environment), \(time)\(commit.map { ", commit \($0.short)" } ?? ""), key \(key.id.hex.prefix(16))….", "",
            "| check | verdict | finding |", "|---|---|---|",
        ]
        for check in checks {
            lines.append("| \(check.name) | \(check.verdict.rawValue) | \(check.finding.replacing("|", with: "\\|").replacing("\n", with: " ")) |")
        }
        lines += ["", "`slipway proof check FOLDER` judges it again from [facts.json](facts.json).", ""]
        return lines.joined(separator: "\n")
    }
}
