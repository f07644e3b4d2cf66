import AsyncHTTPClient
import Foundation
import NIOCore
import NIOHTTP1
import NIOPosix
import SlipwayCore
import SlipwayPipeline

/// Makes one attempt, and knows how sure it can be of what came of it.
struct SlackSender: Sendable {
    let target: SlackSettings.Target
    let clock: any Clock<Duration>
    let limit: Duration

    /// Never throws: whatever happens is an outcome, and no outcome holds a secret.
    func send(_ notification: SlipwayPipeline.Notification) async -> OutboxEntry.Outcome {
        switch target {
        case .none: return .refused(reason: "no Slack is configured")
        case .webhook(let url):
            let request = request(url, ["text": .string(SlackText.text(notification))])
            return await attempt(request, \.webhookOutcome)
        case .bot(let token, let channel, let api):
            let body: JSONValue = [
                "channel": .string(channel), "text": .string(SlackText.text(notification)),
                "unfurl_links": false, "unfurl_media": false,
            ]
            var request = request(api.appending(path: "chat.postMessage"), body)
            request.headers.add(name: "authorization", value: "Bearer \(token)")
            return await attempt(request, \.messageOutcome)
        }
    }

    private func request(_ url: URL, _ body: JSONValue) -> HTTPClientRequest {
        var request = HTTPClientRequest(url: url.absoluteString)
        request.method = .POST
        request.headers.add(name: "content-type", value: "application/json; charset=utf-8")
        // A connection of its own: one that was kept could be closed under the request, and then nobody
        // knows whether the message went out.
        request.headers.add(name: "connection", value: "close")
        request.body = .bytes(ByteBuffer(bytes: body.canonicalBytes))
        return request
    }

    private func attempt(
        _ request: HTTPClientRequest,
        _ outcome: @Sendable (SlackAnswer) -> OutboxEntry.Outcome
    ) async -> OutboxEntry.Outcome {
        do {
            return outcome(try await answer(request))
        } catch {
            return Self.outcome(error)
        }
    }

    /// - Throws: ``TimedOut`` when it took longer than ``limit``.
    private func answer(_ request: HTTPClientRequest) async throws -> SlackAnswer {
        try await withThrowingTaskGroup(of: SlackAnswer?.self) { [clock, limit] group in
            group.addTask {
                let response = try await Self.client.execute(request, deadline: .distantFuture)
                let body = try await response.body.collect(upTo: SlackLimits.answerBytesMax)
                return SlackAnswer(
                    status: Int(response.status.code),
                    body: String(buffer: body),
                    retryAfter: response.headers.first(name: "retry-after")
                )
            }
            group.addTask {
                try await clock.sleep(for: limit)
                return nil
            }
            defer { group.cancelAll() }
            guard let first = try await group.next(), let answer = first else { throw TimedOut() }
            return answer
        }
    }

    private struct TimedOut: Error {}

    /// What never reached Slack is tried again; everything else is in doubt. The error's own text may name
    /// the URL, so it is not told.
    private static func outcome(_ error: any Error) -> OutboxEntry.Outcome {
        switch error {
        case is TimedOut: .unknown(reason: "slack did not answer in time")
        case is NIOConnectionError: .retry(reason: "slack could not be reached", after: nil)
        case let error as IOError where error.errnoCode == ECONNREFUSED:
            .retry(reason: "slack refused the connection", after: nil)
        case let error as HTTPClientError where notConnected.contains(error):
            .retry(reason: "no connection to slack in time", after: nil)
        case is CancellationError: .unknown(reason: "the platform stopped while it was being sent")
        default: .unknown(reason: "the connection to slack broke")
        }
    }

    private static let notConnected: [HTTPClientError] = [
        .connectTimeout, .tlsHandshakeTimeout, .getConnectionFromPoolTimeout, .httpProxyHandshakeTimeout,
    ]

    /// Lives as long as the process.
    private static let client: HTTPClient = {
        // A redirect could send the message, and the secret, somewhere else.
        var configuration = HTTPClient.Configuration(redirectConfiguration: .disallow)
        configuration.timeout.connect = SlackLimits.connect
        configuration.connectionPool.retryConnectionEstablishment = false
        configuration.httpVersion = .http1Only
        return HTTPClient(eventLoopGroupProvider: .shared(MultiThreadedEventLoopGroup.singleton), configuration: configuration)
    }()
}
