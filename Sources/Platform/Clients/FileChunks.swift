import Foundation
import NIOCore
import SlipwayCore

/// Files and texts as one stream of buffers, one chunk in memory at a time.
struct FileChunks: AsyncSequence, Sendable {
    typealias Element = ByteBuffer

    enum Part: Sendable {
        case text(String)
        case file(String)
        /// A file inside a JSON text.
        case base64(file: String)
    }

    /// Divisible by 3, so that base64 has no padding in the middle.
    private static let chunkBytes = ClientLimits.chunkBytes / 3 * 3

    private let parts: [Part]
    /// What is sent in all.
    let byteCount: Int64

    /// - Throws: `not_found` when there is no such plain file, `exhausted` when one is larger than `bytesMax`.
    init(_ parts: [Part], fileBytesMax: Int64 = ClientLimits.fileBytesMax) throws(PlatformError) {
        self.parts = parts
        var count: Int64 = 0
        for part in parts {
            switch part {
            case .text(let text): count += Int64(text.utf8.count)
            case .file(let path): count += try Self.size(path, bytesMax: fileBytesMax)
            case .base64(let path): count += (try Self.size(path, bytesMax: fileBytesMax) + 2) / 3 * 4
            }
        }
        byteCount = count
    }

    init(file: String) throws(PlatformError) {
        try self.init([.file(file)])
    }

    private static func size(_ path: String, bytesMax: Int64) throws(PlatformError) -> Int64 {
        let name = (path as NSString).lastPathComponent
        var status = stat()
        guard stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            throw PlatformError(.notFound, "there is no file '\(name)' to send")
        }
        guard status.st_size <= bytesMax else {
            throw PlatformError(.exhausted, "'\(name)' is larger than \(bytesMax >> 20) MiB, the most that is sent")
        }
        return Int64(status.st_size)
    }

    func makeAsyncIterator() -> AsyncIterator {
        AsyncIterator(parts: parts[...])
    }

    struct AsyncIterator: AsyncIteratorProtocol {
        private var parts: ArraySlice<Part>
        private var file: FileHandle?

        init(parts: ArraySlice<Part>) {
            self.parts = parts
        }

        mutating func next() async throws -> ByteBuffer? {
            while let part = parts.first {
                switch part {
                case .text(let text):
                    parts.removeFirst()
                    return ByteBuffer(string: text)
                case .file(let path):
                    if let data = try chunk(path) { return ByteBuffer(bytes: data) }
                case .base64(let path):
                    if let data = try chunk(path) { return ByteBuffer(bytes: data.base64EncodedData()) }
                }
            }
            return nil
        }

        /// The next piece of the file; `nil` at its end, and then it is no part any more.
        private mutating func chunk(_ path: String) throws -> Data? {
            guard let handle = file ?? FileHandle(forReadingAtPath: path) else {
                throw PlatformError(.notFound, "the file '\((path as NSString).lastPathComponent)' is gone")
            }
            file = handle
            if let data = try handle.read(upToCount: FileChunks.chunkBytes), !data.isEmpty { return data }
            try? handle.close()
            file = nil
            parts.removeFirst()
            return nil
        }
    }
}
