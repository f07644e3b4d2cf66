import Foundation
public import SlipwayCore

/// Who signs. Its description shows no secret.
public struct S3Credentials: Sendable, CustomStringConvertible {
    public let accessKey: String
    let secretKey: String
    let sessionToken: String?

    public init(accessKey: String, secretKey: String, sessionToken: String? = nil) {
        self.accessKey = accessKey
        self.secretKey = secretKey
        self.sessionToken = sessionToken
    }

    public var description: String { "S3 credentials '\(accessKey.prefix(4))…'" }

    /// From `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`, else from the file that `AWS_SHARED_CREDENTIALS_FILE`
    /// names (else `~/.aws/credentials`) at the profile `AWS_PROFILE` (else `default`).
    ///
    /// - Throws: `failed_precondition` when there are none.
    public static func find(environment: [String: String]) throws(PlatformError) -> S3Credentials {
        if let access = environment["AWS_ACCESS_KEY_ID"], !access.isEmpty,
            let secret = environment["AWS_SECRET_ACCESS_KEY"], !secret.isEmpty
        {
            return S3Credentials(accessKey: access, secretKey: secret, sessionToken: environment["AWS_SESSION_TOKEN"])
        }
        let profile = environment["AWS_PROFILE"] ?? "default"
        let file = environment["AWS_SHARED_CREDENTIALS_FILE"] ?? "\(environment["HOME"] ?? "")/.aws/credentials"
        guard let handle = FileHandle(forReadingAtPath: file),
            let data = try? handle.read(upToCount: S3Limits.credentialsFileBytesMax),
            let found = parse(String(decoding: data, as: UTF8.self), profile: profile)
        else {
            throw PlatformError(
                .failedPrecondition,
                "there are no S3 credentials for the profile '\(profile)'",
                remedy: "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_SHARED_CREDENTIALS_FILE"
            )
        }
        return found
    }

    /// One profile of a credentials file.
    static func parse(_ text: String, profile: String) -> S3Credentials? {
        var section = ""
        var values: [String: String] = [:]
        for line in text.split(whereSeparator: \.isNewline) {
            let line = line.trimmingCharacters(in: .whitespaces)
            if line.hasPrefix("["), line.hasSuffix("]") {
                section = line.dropFirst().dropLast().trimmingCharacters(in: .whitespaces)
            } else if section == profile, !line.hasPrefix("#"), let sign = line.firstIndex(of: "=") {
                let name = line[..<sign].trimmingCharacters(in: .whitespaces).lowercased()
                values[name] = line[line.index(after: sign)...].trimmingCharacters(in: .whitespaces)
            }
        }
        guard let access = values["aws_access_key_id"], let secret = values["aws_secret_access_key"] else { return nil }
        return S3Credentials(accessKey: access, secretKey: secret, sessionToken: values["aws_session_token"])
    }
}
