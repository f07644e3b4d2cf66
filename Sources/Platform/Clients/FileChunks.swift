import Foundation
import NIOCore
import SlipwayCore

/// A file as a stream of buffers, one chunk in memory at a time; optionally as base64 between two texts.
struct FileChunks: AsyncSequence, Sendable {
    typealias Element = ByteBuffer

    /// How the file's bytes are sent.
    enum Form: Sendable {
        case plain
        /// Base64, with text before and after: a file inside a JSON body.
        case base64(before: [UInt8], after: [UInt8])
    }

    /// Divisible by 3, so that base64 has no padding in the middle.
    private static let chunkBytes = ClientLimits.chunkBytes / 3 * 3

    private let path: String
    private let form: Form
    private let fileBytes: Int64

    /// - Throws: `not_found` when there is no such plain file, `exhausted` when it is larger than `bytesMax`.
    init(
        _ path: String,
        form: Form = .plain,
        bytesMax: Int64 = ClientLimits.fileBytesMax
    ) throws(PlatformError) {
        let name = (path as NSString).lastPathComponent
        var status = stat()
        guard stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            throw PlatformError(.notFound, "there is no file '\(name)' to send")
        }
        guard status.st_size <= bytesMax else {
            throw PlatformError(.exhausted, "'\(name)' is larger than \(bytesMax >> 20) MiB, the most that is sent")
        }
        self.path = path
        self.form = form
        self.fileBytes = Int64(status.st_size)
    }

    /// What is sent in all.
    var byteCount: Int64 {
        switch form {
        case .plain: fileBytes
        case .base64(let before, let after): Int64(before.count + after.count) + (fileBytes + 2) / 3 * 4
        }
    }

    func makeAsyncIterator() -> AsyncIterator {
        AsyncIterator(path: path, form: form)
    }

    struct AsyncIterator: AsyncIteratorProtocol {
        private enum Stage {
            case before
            case file(FileHandle)
            case end
        }

        private let path: String
        private let form: Form
        private var stage = Stage.before

        init(path: String, form: Form) {
            self.path = path
            self.form = form
        }

        mutating func next() async throws -> ByteBuffer? {
            switch stage {
            case .before:
                guard let handle = FileHandle(forReadingAtPath: path) else {
                    throw PlatformError(.notFound, "the file '\((path as NSString).lastPathComponent)' is gone")
                }
                stage = .file(handle)
                if case .base64(let before, _) = form { return ByteBuffer(bytes: before) }
                return try chunk(handle)
            case .file(let handle): return try chunk(handle)
            case .end: return nil
            }
        }

        private mutating func chunk(_ handle: FileHandle) throws -> ByteBuffer? {
            let data = try handle.read(upToCount: FileChunks.chunkBytes) ?? Data()
            switch form {
            case .plain where !data.isEmpty: return ByteBuffer(bytes: data)
            case .base64 where !data.isEmpty: return ByteBuffer(bytes: data.base64EncodedData())
            default: break
            }
            try? handle.close()
            stage = .end
            if case .base64(_, let after) = form { return ByteBuffer(bytes: after) }
            return nil
        }
    }
}
