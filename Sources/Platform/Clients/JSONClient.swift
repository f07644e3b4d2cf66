import AsyncHTTPClient
import Foundation
import NIOCore
import NIOFoundationCompat
import NIOHTTP1
import SlipwayCore

/// JSON over HTTP to one server, bounded in time and size.
struct JSONClient: Sendable {
    let base: String
    /// What messages call the server: `tracking server`.
    let server: String
    let token: String?
    let client: HTTPClient

    enum Bound {
        static let callSeconds: Int64 = 30
        static let transferSeconds: Int64 = 3600
        static let answerBytesMax = 64 << 20
        static let fileChunkBytes = 256 << 10
    }

    init(base: String, server: String, token: String? = nil, client: HTTPClient) {
        self.base = base.hasSuffix("/") ? String(base.dropLast()) : base
        self.server = server
        self.token = token
        self.client = client
    }

    func request(_ method: HTTPMethod, _ path: String, query: [(String, String)] = []) -> HTTPClientRequest {
        var url = "\(base)/\(path)"
        if !query.isEmpty { url += "?" + query.map { "\(Self.escaped($0.0))=\(Self.escaped($0.1))" }.joined(separator: "&") }
        var request = HTTPClientRequest(url: url)
        request.method = method
        if let token { request.headers.add(name: "Authorization", value: "Bearer \(token)") }
        return request
    }

    /// - Returns: Status and parsed body; an empty body is `{}`.
    func call(_ method: HTTPMethod, _ path: String, query: [(String, String)] = [], body: JSONValue? = nil) async throws -> (status: Int, body: JSONValue) {
        var request = request(method, path, query: query)
        if let body {
            request.headers.add(name: "Content-Type", value: "application/json")
            request.body = .bytes(ByteBuffer(bytes: body.canonicalBytes))
        }
        let response = try await send(request, seconds: Bound.callSeconds)
        do {
            let buffer = try await response.body.collect(upTo: Bound.answerBytesMax)
            guard buffer.readableBytes > 0 else { return (Int(response.status.code), [:]) }
            return (Int(response.status.code), try JSONValue(parsing: buffer.readableBytesView))
        } catch let error as PlatformError {
            throw PlatformError(.unavailable, "\(server) gave an answer that is not JSON (status \(response.status.code))", cause: error)
        } catch {
            throw PlatformError(.unavailable, "\(server) broke off its answer", cause: error)
        }
    }

    func send(_ request: HTTPClientRequest, seconds: Int64) async throws -> HTTPClientResponse {
        do {
            return try await client.execute(request, deadline: .now() + .seconds(seconds))
        } catch let error as CancellationError {
            throw error
        } catch {
            throw PlatformError(.unavailable, "\(server) did not answer", remedy: "check that it runs", cause: error)
        }
    }

    static func escaped(_ text: String) -> String {
        var allowed = CharacterSet.alphanumerics
        allowed.insert(charactersIn: "-._~")
        return text.addingPercentEncoding(withAllowedCharacters: allowed) ?? ""
    }

    /// A path with its slashes kept.
    static func escapedPath(_ path: String) -> String {
        path.split(separator: "/", omittingEmptySubsequences: false).map { escaped(String($0)) }.joined(separator: "/")
    }
}
