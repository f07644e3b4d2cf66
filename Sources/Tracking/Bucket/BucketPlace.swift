import Foundation
public import SlipwayCore
public import SlipwayS3

/// A bucket and a prefix in it, as a person writes them: `s3://bucket/prefix`.
public struct BucketPlace: Sendable, Equatable {
    public let bucket: S3Bucket
    /// Without a `/` at either end; may be empty.
    public let prefix: String

    /// - Parameters:
    ///   - url: `s3://bucket` or `s3://bucket/prefix`.
    ///   - environment: `AWS_ENDPOINT_URL_S3`, `AWS_ENDPOINT_URL` or `MLFLOW_S3_ENDPOINT_URL` say where another S3 than
    ///     Amazon's is; `AWS_REGION` or `AWS_DEFAULT_REGION` its region.
    /// - Throws: `invalid_argument` that says how to write it.
    public init(_ url: String, environment: [String: String]) throws(PlatformError) {
        let scheme = "s3://"
        let refusal = PlatformError(.invalidArgument, "'\(url.prefix(200))' is no place in a bucket", remedy: "write it as s3://bucket/prefix")
        guard url.hasPrefix(scheme) else { throw refusal }
        let parts = url.dropFirst(scheme.count).split(separator: "/", omittingEmptySubsequences: false)
        let folders = parts.dropFirst().last?.isEmpty == true ? parts.dropFirst().dropLast() : parts.dropFirst()
        guard let name = parts.first, !name.isEmpty, folders.allSatisfy({ !$0.isEmpty && $0 != "." && $0 != ".." }) else { throw refusal }
        let said = { (name: String) in environment[name].flatMap { $0.isEmpty ? nil : $0 } }
        let region = said("AWS_REGION") ?? said("AWS_DEFAULT_REGION") ?? "us-east-1"
        let endpoint = said("AWS_ENDPOINT_URL_S3") ?? said("AWS_ENDPOINT_URL") ?? said("MLFLOW_S3_ENDPOINT_URL")
        bucket = try S3Bucket(String(name), endpoint: endpoint ?? "https://s3.\(region).amazonaws.com", region: region)
        prefix = folders.joined(separator: "/")
    }
}
