public import SlipwayCore

/// Files that come in parts, in any order and with breaks, and are put together when all are there.
///
/// Parts survive a restart; what is not completed in time is removed.
public protocol MultipartStore: Sendable {
    /// - Throws: `exhausted` when too many are open.
    func create(_ path: ArtifactPath, parts: Int) throws -> MultipartUpload
    /// - Throws: `not_found` when there is none, or no longer.
    func upload(_ id: UploadID) throws -> MultipartUpload
    /// Begins a part; one that is there already is replaced when the new one is whole.
    func write(part: Int, of id: UploadID, expecting checks: ArtifactChecks) throws -> any ArtifactWriter
    /// The parts that are there, by number.
    func parts(of id: UploadID) throws -> [MultipartPart]
    /// Makes the file. Doing so again is fine.
    ///
    /// - Throws: `invalid_argument` when `claims` are not exactly the parts that are there; nothing changes then.
    @discardableResult func complete(_ id: UploadID, _ path: ArtifactPath, _ claims: [PartClaim]) throws -> Digest
    /// Removes the parts. Nothing there is fine.
    func abort(_ id: UploadID) throws
}

public enum MultipartLimits {
    public static let partsMax = 10_000
    public static let openMax = 1000
    /// How long after its creation an upload may be completed, and a completed one be completed again.
    public static let lifetime = Duration.seconds(7 * 24 * 3600)
}

/// Names an upload, and is the permission to add parts to it: 256 random bits nobody can guess.
public struct UploadID: CheckedText {
    public let text: String

    public init(_ text: String) throws(PlatformError) {
        guard text.utf8.count == 64, text.utf8.allSatisfy({ ($0 >= 0x30 && $0 <= 0x39) || ($0 >= 0x61 && $0 <= 0x66) }) else {
            throw PlatformError(.notFound, "No multipart upload with id='\(text.prefix(80))'")
        }
        self.text = text
    }

    private init(hex: String) {
        text = hex
    }

    public static func random() -> UploadID {
        var generator = SystemRandomNumberGenerator()
        var bytes: [UInt8] = []
        for _ in 0..<32 { bytes.append(generator.next()) }
        return UploadID(hex: bytes.hexText)
    }
}

public struct MultipartUpload: Sendable, Hashable {
    public let id: UploadID
    public let path: ArtifactPath
    /// How many parts the file has, numbered from 1.
    public let parts: Int
    public let created: Timestamp
    /// The file's digest, once it was put together.
    public var completed: Digest?

    public init(id: UploadID, path: ArtifactPath, parts: Int, created: Timestamp, completed: Digest? = nil) {
        self.id = id
        self.path = path
        self.parts = parts
        self.created = created
        self.completed = completed
    }

    public func hasExpired(at now: Timestamp) -> Bool {
        now.since(created) > MultipartLimits.lifetime
    }

    /// Checks what a client says it has sent against what is there.
    public func check(_ claims: [PartClaim], against stored: [MultipartPart]) throws(PlatformError) {
        guard claims.map(\.number) == Array(1...parts) else {
            throw PlatformError(.invalidArgument, "the upload of '\(path)' has the parts 1 to \(parts): name each of them once, in order")
        }
        var digests: [Int: Digest] = [:]
        for part in stored { digests[part.number] = part.digest }
        for claim in claims {
            guard let digest = digests[claim.number] else {
                throw PlatformError(.invalidArgument, "part \(claim.number) of the upload of '\(path)' was not received")
            }
            guard claim.etag == digest.hex else {
                throw PlatformError(.invalidArgument, "part \(claim.number) of the upload of '\(path)' has another ETag than '\(claim.etag.prefix(80))'")
            }
        }
    }
}

/// A part that is there.
public struct MultipartPart: Sendable, Hashable {
    public let number: Int
    public let bytes: Int64
    public let digest: Digest

    public init(number: Int, bytes: Int64, digest: Digest) {
        self.number = number
        self.bytes = bytes
        self.digest = digest
    }
}

/// A part that a client says it has sent.
public struct PartClaim: Sendable, Hashable {
    public let number: Int
    /// Without the quotes of the header.
    public let etag: String

    public init(number: Int, etag: String) {
        self.number = number
        self.etag = etag.filter { $0 != "\"" }
    }
}
