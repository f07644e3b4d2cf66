import Foundation
import NIOCore
import SlipwayCore

/// What is sent: bytes, or a range of a file that is read chunk by chunk.
enum S3Body: Sendable {
    case none
    case bytes([UInt8])
    case file(String, offset: Int64, count: Int64)

    /// Reads a file's range once: what is sent is signed with it, so that what arrives is what was meant.
    func digest() throws -> String {
        switch self {
        case .none: return S3Signature.emptyDigest
        case .bytes(let bytes): return Digest(of: bytes).hex
        case .file(let path, let offset, let count):
            var hasher = DigestHasher()
            var chunks = S3FileChunks(path: path, offset: offset, count: count)
            while let chunk = try chunks.read() { hasher.update(Array(chunk)) }
            return hasher.finish().hex
        }
    }
}

/// A range of a file, one chunk in memory at a time.
struct S3FileChunks: AsyncSequence, AsyncIteratorProtocol, Sendable {
    let path: String
    let offset: Int64
    let count: Int64
    private var file: FileHandle?
    private var done: Int64 = 0

    init(path: String, offset: Int64, count: Int64) {
        self.path = path
        self.offset = offset
        self.count = count
    }

    func makeAsyncIterator() -> S3FileChunks { self }

    mutating func next() async throws -> ByteBuffer? {
        try read().map { ByteBuffer(bytes: $0) }
    }

    mutating func read() throws -> Data? {
        guard done < count else {
            try file?.close()
            file = nil
            return nil
        }
        let name = (path as NSString).lastPathComponent
        if file == nil {
            file = FileHandle(forReadingAtPath: path)
            try file?.seek(toOffset: UInt64(offset))
        }
        guard let file else { throw PlatformError(.notFound, "there is no file '\(name)' to send") }
        guard let data = try file.read(upToCount: Int(Swift.min(Int64(S3Limits.chunkBytes), count - done))), !data.isEmpty else {
            throw PlatformError(.failedPrecondition, "the file '\(name)' became shorter while it was sent")
        }
        done += Int64(data.count)
        return data
    }
}
