import Foundation
public import SlipwayCore

/// A bucket and a prefix in it, as a person writes them: `s3://bucket/prefix`.
public struct S3Place: Sendable, Equatable {
    public let bucket: S3Bucket
    /// Without a `/` at either end; may be empty.
    public let prefix: String

    private static let scheme = "s3://"

    /// Whether a text is meant as such a place, and not as a folder.
    public static func isOne(_ text: String) -> Bool { text.hasPrefix(scheme) }

    /// - Parameters:
    ///   - url: `s3://bucket` or `s3://bucket/prefix`; or, as Triton writes it, `s3://host:port/bucket/prefix`, with
    ///     `https://` before the host where TLS is meant.
    ///   - environment: `AWS_ENDPOINT_URL_S3`, `AWS_ENDPOINT_URL` or `MLFLOW_S3_ENDPOINT_URL` say where another S3 than
    ///     Amazon's is; `AWS_REGION` or `AWS_DEFAULT_REGION` its region.
    /// - Throws: `invalid_argument` that says how to write it.
    public init(_ url: String, environment: [String: String]) throws(PlatformError) {
        let refusal = PlatformError(.invalidArgument, "'\(url.prefix(200))' is no place in a bucket", remedy: "write it as s3://bucket/prefix")
        guard Self.isOne(url) else { throw refusal }
        let said = { (name: String) in environment[name].flatMap { $0.isEmpty ? nil : $0 } }
        let region = said("AWS_REGION") ?? said("AWS_DEFAULT_REGION") ?? "us-east-1"
        var endpoint = said("AWS_ENDPOINT_URL_S3") ?? said("AWS_ENDPOINT_URL") ?? said("MLFLOW_S3_ENDPOINT_URL") ?? "https://s3.\(region).amazonaws.com"
        var rest = url.dropFirst(Self.scheme.count)
        let protocols = ["https://", "http://"]
        let named = protocols.first { rest.hasPrefix($0) }
        if let named { rest = rest.dropFirst(named.count) }
        var parts = rest.split(separator: "/", omittingEmptySubsequences: false)
        if let host = parts.first, named != nil || host.contains(":") {
            endpoint = "\(named ?? "http://")\(host)"
            parts.removeFirst()
        }
        if parts.count > 1, parts.last?.isEmpty == true { parts.removeLast() }
        guard let name = parts.first, !name.isEmpty, parts.allSatisfy({ !$0.isEmpty && $0 != "." && $0 != ".." }) else { throw refusal }
        bucket = try S3Bucket(String(name), endpoint: endpoint, region: region)
        prefix = parts.dropFirst().joined(separator: "/")
    }
}
