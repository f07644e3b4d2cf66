public import SlipwayCore

/// The names under which a server may be asked for.
///
/// A page from elsewhere that has its name resolve to 127.0.0.1 (DNS rebinding) makes a browser talk to us
/// as if we were that page's server; the Host header still says the page's name.
public struct AllowedHosts: Sendable, Equatable {
    public static let patternsMax = 100

    /// Lower-case: `name`, `name:port`, `*.domain`, or `*` for any.
    private let patterns: [String]

    /// This machine only.
    public static let loopback = AllowedHosts()

    private init() {
        patterns = []
    }

    /// - Parameter patterns: What is allowed besides loopback: `name`, `name:port`, `*.domain`, or `*` for any.
    /// - Throws: `invalid_argument` for a URL, a space, or a star elsewhere.
    public init(_ patterns: [String]) throws(PlatformError) {
        guard patterns.count <= Self.patternsMax else {
            throw PlatformError(.invalidArgument, "there are more than \(Self.patternsMax) allowed hosts")
        }
        for pattern in patterns {
            let rest = pattern == "*" ? "" : pattern.hasPrefix("*.") ? String(pattern.dropFirst(2)) : pattern
            guard pattern == "*" || (!rest.isEmpty && !rest.contains { "*/ ,".contains($0) }) else {
                throw PlatformError(
                    .invalidArgument,
                    "'\(pattern.prefix(100))' is no host to allow",
                    remedy: "write name, name:port, *.domain, or * for any"
                )
            }
        }
        self.patterns = patterns.map { $0.lowercased() }
    }

    /// - Parameter authority: A Host header's value, with or without a port.
    public func contains(_ authority: String?) -> Bool {
        guard let authority, !authority.isEmpty else { return patterns.contains("*") }
        let name = Self.name(of: authority)
        if Self.isLoopback(name) { return true }
        guard !patterns.isEmpty else { return false }
        let (whole, host) = (authority.lowercased(), name.lowercased())
        return patterns.contains { pattern in
            if pattern == "*" { return true }
            if pattern.hasPrefix("*.") { return host.hasSuffix(pattern.dropFirst()) && host.count > pattern.count - 1 }
            return pattern == host || pattern == whole
        }
    }

    /// Without the port.
    private static func name(of authority: String) -> String {
        if authority.hasPrefix("[") {
            guard let end = authority.firstIndex(of: "]") else { return authority }
            let port = authority[authority.index(after: end)...]
            return port.isEmpty || isPort(port) ? String(authority[...end]) : authority
        }
        guard let colon = authority.firstIndex(of: ":"), isPort(authority[colon...]) else { return authority }
        return String(authority[..<colon])
    }

    private static func isPort(_ text: Substring) -> Bool {
        text.hasPrefix(":") && text.utf8.dropFirst().allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
    }

    /// Addresses are compared as numbers: `127.evil.example` is none.
    static func isLoopback(_ name: String) -> Bool {
        switch name.lowercased() {
        case "127.0.0.1", "localhost", "[::1]", "::1": return true
        default:
            let parts = name.split(separator: ".", omittingEmptySubsequences: false)
            return parts.count == 4 && parts[0] == "127"
                && parts.allSatisfy { part in part.count <= 3 && part.allSatisfy(\.isASCII) && UInt8(part) != nil && !part.hasPrefix("+") }
        }
    }
}
