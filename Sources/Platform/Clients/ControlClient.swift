import AsyncHTTPClient
import NIOCore
import NIOHTTP1
public import SlipwayCore

/// The console's API, as the command line uses it.
public struct ControlClient: Sendable {
    private let http: JSONClient

    /// - Parameter token: The environment's; reading works without.
    public init(url: String, token: String?, connections: HTTPConnections) {
        http = JSONClient(base: url, server: "the platform", token: token, client: connections.client)
    }

    public func get(_ path: String) async throws -> JSONValue {
        let (status, body) = try await http.call(.GET, "api/v1/\(path)")
        return try Self.checked(status, body)
    }

    public func post(_ path: String, _ body: JSONValue) async throws -> JSONValue {
        let (status, answer) = try await http.call(.POST, "api/v1/\(path)", body: body)
        return try Self.checked(status, answer)
    }

    /// Calls `line` with each line of a stream until it ends.
    ///
    /// - Throws: `unavailable` when the platform goes away in the middle.
    public func lines(_ path: String, _ line: (JSONValue) async throws -> Void) async throws {
        let response = try await http.send(http.request(.GET, "api/v1/\(path)"), seconds: JSONClient.Bound.transferSeconds)
        guard response.status == .ok else {
            let buffer = try await response.body.collect(upTo: JSONClient.Bound.answerBytesMax)
            _ = try Self.checked(Int(response.status.code), try JSONValue(parsing: buffer.readableBytesView))
            return
        }
        var rest = ByteBuffer()
        do {
            for try await var chunk in response.body {
                rest.writeBuffer(&chunk)
                while let end = rest.readableBytesView.firstIndex(of: 0x0A) {
                    let bytes = rest.readSlice(length: end - rest.readerIndex)
                    rest.moveReaderIndex(forwardBy: 1)
                    if let bytes, bytes.readableBytes > 0 { try await line(try JSONValue(parsing: bytes.readableBytesView)) }
                }
                rest.discardReadBytes()
            }
        } catch let error as PlatformError {
            throw error
        } catch {
            throw PlatformError(.unavailable, "the platform went away", remedy: "start it again with 'slipway up': it finishes the run or rolls it back", cause: error)
        }
    }

    private static func checked(_ status: Int, _ body: JSONValue) throws -> JSONValue {
        guard !(200..<300).contains(status) else { return body }
        let error = body["error"]
        guard let code = PlatformError.Code(rawValue: error?["code"]?.stringValue ?? "") else {
            let message = error?["message"]?.stringValue ?? "the platform answered \(status)"
            throw PlatformError(status == 401 ? .failedPrecondition : .unexpected, message)
        }
        throw PlatformError(code, error?["message"]?.stringValue ?? "", remedy: error?["remedy"]?.stringValue)
    }
}
