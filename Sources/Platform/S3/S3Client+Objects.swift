import AsyncHTTPClient
import Foundation
import NIOCore
import NIOHTTP1
public import SlipwayCore

/// What a bucket says of an object.
public struct S3Object: Equatable, Sendable {
    public let key: String
    public let byteCount: Int64
    /// As its uploader wrote it down; a listing does not know it.
    public let digest: Digest?
    /// As a listing has it: another one where the content is another.
    public var etag: String?
}

extension S3Client {
    static let digestHeader = "x-amz-meta-sha256"

    /// Stores bytes under a key.
    ///
    /// - Throws: `already_exists` when `onlyIfAbsent` and there is one.
    public func put(_ bytes: [UInt8], at key: String, onlyIfAbsent: Bool = false) async throws {
        try await put(.bytes(bytes), Digest(of: bytes), key, onlyIfAbsent)
    }

    func put(_ body: S3Body, _ digest: Digest, _ key: String, _ onlyIfAbsent: Bool) async throws {
        var request = Request(method: .PUT, key: key, body: body)
        request.headers = [(name: Self.digestHeader, value: digest.hex)]
        if onlyIfAbsent { request.headers.append((name: "if-none-match", value: "*")) }
        do {
            _ = try await call(request)
        } catch let error as PlatformError where error.code == .alreadyExists && onlyIfAbsent {
            // Ours, when an earlier attempt was stored and only its answer was lost: the same content either way.
            guard try await head(key)?.digest == digest else { throw error }
        }
    }

    /// The object's size and digest; `nil` when there is none.
    public func head(_ key: String) async throws -> S3Object? {
        do {
            let headers = try await call(Request(method: .HEAD, key: key)).headers
            let digest = headers.first(name: Self.digestHeader).flatMap { try? Digest("sha256:\($0)") }
            return S3Object(key: key, byteCount: headers.first(name: "content-length").flatMap { Int64($0) } ?? 0, digest: digest)
        } catch let error as PlatformError where error.code == .notFound {
            return nil
        }
    }

    /// A small object, whole.
    ///
    /// - Throws: `not_found`; `exhausted` when it is larger than `bytesMax`.
    public func get(_ key: String, bytesMax: Int) async throws -> [UInt8] {
        try await send(Request(method: .GET, key: key)) { response, _ in
            do {
                return Array(try await response.body.collect(upTo: bytesMax).readableBytesView)
            } catch is NIOTooManyBytesError {
                throw PlatformError(.exhausted, "\(name(key)) is larger than \(bytesMax) bytes")
            }
        }
    }

    /// Writes an object to a file, chunk by chunk; the file has its name only when it is whole.
    ///
    /// - Parameter digest: What it must have; by default what its uploader wrote down, if that is known.
    /// - Returns: The digest of what came.
    /// - Throws: `not_found`; `corrupt` when it is another content.
    @discardableResult
    public func get(_ key: String, to file: String, digest expected: Digest? = nil) async throws -> Digest {
        try await send(Request(method: .GET, key: key)) { response, _ in
            let temporary = "\(file).incoming-\(UUID().uuidString)"
            guard FileManager.default.createFile(atPath: temporary, contents: nil),
                let handle = FileHandle(forWritingAtPath: temporary)
            else {
                throw PlatformError(.unavailable, "'\((file as NSString).lastPathComponent)' could not be written", remedy: "check that its folder exists and can be written")
            }
            defer { _ = unlink(temporary) }
            var hasher = DigestHasher()
            var count: Int64 = 0
            for try await chunk in response.body {
                count += Int64(chunk.readableBytes)
                guard count <= S3Limits.objectBytesMax else {
                    throw PlatformError(.exhausted, "\(name(key)) is larger than \(S3Limits.objectBytesMax >> 30) GiB")
                }
                let bytes = Array(chunk.readableBytesView)
                hasher.update(bytes)
                do {
                    try handle.write(contentsOf: Data(bytes))
                } catch {
                    throw PlatformError(.exhausted, "'\((file as NSString).lastPathComponent)' could not be written", remedy: "free some space", cause: error)
                }
            }
            try handle.close()
            let found = hasher.finish()
            let written = response.headers.first(name: Self.digestHeader).flatMap { try? Digest("sha256:\($0)") }
            if let wanted = expected ?? written, wanted != found {
                throw PlatformError(.corrupt, "\(name(key)) is \(found.text) and should be \(wanted.text)", remedy: "upload it again")
            }
            guard rename(temporary, file) == 0 else {
                throw PlatformError(.unavailable, "'\((file as NSString).lastPathComponent)' could not be written")
            }
            return found
        }
    }

    /// Gone afterwards, whether it was there or not.
    public func delete(_ key: String) async throws {
        do {
            _ = try await call(Request(method: .DELETE, key: key))
        } catch let error as PlatformError where error.code == .notFound {}
    }

    /// Copies within the bucket, on the server; the digest goes with it.
    public func copy(_ key: String, to target: String) async throws {
        var request = Request(method: .PUT, key: target)
        request.headers = [(name: "x-amz-copy-source", value: "/\(bucket.name)/\(key.s3Encoded(keepsSlash: true))")]
        try succeeded(try await call(request), target)
    }

    /// Every object whose key begins with `prefix`, by key.
    ///
    /// - Throws: `exhausted` when there are more than 1,000 pages.
    public func list(_ prefix: String, pageSize: Int = 1_000) async throws -> [S3Object] {
        var found: [S3Object] = []
        var token: String?
        for _ in 0..<S3Limits.pagesMax {
            var request = Request(method: .GET)
            request.query = [(name: "list-type", value: "2"), (name: "max-keys", value: "\(pageSize)"), (name: "prefix", value: prefix)]
            if let token { request.query.append((name: "continuation-token", value: token)) }
            let page = try S3XML.parse(try await call(request).body)
            for entry in page.all("Contents") {
                guard let key = entry["Key"], let size = entry["Size"].flatMap({ Int64($0) }), key.hasPrefix(prefix) else {
                    throw PlatformError(.corrupt, "the listing of bucket '\(bucket.name)' has an entry without key or size")
                }
                found.append(S3Object(key: key, byteCount: size, digest: nil, etag: entry["ETag"]))
            }
            guard page["IsTruncated"] == "true" else { return found }
            guard let next = page["NextContinuationToken"], next != token else {
                throw PlatformError(.corrupt, "the listing of bucket '\(bucket.name)' does not say how it goes on")
            }
            token = next
        }
        throw PlatformError(.exhausted, "bucket '\(bucket.name)' has too many objects below '\(prefix)'")
    }

    /// Creates the bucket; one of ours that exists is fine.
    public func createBucket() async throws {
        do {
            _ = try await call(Request(method: .PUT))
        } catch let error as PlatformError {
            guard (try? await call(Request(method: .HEAD))) != nil else { throw error }
        }
    }

    /// S3 may answer 200 and say in the body that it failed.
    func succeeded(_ answer: Answer, _ key: String) throws {
        guard !answer.body.isEmpty else { return }
        let said = try S3XML.parse(answer.body)
        guard said.name == "Error" else { return }
        throw S3Failure.error(status: 500, code: said["Code"] ?? "", message: said["Message"] ?? "", object: name(key))
    }
}
