import Crypto
import Foundation
import SlipwayCore

/// Signature version 4 of one request, in its headers.
///
/// A value: the time is passed in. Follows
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html>.
struct S3Signature {
    /// Of the body: for an empty one too.
    static let emptyDigest = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

    var method: String
    /// Percent-encoded.
    var path: String
    var query: [(name: String, value: String)]
    /// Everything that is signed, `host` included.
    var headers: [(name: String, value: String)]
    var bodyDigest: String
    var region: String
    var date: Date

    /// `20130524T000000Z`.
    var stamp: String {
        var calendar = Calendar(identifier: .gregorian)
        calendar.timeZone = .gmt
        let parts = calendar.dateComponents([.year, .month, .day, .hour, .minute, .second], from: date)
        func digits(_ value: Int?, _ width: Int) -> String {
            let text = String(value ?? 0)
            return String(repeating: "0", count: max(0, width - text.count)) + text
        }
        let day: String = [digits(parts.year, 4), digits(parts.month, 2), digits(parts.day, 2)].joined()
        let time: String = [digits(parts.hour, 2), digits(parts.minute, 2), digits(parts.second, 2)].joined()
        return "\(day)T\(time)Z"
    }

    static func canonicalQuery(_ query: [(name: String, value: String)]) -> String {
        var pairs: [(name: String, value: String)] = []
        for one in query { pairs.append((name: one.name.s3Encoded(), value: one.value.s3Encoded())) }
        pairs.sort { left, right in
            left.name == right.name ? left.value < right.value : left.name < right.name
        }
        let texts: [String] = pairs.map { pair in pair.name + "=" + pair.value }
        return texts.joined(separator: "&")
    }

    /// The value of `authorization`.
    func authorization(_ credentials: S3Credentials) -> String {
        var sorted: [(name: String, value: String)] = []
        for header in headers {
            sorted.append((name: header.name.lowercased(), value: header.value.trimmingCharacters(in: .whitespaces)))
        }
        sorted.sort { left, right in left.name < right.name }
        let lines: [String] = sorted.map { header in header.name + ":" + header.value + "\n" }
        let names: String = sorted.map(\.name).joined(separator: ";")
        let pieces: [String] = [method, path, Self.canonicalQuery(query), lines.joined(), names, bodyDigest]
        let request = pieces.joined(separator: "\n")
        let day = String(stamp.prefix(8))
        let scope = "\(day)/\(region)/s3/aws4_request"
        let text = ["AWS4-HMAC-SHA256", stamp, scope, Digest(of: Array(request.utf8)).hex].joined(separator: "\n")
        var key = Array("AWS4\(credentials.secretKey)".utf8)
        for part in [day, region, "s3", "aws4_request"] { key = Self.code(part, key) }
        return "AWS4-HMAC-SHA256 Credential=\(credentials.accessKey)/\(scope),SignedHeaders=\(names),"
            + "Signature=\(Self.code(text, key).hexText)"
    }

    private static func code(_ text: String, _ key: [UInt8]) -> [UInt8] {
        Array(HMAC<SHA256>.authenticationCode(for: Array(text.utf8), using: SymmetricKey(data: key)))
    }
}

extension String {
    /// As S3 wants names and values encoded: everything but letters, digits and `-._~`.
    func s3Encoded(keepsSlash: Bool = false) -> String {
        var out: [UInt8] = []
        for byte in utf8 {
            switch byte {
            case 0x61...0x7A, 0x41...0x5A, 0x30...0x39, 0x2D, 0x2E, 0x5F, 0x7E: out.append(byte)
            case 0x2F where keepsSlash: out.append(byte)
            default: out += "%\([byte].hexText.uppercased())".utf8
            }
        }
        return String(decoding: out, as: UTF8.self)
    }
}
