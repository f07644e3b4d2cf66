import AsyncHTTPClient
import Foundation
import NIOCore
import NIOFoundationCompat
import NIOHTTP1
import SlipwayCore

/// The other end of a client: where it is, how it is called in messages, and what every request carries.
///
/// Moves bytes and knows no protocol.
struct Peer: Sendable {
    /// `http://127.0.0.1:5000`, without credentials: for messages and proofs.
    let address: String
    /// What it is, for messages: `the tracking server`.
    let name: String
    private let headers: [(name: String, value: String)]
    let connections: HTTPConnections
    let clock: any Clock<Duration>

    /// - Parameters:
    ///   - url: `http` or `https`; `user:password@` in it becomes Basic authentication. What is no URL is
    ///     refused by the first request.
    ///   - headers: Sent with every request; their values never appear in a message.
    init(
        _ url: String,
        name: String,
        headers: [(name: String, value: String)] = [],
        connections: HTTPConnections,
        clock: any Clock<Duration> = ContinuousClock()
    ) {
        var address = url
        var headers = headers
        if var parts = URLComponents(string: url), let user = parts.user {
            let secret = Data("\(user):\(parts.password ?? "")".utf8).base64EncodedString()
            headers.append((name: "authorization", value: "Basic \(secret)"))
            parts.user = nil
            parts.password = nil
            address = parts.string ?? ""
        }
        while address.hasSuffix("/") { address.removeLast() }
        self.address = address
        self.name = name
        self.headers = headers
        self.connections = connections
        self.clock = clock
    }

    /// One request with a small answer.
    ///
    /// - Throws: `unavailable` when it does not answer in time or at all, `exhausted` when the answer is too large.
    func call(
        _ request: PeerRequest,
        limit: Duration = ClientLimits.call,
        bytesMax: Int = Limits.jsonBytesMax
    ) async throws -> PeerAnswer {
        try await withDeadline(limit, clock: clock, late: late(limit)) { [self] in
            try await translating {
                let response = try await connections.calls.execute(prepared(request), deadline: .distantFuture)
                return try await answer(response, bytesMax: bytesMax)
            }
        }
    }

    /// One request that moves a file, either way; `take` gets the answer's head and body.
    func transfer<Value: Sendable>(
        _ request: PeerRequest,
        limit: Duration = ClientLimits.transfer,
        _ take: @escaping @Sendable (HTTPClientResponse) async throws -> Value
    ) async throws -> Value {
        try await withDeadline(limit, clock: clock, late: late(limit)) { [self] in
            try await translating {
                try await take(try await connections.transfers.execute(prepared(request), deadline: .distantFuture))
            }
        }
    }

    /// One request whose answer comes bit by bit for as long as there is something to say: its head.
    func follow(_ request: PeerRequest) async throws -> HTTPClientResponse {
        try await translating {
            let limit = NIODeadline.now() + .milliseconds(ClientLimits.call.milliseconds)
            return try await connections.calls.execute(prepared(request), deadline: limit)
        }
    }

    /// An answer with its whole body.
    func answer(_ response: HTTPClientResponse, bytesMax: Int = Limits.jsonBytesMax) async throws -> PeerAnswer {
        let body: ByteBuffer
        do {
            body = try await response.body.collect(upTo: bytesMax)
        } catch is NIOTooManyBytesError {
            throw PlatformError(.exhausted, "\(name) answered more than \(bytesMax >> 20) MiB")
        }
        return PeerAnswer(
            status: Int(response.status.code),
            headers: response.headers,
            body: Array(body.readableBytesView)
        )
    }

    private func prepared(_ request: PeerRequest) -> HTTPClientRequest {
        var prepared = HTTPClientRequest(url: address + request.target)
        prepared.method = request.method
        for header in headers + request.headers { prepared.headers.replaceOrAdd(name: header.name, value: header.value) }
        switch request.body {
        case .none: break
        case .bytes(let bytes, let type):
            prepared.headers.replaceOrAdd(name: "content-type", value: type)
            prepared.body = .bytes(bytes)
        case .chunks(let chunks, let type):
            prepared.headers.replaceOrAdd(name: "content-type", value: type)
            prepared.body = .stream(chunks, length: .known(chunks.byteCount))
        }
        return prepared
    }

    private func late(_ limit: Duration) -> PlatformError {
        PlatformError(.unavailable, "\(name) did not answer within \(limit.milliseconds) ms")
    }

    /// Turns what the transport throws into errors of ours.
    private func translating<Value>(_ body: () async throws -> Value) async throws -> Value {
        do {
            return try await body()
        } catch let error as PlatformError {
            throw error
        } catch {
            if error is CancellationError || Task.isCancelled { throw CancellationError() }
            throw Self.platformError(error, name: name)
        }
    }

    private static func platformError(_ error: any Error, name: String) -> PlatformError {
        let what: String
        switch error as? HTTPClientError {
        case .some(.invalidURL), .some(.emptyHost), .some(.emptyScheme):
            // The text may hold a password: it is not shown.
            return PlatformError(.invalidArgument, "the address of \(name) is not an http or https URL")
        case .some(.readTimeout), .some(.writeTimeout): what = "stopped answering"
        case .some(.remoteConnectionClosed): what = "closed the connection"
        case .some(.deadlineExceeded): what = "did not answer in time"
        case .some(let other) where other.description.contains("unsupportedScheme"):
            return PlatformError(.invalidArgument, "the address of \(name) is not an http or https URL")
        default: what = "could not be reached"
        }
        return PlatformError(.unavailable, "\(name) \(what)", remedy: "check that it runs", cause: error)
    }
}

/// One request to a peer.
struct PeerRequest: Sendable {
    enum Body: Sendable {
        case none
        case bytes(ByteBuffer, type: String)
        case chunks(FileChunks, type: String)
    }

    var method: HTTPMethod
    /// Path and query, percent-encoded.
    var target: String
    var headers: [(name: String, value: String)] = []
    var body = Body.none

    init(_ method: HTTPMethod, _ path: String, query: [(String, String)] = []) {
        self.method = method
        self.target = path
        guard !query.isEmpty else { return }
        self.target += "?" + query.map { "\($0.urlEncoded)=\($1.urlEncoded)" }.joined(separator: "&")
    }

    /// With a JSON body.
    init(_ method: HTTPMethod, _ path: String, json: JSONValue) {
        self.init(method, path)
        body = .bytes(ByteBuffer(bytes: json.canonicalBytes), type: "application/json")
    }
}

struct PeerAnswer: Sendable {
    let status: Int
    let headers: HTTPHeaders
    let body: [UInt8]

    var isSuccess: Bool { (200..<300).contains(status) }

    /// What it says, cut, on one line, for a message.
    var said: String {
        let text = String(decoding: body.prefix(ClientLimits.saidCharactersMax), as: UTF8.self)
        return text.split(whereSeparator: \.isNewline).joined(separator: " ")
    }
}

extension String {
    /// As one segment of a path or one value of a query.
    var urlEncoded: String {
        var out: [UInt8] = []
        for byte in utf8 {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
                UInt8(ascii: "~"):
                out.append(byte)
            default: out += "%\([byte].hexText.uppercased())".utf8
            }
        }
        return String(decoding: out, as: UTF8.self)
    }

    /// As a path of several segments: `/` stays.
    var pathEncoded: String {
        split(separator: "/", omittingEmptySubsequences: false).map { String($0).urlEncoded }.joined(separator: "/")
    }
}
