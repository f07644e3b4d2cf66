import Foundation
import HTTPTypes
import Hummingbird
import NIOCore
import SlipwayCore
import SlipwayHTTP
import SlipwayTracking

/// Bytes of files between a connection and a store, a bounded number of them in memory.
///
/// A client that sends or takes slowly slows the store down, and the other way round: nothing is read from
/// the connection while a piece is being stored, and nothing from the store while a piece waits to be sent.
struct ArtifactTransfer: Sendable {
    let artifacts: any ArtifactStore
    let reports: ArtifactReports

    // MARK: Up

    /// Stores a request's body. Unless all of it arrived and is what its headers say, nothing is visible.
    func upload(
        _ request: Request,
        of path: ArtifactPath,
        to begin: @escaping @Sendable (ArtifactChecks) throws -> any ArtifactWriter
    ) async throws -> Digest {
        guard request.headers[.contentRange] == nil else {
            throw PlatformError(.invalidArgument, "a part of artifact '\(path)' cannot be sent with Content-Range", remedy: "send it whole, or as a multipart upload")
        }
        let checks = try DigestHeaders.checks(request.headers)
        let writer = try await BlockingWork.run { try begin(checks) }
        do {
            var received: Int64 = 0
            var pieces: [ByteBuffer] = []
            var waiting = 0
            for try await piece in request.body {
                received += Int64(piece.readableBytes)
                waiting += piece.readableBytes
                pieces.append(piece)
                guard waiting >= TrackingLimits.artifactChunkBytes else { continue }
                try await append(pieces, to: writer)
                pieces.removeAll(keepingCapacity: true)
                waiting = 0
            }
            if let text = request.headers[.contentLength], let expected = Int64(text), expected != received {
                throw PlatformError(.invalidArgument, "the upload of '\(path)' ended after \(received) of \(expected) bytes")
            }
            try await append(pieces, to: writer)
            return try await BlockingWork.run { try writer.commit() }
        } catch {
            writer.abandon()
            throw error
        }
    }

    private func append(_ pieces: [ByteBuffer], to writer: any ArtifactWriter) async throws {
        try await BlockingWork.run {
            for piece in pieces { try piece.withUnsafeReadableBytes { try writer.append($0) } }
        }
    }

    /// The answer to what was stored.
    static func stored(_ digest: Digest) -> Response {
        var response = Response(json: [:])
        DigestHeaders.set(digest, in: &response.headers)
        return response
    }

    // MARK: Down

    /// Answers with a file, a range of it, or with what the request's conditions ask for instead.
    ///
    /// The first piece is checked before the head is sent, so that most damage is an error the client can read.
    /// Damage further on ends the connection: fewer bytes than announced are a failure everywhere.
    func download(_ path: ArtifactPath, _ request: Request) async throws -> Response {
        do {
            let reader = try await BlockingWork.run { [artifacts] in try artifacts.read(path) }
            var headers: HTTPFields = [
                .acceptRanges: "bytes", .cacheControl: "no-cache", .xContentTypeOptions: "nosniff",
                .contentDisposition: ContentDisposition.attachment(path.name),
            ]
            DigestHeaders.set(reader.digest, in: &headers)
            let decision = ConditionalRequest(request).decide(etag: DigestHeaders.etag(reader.digest), byteCount: reader.byteCount)
            let range: Range<Int64>
            var status = HTTPResponse.Status.ok
            switch decision {
            case .notModified:
                return Response(status: .notModified, headers: headers)
            case .preconditionFailed:
                return Response(status: .preconditionFailed, headers: headers)
            case .unsatisfiable:
                headers[.contentRange] = "bytes */\(reader.byteCount)"
                headers[.contentDisposition] = nil
                return Response(status: .rangeNotSatisfiable, headers: headers)
            case .whole:
                range = 0..<reader.byteCount
            case .part(let part):
                range = part
                status = .partialContent
                headers[.contentRange] = "bytes \(part.lowerBound)-\(part.upperBound - 1)/\(reader.byteCount)"
            }
            headers[.contentType] = MediaTypes.type(of: path.name)
            headers[.contentLength] = "\(range.count)"
            guard request.method != .head else {
                return Response(status: status, headers: headers, body: ResponseBody(contentLength: range.count) { try await $0.finish(nil) })
            }
            let first = try await BlockingWork.run {
                try reader.select(range)
                return try reader.next(TrackingLimits.artifactChunkBytes)
            }
            return Response(status: status, headers: headers, body: body(reader, first, count: range.count, path))
        } catch let error as PlatformError where error.code == .corrupt {
            reports.corrupt(path, error)
            throw error
        }
    }

    private func body(_ reader: any ArtifactReader, _ first: [UInt8], count: Int, _ path: ArtifactPath) -> ResponseBody {
        ResponseBody(contentLength: count) { [reports] writer in
            var bytes = first
            do {
                while !bytes.isEmpty {
                    try await writer.write(ByteBuffer(bytes: bytes))
                    bytes = try await BlockingWork.run { try reader.next(TrackingLimits.artifactChunkBytes) }
                }
            } catch let error as PlatformError where error.code == .corrupt {
                reports.corrupt(path, error)
                throw error
            }
            try await writer.finish(nil)
        }
    }
}
