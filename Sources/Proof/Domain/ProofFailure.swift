/// The first thing of a proof log that does not hold.
public struct ProofFailure: Error, Sendable, Equatable, Codable, CustomStringConvertible {
    public enum Check: String, Sendable, Equatable, Codable, CaseIterable {
        /// The file is an envelope in canonical form.
        case envelope
        /// The envelope names the key that was given.
        case key
        case signature
        /// The payload is a statement in canonical form.
        case statement
        /// The number that follows the file before.
        case sequence
        /// The digest of the file before.
        case previous
        case environment
        /// The digest of an artifact that was given.
        case subject
        /// One of the six of a successful run.
        case condition
        /// Something that must be in the log at all.
        case presence
    }

    /// The file's name; empty when it is about the log as a whole.
    public let file: String
    public let what: Check
    public let expected: String
    public let got: String

    public init(file: String, what: Check, expected: String, got: String) {
        self.file = file
        self.what = what
        self.expected = expected
        self.got = got
    }

    public var description: String {
        "\(file.isEmpty ? "the proofs" : "'\(file)'"): \(what.rawValue) does not hold: expected \(expected), got \(got)"
    }
}
