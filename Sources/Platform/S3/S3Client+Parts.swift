import Foundation
import NIOHTTP1
public import SlipwayCore

extension S3Client {
    /// Stores a file under a key: in one piece, or in parts of which few are under way together.
    ///
    /// - Returns: The file's digest, which the object carries.
    /// - Throws: `not_found` when there is no such file, `already_exists` when `onlyIfAbsent` and there is an object.
    @discardableResult
    public func put(file: String, at key: String, onlyIfAbsent: Bool = false, partBytes: Int64 = S3Limits.partBytes) async throws -> Digest {
        var status = stat()
        guard stat(file, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { throw PlatformError(.notFound, "there is no file '\((file as NSString).lastPathComponent)' to send") }
        let size = Int64(status.st_size)
        guard size <= S3Limits.objectBytesMax else {
            throw PlatformError(.exhausted, "'\((file as NSString).lastPathComponent)' is larger than \(S3Limits.objectBytesMax >> 30) GiB")
        }
        let digest = try Digest("sha256:\(S3Body.file(file, offset: 0, count: size).digest())")
        guard size > partBytes else {
            try await put(.file(file, offset: 0, count: size), digest, key, onlyIfAbsent)
            return digest
        }
        let bytes = max(partBytes, (size + S3Limits.partsMax - 1) / S3Limits.partsMax)
        let start = Request(
            method: .POST, key: key, query: [(name: "uploads", value: "")], headers: [(name: Self.digestHeader, value: digest.hex)]
        )
        guard let upload = try S3XML.parse(try await call(start).body)["UploadId"], !upload.isEmpty else {
            throw PlatformError(.corrupt, "the upload of \(name(key)) got no id")
        }
        do {
            let tags = try await parts(file, size, bytes, key, upload)
            try await complete(key, upload, tags, digest, onlyIfAbsent)
        } catch {
            // Also when this task is cancelled: parts that stay cost money for ever.
            _ = await Task { try? await abort(key, upload) }.value
            throw error
        }
        return digest
    }

    private func abort(_ key: String, _ upload: String) async throws {
        _ = try await call(Request(method: .DELETE, key: key, query: [(name: "uploadId", value: upload)]))
    }

    private func parts(_ file: String, _ size: Int64, _ bytes: Int64, _ key: String, _ upload: String) async throws -> [String] {
        let count = Int((size + bytes - 1) / bytes)
        return try await withThrowingTaskGroup(of: (Int, String).self) { group in
            var tags = [String](repeating: "", count: count)
            for index in 0..<count {
                if index >= S3Limits.partsTogether, let (done, tag) = try await group.next() { tags[done] = tag }
                let offset = Int64(index) * bytes
                let part = Request(
                    method: .PUT, key: key,
                    query: [(name: "partNumber", value: "\(index + 1)"), (name: "uploadId", value: upload)],
                    body: .file(file, offset: offset, count: min(bytes, size - offset))
                )
                group.addTask {
                    guard let tag = try await call(part).headers.first(name: "etag") else {
                        throw PlatformError(.corrupt, "a part of \(name(key)) got no tag")
                    }
                    return (index, tag)
                }
            }
            for try await (done, tag) in group { tags[done] = tag }
            return tags
        }
    }

    private func complete(_ key: String, _ upload: String, _ tags: [String], _ digest: Digest, _ onlyIfAbsent: Bool) async throws {
        let list = tags.enumerated().map { "<Part><PartNumber>\($0.offset + 1)</PartNumber><ETag>\($0.element)</ETag></Part>" }
        var request = Request(method: .POST, key: key, query: [(name: "uploadId", value: upload)])
        request.body = .bytes(Array("<CompleteMultipartUpload>\(list.joined())</CompleteMultipartUpload>".utf8))
        if onlyIfAbsent { request.headers = [(name: "if-none-match", value: "*")] }
        do {
            try succeeded(try await call(request), key)
        } catch let error as PlatformError where error.code == .notFound || error.code == .alreadyExists {
            // An earlier attempt may have completed it and only its answer was lost.
            guard try await head(key)?.digest == digest else { throw error }
        }
    }
}
