import Foundation
import HTTPTypes
import SlipwayCore
import SlipwayTracking

extension HTTPField.Name {
    static let slipwaySHA256 = constant("x-slipway-sha256")
    static let reprDigest = constant("repr-digest")
    static let contentDigest = constant("content-digest")
    static let contentMD5 = constant("content-md5")
    static let forwardedProto = constant("x-forwarded-proto")
    static let forwardedHost = constant("x-forwarded-host")
    static let forwardedPrefix = constant("x-forwarded-prefix")

    private static func constant(_ text: String) -> HTTPField.Name {
        guard let name = HTTPField.Name(text) else { preconditionFailure("'\(text)' is no header name") }
        return name
    }
}

/// Digests in headers: RFC 9530's `Repr-Digest` and `Content-Digest`, `Content-MD5`, and our own.
enum DigestHeaders {
    static func etag(_ digest: Digest) -> String { "\"\(digest.hex)\"" }

    static func set(_ digest: Digest, in headers: inout HTTPFields) {
        headers[.eTag] = etag(digest)
        headers[.slipwaySHA256] = digest.hex
        headers[.reprDigest] = "sha-256=:\(Data(bytes(hex: digest.hex)).base64EncodedString()):"
    }

    /// What an upload says about its bytes. Algorithms that are not known are passed over, as the RFC says.
    ///
    /// - Throws: `invalid_argument` for a known one that cannot be read: it was meant to protect something.
    static func checks(_ headers: HTTPFields) throws(PlatformError) -> ArtifactChecks {
        var checks = ArtifactChecks()
        // With no content coding, which is never asked for, the content is the representation.
        for name in [HTTPField.Name.contentDigest, .reprDigest] {
            for item in (headers[name] ?? "").split(separator: ",") {
                let parts = item.split(separator: "=", maxSplits: 1).map { $0.trimmingCharacters(in: .whitespaces) }
                guard parts.count == 2 else { throw unreadable(name) }
                switch parts[0].lowercased() {
                case "sha-256": checks.sha256 = try Digest(try value(parts[1], 32, name).hexText)
                case "sha-512": checks.sha512 = try value(parts[1], 64, name)
                case "md5": checks.md5 = try value(parts[1], 16, name)
                default: continue
                }
            }
        }
        if let text = headers[.contentMD5] { checks.md5 = try value(":\(text.trimmingCharacters(in: .whitespaces)):", 16, .contentMD5) }
        if let text = headers[.slipwaySHA256] { checks.sha256 = try Digest(text.lowercased()) }
        return checks
    }

    /// A byte sequence of structured fields: base64 between colons.
    private static func value(_ text: String, _ count: Int, _ name: HTTPField.Name) throws(PlatformError) -> [UInt8] {
        let inner = text.split(separator: ";").first.map(String.init) ?? ""
        guard inner.count > 2, inner.hasPrefix(":"), inner.hasSuffix(":"), let data = Data(base64Encoded: String(inner.dropFirst().dropLast())),
            data.count == count
        else { throw unreadable(name) }
        return Array(data)
    }

    private static func unreadable(_ name: HTTPField.Name) -> PlatformError {
        PlatformError(.invalidArgument, "the header '\(name.canonicalName)' is no digest that can be read")
    }

    private static func bytes(hex: String) -> [UInt8] {
        let digits = Array(hex.utf8).map { $0 <= UInt8(ascii: "9") ? $0 - UInt8(ascii: "0") : $0 - UInt8(ascii: "a") + 10 }
        return stride(from: 0, to: digits.count - 1, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
    }
}
