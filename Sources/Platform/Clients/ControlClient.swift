import AsyncHTTPClient
import NIOCore
import NIOFoundationCompat
import NIOHTTP1
public import SlipwayCore

/// The console's API, as the command line uses it. Paths are relative to `/api/v1/`.
public struct ControlClient: Sendable {
    private let peer: Peer

    /// - Parameter token: The environment's; reading works without.
    public init(url: String, token: String?, connections: HTTPConnections) {
        let headers = token.map { [(name: "authorization", value: "Bearer \($0)")] } ?? []
        peer = Peer(url, name: "the platform", headers: headers, connections: connections)
    }

    /// - Throws: The platform's own error as it is; `unavailable` when it does not answer.
    public func get(_ path: String) async throws -> JSONValue {
        try Self.json(try await peer.call(PeerRequest(.GET, "/api/v1/\(path)")))
    }

    public func post(_ path: String, _ body: JSONValue) async throws -> JSONValue {
        try Self.json(try await peer.call(PeerRequest(.POST, "/api/v1/\(path)", json: body)))
    }

    /// Calls `line` with each JSON line of a stream, until it ends. Takes as long as the stream.
    ///
    /// - Throws: `unavailable` when the platform goes away in the middle.
    public func lines(_ path: String, _ line: (JSONValue) async throws -> Void) async throws {
        let response = try await peer.follow(PeerRequest(.GET, "/api/v1/\(path)"))
        guard (200..<300).contains(response.status.code) else {
            _ = try Self.json(try await peer.answer(response))
            return
        }
        var splitter = JSONLines()
        do {
            for try await chunk in response.body {
                for value in try splitter.add(chunk) {
                    do {
                        try await line(value)
                    } catch {
                        throw ConsumerFailure(error: error)
                    }
                }
            }
        } catch let failure as ConsumerFailure {
            throw failure.error
        } catch let error as PlatformError {
            throw error
        } catch {
            if error is CancellationError || Task.isCancelled { throw CancellationError() }
            throw PlatformError(
                .unavailable,
                "the platform went away",
                remedy: "start it again with 'slipway up': it finishes the run or rolls it back",
                cause: error
            )
        }
        try splitter.finish()
    }

    /// Keeps what the consumer threw apart from what the connection did.
    private struct ConsumerFailure: Error {
        let error: any Error
    }

    private static func json(_ answer: PeerAnswer) throws(PlatformError) -> JSONValue {
        guard answer.isSuccess else { throw PlatformError.own(answer, peer: "the platform") }
        guard !answer.body.isEmpty else { return [:] }
        do {
            return try JSONValue(parsing: answer.body)
        } catch {
            throw PlatformError(.unavailable, "what answers is not the platform: \(answer.said)", cause: error)
        }
    }
}

/// One JSON value a line, out of chunks that end anywhere.
struct JSONLines {
    static let lineBytesMax = Limits.jsonBytesMax

    private var rest = ByteBuffer()

    mutating func add(_ chunk: ByteBuffer) throws(PlatformError) -> [JSONValue] {
        rest.writeImmutableBuffer(chunk)
        var values: [JSONValue] = []
        while let end = rest.readableBytesView.firstIndex(of: 0x0A) {
            let bytes = rest.readSlice(length: end - rest.readerIndex)
            rest.moveReaderIndex(forwardBy: 1)
            guard let bytes, bytes.readableBytes > 0 else { continue }
            values.append(try JSONValue(parsing: bytes.readableBytesView))
        }
        rest.discardReadBytes()
        guard rest.readableBytes <= Self.lineBytesMax else {
            throw PlatformError(.exhausted, "a line of the platform's is longer than \(Self.lineBytesMax >> 20) MiB")
        }
        return values
    }

    /// - Throws: `unavailable` when the stream ended inside a line.
    func finish() throws(PlatformError) {
        guard rest.readableBytes == 0 else {
            throw PlatformError(.unavailable, "the platform broke off in the middle of a line")
        }
    }
}
