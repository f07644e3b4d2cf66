/// A name or number that was checked once, when it was read.
///
/// Codable as its plain text, so that files and bodies show what a person would write.
public protocol CheckedText: Hashable, Sendable, Codable, CustomStringConvertible, Comparable {
    var text: String { get }
    init(_ text: String) throws(PlatformError)
}

extension CheckedText {
    public var description: String { text }

    public static func < (left: Self, right: Self) -> Bool { left.text < right.text }

    public init(from decoder: any Decoder) throws {
        try self.init(try decoder.singleValueContainer().decode(String.self))
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(text)
    }
}

/// A released model's name: letters, digits, `_`, `.` and `-`, starting with a letter or digit.
///
/// Narrower than what MLflow's registry allows, because it is also a folder, a file and a label.
public struct ModelName: CheckedText {
    public let text: String

    public init(_ text: String) throws(PlatformError) {
        try checkName(text, what: "model name", bytesMax: Limits.nameBytesMax, extra: "_.-")
        self.text = text
    }
}

/// A name that points at a version: `A`, `B`, `champion`.
public struct Alias: CheckedText {
    public let text: String

    public init(_ text: String) throws(PlatformError) {
        try checkName(text, what: "alias", bytesMax: Limits.aliasBytesMax, extra: "_-")
        self.text = text
    }
}

/// An environment's name, as in `envs/<name>/`: a lower-case DNS label.
public struct EnvironmentName: CheckedText {
    public let text: String

    public init(_ text: String) throws(PlatformError) {
        try checkName(text, what: "environment", bytesMax: 40, extra: "-", upperCase: false)
        guard text.utf8.last != UInt8(ascii: "-") else {
            throw PlatformError(
                .invalidArgument,
                "'\(text)' is not a valid environment",
                remedy: "end it with a letter or digit"
            )
        }
        self.text = text
    }
}

/// One execution of a pipeline.
public struct RunID: CheckedText {
    public let text: String

    public init(_ text: String) throws(PlatformError) {
        try checkName(text, what: "run id", bytesMax: 64, extra: "-", upperCase: false)
        self.text = text
    }
}

/// A Git commit: 40 hexadecimal digits.
public struct CommitID: CheckedText {
    public let text: String

    public init(_ text: String) throws(PlatformError) {
        guard text.utf8.count == 40, text.utf8.allSatisfy({ isLowerHex($0) }) else {
            throw PlatformError(.invalidArgument, "'\(text.prefix(60))' is not a commit id: 40 lower-case hex digits")
        }
        self.text = text
    }

    /// The first eight digits, for people.
    public var short: String { String(text.prefix(8)) }
}

/// A model's version in the registry: a positive number, never reused.
public struct ModelVersion: Hashable, Sendable, Codable, Comparable, CustomStringConvertible {
    public let number: Int

    public init(_ number: Int) throws(PlatformError) {
        guard number > 0 else {
            throw PlatformError(.invalidArgument, "version \(number) is not a positive number")
        }
        self.number = number
    }

    public init(_ text: String) throws(PlatformError) {
        guard let number = Int(text), number > 0, String(number) == text else {
            throw PlatformError(.invalidArgument, "version '\(text.prefix(40))' is not a positive number")
        }
        self.number = number
    }

    public init(from decoder: any Decoder) throws {
        try self.init(try decoder.singleValueContainer().decode(Int.self))
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(number)
    }

    public var description: String { String(number) }

    public static func < (left: Self, right: Self) -> Bool { left.number < right.number }
}

func isLowerHex(_ byte: UInt8) -> Bool {
    (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains(byte)
}

private func checkName(
    _ text: String,
    what: String,
    bytesMax: Int,
    extra: String,
    upperCase: Bool = true
) throws(PlatformError) {
    let isWordByte = { (byte: UInt8) -> Bool in
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"): true
        case UInt8(ascii: "A")...UInt8(ascii: "Z"): upperCase
        default: false
        }
    }
    guard let first = text.utf8.first, text.utf8.count <= bytesMax, isWordByte(first),
        text.utf8.allSatisfy({ isWordByte($0) || extra.utf8.contains($0) })
    else {
        throw PlatformError(
            .invalidArgument,
            "'\(text.prefix(80))' is not a valid \(what)",
            remedy: "use 1 to \(bytesMax) \(upperCase ? "letters" : "lower-case letters"), digits or any of '\(extra)', "
                + "starting with a letter or digit"
        )
    }
}
