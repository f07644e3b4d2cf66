import AsyncHTTPClient
import Foundation
import NIOCore
import NIOHTTP1
public import NIOPosix
public import SlipwayCore

/// One bucket of any S3.
///
/// Every body is signed with its SHA-256, so that the server refuses what changed on the way. Failures that may
/// pass (5xx, `SlowDown`, no connection) are tried again with growing pauses; nothing is held in memory but chunks.
public struct S3Client: Sendable {
    public let bucket: S3Bucket
    private let credentials: S3Credentials
    private let client: HTTPClient
    private let clock: any Clock<Duration>
    private let now: WallClock

    public init(
        _ bucket: S3Bucket,
        credentials: S3Credentials,
        eventLoops: MultiThreadedEventLoopGroup = .singleton,
        clock: any Clock<Duration> = ContinuousClock(),
        now: WallClock = .system
    ) {
        var configuration = HTTPClient.Configuration(redirectConfiguration: .disallow)
        configuration.timeout.connect = .milliseconds(S3Limits.connect.milliseconds)
        configuration.timeout.read = .milliseconds(S3Limits.stall.milliseconds)
        configuration.timeout.write = .milliseconds(S3Limits.stall.milliseconds)
        configuration.connectionPool.retryConnectionEstablishment = false
        configuration.httpVersion = .http1Only
        self.bucket = bucket
        self.credentials = credentials
        self.client = HTTPClient(eventLoopGroupProvider: .shared(eventLoops), configuration: configuration)
        self.clock = clock
        self.now = now
    }

    /// Must be called once, when it is not used any more.
    public func close() async throws {
        try await client.shutdown()
    }

    struct Request: Sendable {
        var method: HTTPMethod
        var key = ""
        var query: [(name: String, value: String)] = []
        var headers: [(name: String, value: String)] = []
        var body = S3Body.none
    }

    struct Answer {
        var headers: HTTPHeaders
        var body: [UInt8]
        /// The first attempt is 1.
        var attempt: Int
    }

    /// An attempt that failed, and whether another makes sense.
    private struct Attempt: Error {
        var error: PlatformError
        var isPassing: Bool
    }

    /// A request with a small answer.
    func call(_ request: Request) async throws -> Answer {
        try await send(request) { response, attempt in
            let body = try await response.body.collect(upTo: S3Limits.answerBytesMax)
            return Answer(headers: response.headers, body: Array(body.readableBytesView), attempt: attempt)
        }
    }

    /// A request as often as it takes; `take` may be called again after it failed on the way.
    func send<Value>(
        _ request: Request,
        _ take: (HTTPClientResponse, _ attempt: Int) async throws -> Value
    ) async throws -> Value {
        try check(request.key)
        let digest = try request.body.digest()
        var pause = S3Limits.firstPause
        for attempt in 1...S3Limits.attempts {
            do {
                return try await once(request, digest, attempt, take)
            } catch let failed as Attempt {
                guard failed.isPassing, attempt < S3Limits.attempts else { throw failed.error }
                try await clock.sleep(for: pause * Double.random(in: 0.5...1))
                pause = min(pause * 2, S3Limits.longestPause)
            }
        }
        throw PlatformError(.unavailable, "\(name(request.key)) could not be reached")
    }

    /// How an object is called in messages.
    func name(_ key: String) -> String {
        key.isEmpty ? "bucket '\(bucket.name)'" : "object '\(key.prefix(200))' in bucket '\(bucket.name)'"
    }

    private func once<Value>(
        _ request: Request,
        _ digest: String,
        _ attempt: Int,
        _ take: (HTTPClientResponse, Int) async throws -> Value
    ) async throws -> Value {
        do {
            let deadline = NIODeadline.now() + .milliseconds(S3Limits.request.milliseconds)
            let response = try await client.execute(signed(request, digest), deadline: deadline)
            let status = Int(response.status.code)
            if (200..<300).contains(status) { return try await take(response, attempt) }
            let body = try await response.body.collect(upTo: S3Limits.answerBytesMax)
            let said = try? S3XML.parse(Array(body.readableBytesView))
            let code = said?["Code"] ?? ""
            throw Attempt(
                error: S3Failure.error(status: status, code: code, message: said?["Message"] ?? "", object: name(request.key)),
                isPassing: S3Failure.isPassing(status: status, code: code)
            )
        } catch let error as Attempt {
            throw error
        } catch let error as PlatformError {
            throw error
        } catch {
            if error is CancellationError || Task.isCancelled { throw CancellationError() }
            let error = PlatformError(
                .unavailable, "\(name(request.key)) could not be reached", remedy: "check that the S3 server runs", cause: error
            )
            throw Attempt(error: error, isPassing: true)
        }
    }

    private func signed(_ request: Request, _ digest: String) -> HTTPClientRequest {
        var signature = S3Signature(
            method: request.method.rawValue, path: bucket.path(request.key), query: request.query,
            headers: request.headers, bodyDigest: digest, region: bucket.region, date: now.now.date
        )
        signature.headers += [
            (name: "host", value: bucket.host), (name: "x-amz-content-sha256", value: digest),
            (name: "x-amz-date", value: signature.stamp),
        ]
        if let token = credentials.sessionToken { signature.headers.append((name: "x-amz-security-token", value: token)) }
        let query = S3Signature.canonicalQuery(request.query)
        var prepared = HTTPClientRequest(url: bucket.origin + signature.path + (query.isEmpty ? "" : "?\(query)"))
        prepared.method = request.method
        for header in signature.headers { prepared.headers.replaceOrAdd(name: header.name, value: header.value) }
        prepared.headers.add(name: "authorization", value: signature.authorization(credentials))
        switch request.body {
        case .none: break
        case .bytes(let bytes): prepared.body = .bytes(bytes)
        case .file(let path, let offset, let count):
            prepared.body = .stream(S3FileChunks(path: path, offset: offset, count: count), length: .known(count))
        }
        return prepared
    }

    private func check(_ key: String) throws {
        let isPlain = !key.hasPrefix("/") && key.split(separator: "/", omittingEmptySubsequences: false).allSatisfy { $0 != ".." && $0 != "." }
        guard key.utf8.count <= S3Limits.keyBytesMax, isPlain else {
            throw PlatformError(.invalidArgument, "'\(key.prefix(80))' is no key of an object", remedy: "use a relative path without '..'")
        }
    }
}
