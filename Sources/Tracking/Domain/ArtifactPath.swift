public import SlipwayCore

/// A path below the root of an artifact store, which cannot lead out of it.
///
/// Parts are joined by `/`; none is empty, `.` or `..`; no NUL, no backslash.
public struct ArtifactPath: CheckedText {
    public let text: String

    public static let bytesMax = 1024

    public init(_ text: String) throws(PlatformError) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard !text.isEmpty, text.utf8.count <= Self.bytesMax,
            parts.allSatisfy({ !$0.isEmpty && $0 != "." && $0 != ".." }),
            !text.utf8.contains(0), !text.utf8.contains(UInt8(ascii: "\\"))
        else {
            throw PlatformError(.invalidArgument, "Invalid path: \(text.prefix(200))")
        }
        self.text = text
    }

    public func appending(_ path: String) throws(PlatformError) -> ArtifactPath {
        try ArtifactPath("\(text)/\(path)")
    }
}
