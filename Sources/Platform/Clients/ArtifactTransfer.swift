import AsyncHTTPClient
import Foundation
import NIOCore
import NIOFoundationCompat
import NIOHTTP1
import SlipwayCore
import SlipwayTracking

/// Files to and from an MLflow server's artifact proxy, streamed.
struct ArtifactTransfer: Sendable {
    let http: JSONClient

    private static let filesMax = 10_000
    private static let depthMax = 16

    /// The proxy's path of an artifact URI: `mlflow-artifacts:/1/…` → `1/…`.
    static func path(_ uri: String) throws -> String {
        guard uri.hasPrefix("mlflow-artifacts:") else {
            throw PlatformError(
                .failedPrecondition,
                "the artifacts are at '\(uri.prefix(100))', which the tracking server does not proxy",
                remedy: "start the server with --serve-artifacts"
            )
        }
        // Also mlflow-artifacts://host/path, as a client may write it.
        var rest = uri.dropFirst("mlflow-artifacts:".count)
        if rest.hasPrefix("//") { rest = rest.dropFirst(2).drop { $0 != "/" } }
        return String(rest.drop { $0 == "/" })
    }

    /// Every file below `root`, by its path relative to it.
    func list(_ root: String) async throws -> [ArtifactEntry] {
        var entries: [ArtifactEntry] = []
        var folders: [(path: String, depth: Int)] = [("", 0)]
        while let (folder, depth) = folders.popLast() {
            let place = folder.isEmpty ? root : "\(root)/\(folder)"
            let (status, body) = try await http.call(.GET, "api/2.0/mlflow-artifacts/artifacts", query: [("path", place)])
            guard status == 200 else { throw Self.failure(status, place) }
            for file in body["files"]?.arrayValue ?? [] {
                guard let name = file["path"]?.stringValue else { continue }
                let path = folder.isEmpty ? name : "\(folder)/\(name)"
                if file["is_dir"]?.boolValue == true {
                    guard depth < Self.depthMax else { throw PlatformError(.exhausted, "the artifacts nest deeper than \(Self.depthMax) folders") }
                    folders.append((path, depth + 1))
                } else {
                    entries.append(ArtifactEntry(path: path, bytes: file["file_size"]?.intValue ?? 0))
                }
                guard entries.count <= Self.filesMax else { throw PlatformError(.exhausted, "there are more than \(Self.filesMax) artifacts") }
            }
        }
        return entries.sorted { $0.path < $1.path }
    }

    /// Writes the artifact to `file`, whole or not at all, and answers the digest of what was written.
    func download(_ path: String, to file: String) async throws -> Digest {
        let request = http.request(.GET, "api/2.0/mlflow-artifacts/artifacts/\(JSONClient.escapedPath(path))")
        let response = try await http.send(request, seconds: JSONClient.Bound.transferSeconds)
        guard response.status == .ok else { throw Self.failure(Int(response.status.code), path) }
        let temporary = "\(file).incoming"
        guard FileManager.default.createFile(atPath: temporary, contents: nil) else {
            throw PlatformError(.exhausted, "artifact '\(path)' could not be stored", remedy: "check the disk and its permissions")
        }
        defer { try? FileManager.default.removeItem(atPath: temporary) }
        do {
            let handle = try FileHandle(forWritingTo: URL(filePath: temporary))
            defer { try? handle.close() }
            var hasher = DigestHasher()
            for try await chunk in response.body {
                chunk.withUnsafeReadableBytes { hasher.update($0) }
                try handle.write(contentsOf: Data(buffer: chunk))
            }
            try handle.synchronize()
            guard rename(temporary, file) == 0 else { throw POSIXError(POSIXErrorCode(rawValue: errno) ?? .EIO) }
            return hasher.finish()
        } catch let error as CocoaError where error.code == .fileWriteOutOfSpace {
            throw PlatformError(.exhausted, "the disk is full: artifact '\(path)' was not stored", remedy: "free some space", cause: error)
        } catch {
            throw PlatformError.wrapping(error, doing: "download artifact '\(path)'", code: .unavailable)
        }
    }

    func upload(_ file: String, to path: String) async throws {
        let handle: FileHandle
        let size: UInt64
        do {
            handle = try FileHandle(forReadingFrom: URL(filePath: file))
            size = try handle.seekToEnd()
            try handle.seek(toOffset: 0)
        } catch {
            throw PlatformError.wrapping(error, doing: "read the file of artifact '\(path)'", code: .notFound)
        }
        defer { try? handle.close() }
        var request = http.request(.PUT, "api/2.0/mlflow-artifacts/artifacts/\(JSONClient.escapedPath(path))")
        request.body = .stream(FileChunks(handle: handle), length: .known(Int64(size)))
        let response = try await http.send(request, seconds: JSONClient.Bound.transferSeconds)
        guard response.status == .ok else { throw Self.failure(Int(response.status.code), path) }
        _ = try await response.body.collect(upTo: JSONClient.Bound.answerBytesMax)
    }

    private static func failure(_ status: Int, _ path: String) -> PlatformError {
        status == 404
            ? PlatformError(.notFound, "there is no artifact '\(path)'")
            : PlatformError(.unavailable, "the tracking server answered \(status) for artifact '\(path)'")
    }
}

/// A file's content in pieces.
private struct FileChunks: AsyncSequence, Sendable {
    let handle: FileHandle

    func makeAsyncIterator() -> Iterator { Iterator(handle: handle) }

    struct Iterator: AsyncIteratorProtocol {
        let handle: FileHandle

        func next() async throws -> ByteBuffer? {
            guard let chunk = try handle.read(upToCount: JSONClient.Bound.fileChunkBytes), !chunk.isEmpty else { return nil }
            return ByteBuffer(data: chunk)
        }
    }
}
