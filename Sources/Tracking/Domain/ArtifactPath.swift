public import SlipwayCore

/// A path below the root of an artifact store, which cannot lead out of it.
///
/// Parts are joined by `/`; none is empty, `.` or `..`; no control character, no backslash. The refusal's
/// message is MLflow's, because its clients show it.
public struct ArtifactPath: CheckedText {
    public let text: String

    public static let bytesMax = 1024
    /// What file systems allow for one name.
    public static let partBytesMax = 255
    public static let depthMax = 128
    /// How often a path from outside is decoded to see whether it hides something.
    static let decodingsMax = 10

    public init(_ text: String) throws(PlatformError) {
        guard text.utf8.count <= Self.bytesMax else {
            throw PlatformError(.invalidArgument, "Invalid path: it is longer than \(Self.bytesMax) bytes")
        }
        let parts = text.pathParts
        guard parts.count <= Self.depthMax else {
            throw PlatformError(.invalidArgument, "Invalid path: it has more than \(Self.depthMax) parts")
        }
        guard parts.allSatisfy({ $0.utf8.count <= Self.partBytesMax }) else {
            throw PlatformError(.invalidArgument, "Invalid path: a part of it is longer than \(Self.partBytesMax) bytes")
        }
        guard !text.isEmpty, parts.allSatisfy({ !$0.isEmpty && $0 != "." && $0 != ".." }), !Self.hasForbiddenBytes(text) else {
            throw Self.invalid
        }
        self.text = text
    }

    /// A path as a client sent it, decoded once, as any HTTP server does.
    ///
    /// It is refused when it leads out of the store now or after more decoding (`%252e%252e`), is absolute on
    /// any system, or is a file URI. Empty parts and `.` are dropped: clients join with more slashes than needed.
    ///
    /// Only the path as it was sent must be plain text: older clients call images `…%step%80%timestamp%1795…`, of
    /// which a second decoding would make control characters and bytes that are no text. Nobody decodes it again.
    public init(requested: String) throws(PlatformError) {
        guard requested.utf8.count <= Self.bytesMax * 3 else { throw Self.invalid }
        var text = requested
        var isStable = false
        for _ in 0..<Self.decodingsMax {
            guard Self.isHarmless(text) else { throw Self.invalid }
            let decoded = PercentEncoding.decodedLossily(text)
            isStable = decoded == text
            guard !isStable else { break }
            text = decoded
        }
        guard isStable else { throw Self.invalid }
        try self.init(requested.pathParts.filter { !$0.isEmpty && $0 != "." }.joined(separator: "/"))
    }

    public func appending(_ path: String) throws(PlatformError) -> ArtifactPath {
        try ArtifactPath("\(text)/\(path)")
    }

    /// The last part: the file's or folder's own name.
    public var name: String { text.pathParts.last ?? text }

    private static let invalid = PlatformError(.invalidArgument, "Invalid path", remedy: "send a relative path of plain names joined by '/'")

    private static func hasForbiddenBytes(_ text: String) -> Bool {
        text.utf8.contains { $0 < 0x20 || $0 == 0x7F || $0 == UInt8(ascii: "\\") }
    }

    private static func isHarmless(_ text: String) -> Bool {
        let bytes = Array(text.utf8.prefix(2))
        let hasDrive = bytes.count == 2 && bytes[1] == UInt8(ascii: ":") && isLetter(bytes[0])
        return text.utf8.first != UInt8(ascii: "/") && !hasDrive && !text.lowercased().hasPrefix("file:") && !text.utf8.contains(UInt8(ascii: "#"))
            && !text.utf8.contains { [0x00, 0x0A, 0x0D, UInt8(ascii: "\\")].contains($0) } && !text.pathParts.contains("..")
    }

    private static func isLetter(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20)
    }
}

/// The escapes of URLs.
public enum PercentEncoding {
    /// With `%41` as `A`, once; what is no escape stays as it is. `nil` when the bytes are not UTF-8.
    public static func decoded(_ text: some StringProtocol) -> String? {
        String(validating: bytes(text), as: UTF8.self)
    }

    /// With a replacement character for what is not UTF-8, as Python has it.
    static func decodedLossily(_ text: some StringProtocol) -> String {
        String(decoding: bytes(text), as: UTF8.self)
    }

    private static func bytes(_ text: some StringProtocol) -> [UInt8] {
        guard text.utf8.contains(UInt8(ascii: "%")) else { return Array(text.utf8) }
        let bytes = Array(text.utf8)
        var result: [UInt8] = []
        result.reserveCapacity(bytes.count)
        var index = 0
        while index < bytes.count {
            if bytes[index] == UInt8(ascii: "%"), index + 2 < bytes.count, let high = digit(bytes[index + 1]), let low = digit(bytes[index + 2]) {
                result.append(high << 4 | low)
                index += 3
            } else {
                result.append(bytes[index])
                index += 1
            }
        }
        return result
    }

    private static func digit(_ byte: UInt8) -> UInt8? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
        default: nil
        }
    }
}
