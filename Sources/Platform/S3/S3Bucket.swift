import Foundation
public import SlipwayCore

/// A bucket, where it is, and how its requests are addressed.
public struct S3Bucket: Sendable, Equatable {
    public enum Style: String, Sendable {
        /// `https://host/bucket/key`, which every S3 understands.
        case path
        /// `https://bucket.host/key`.
        case virtualHost
    }

    public let name: String
    public let region: String
    let style: Style
    /// `https://host:port`, without a slash at the end.
    let origin: String
    /// What is signed as `host`.
    let host: String

    /// - Parameter endpoint: `http://127.0.0.1:8333`, without a path.
    /// - Throws: `invalid_argument` for what is no endpoint or no bucket's name.
    public init(_ name: String, endpoint: String, region: String = "us-east-1", style: Style = .path) throws(PlatformError) {
        let letters = name.utf8.allSatisfy { byte in
            (0x61...0x7A).contains(byte) || (0x30...0x39).contains(byte) || byte == 0x2D || byte == 0x2E
        }
        guard letters, (3...63).contains(name.utf8.count), !name.contains(".."), !name.hasPrefix("."), !name.hasPrefix("-"),
            !name.hasSuffix("."), !name.hasSuffix("-")
        else {
            throw PlatformError(
                .invalidArgument,
                "'\(name.prefix(80))' is no bucket's name",
                remedy: "use 3 to 63 lower-case letters, digits, dots and hyphens"
            )
        }
        guard let parts = URLComponents(string: endpoint), let scheme = parts.scheme, ["http", "https"].contains(scheme),
            let server = parts.host, !server.isEmpty, parts.user == nil, parts.path.isEmpty || parts.path == "/", parts.query == nil
        else {
            throw PlatformError(
                .invalidArgument,
                "the S3 endpoint of bucket '\(name)' is not an http or https URL without path",
                remedy: "write it as 'http://127.0.0.1:9000'; credentials come from the environment"
            )
        }
        self.name = name
        self.region = region
        self.style = style
        let usual = scheme == "https" ? 443 : 80
        let port = parts.port.flatMap { $0 == usual ? nil : ":\($0)" } ?? ""
        host = (style == .virtualHost ? "\(name)." : "") + server + port
        origin = "\(scheme)://\(host)"
    }

    /// The path of a key, encoded as it is sent and signed.
    func path(_ key: String) -> String {
        let bucket = style == .path ? "/\(name)" : ""
        return key.isEmpty ? (bucket.isEmpty ? "/" : bucket) : "\(bucket)/\(key.s3Encoded(keepsSlash: true))"
    }
}
