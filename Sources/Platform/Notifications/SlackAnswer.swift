import SlipwayCore
import SlipwayPipeline

/// What Slack's answers mean.
///
/// https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks and
/// https://docs.slack.dev/reference/methods/chat.postMessage
struct SlackAnswer: Sendable, Equatable {
    let status: Int
    let body: String
    /// The header `Retry-After`, in seconds.
    let retryAfter: String?

    /// An incoming webhook answers text: `ok`, or the name of a mistake.
    var webhookOutcome: OutboxEntry.Outcome {
        let said = body.prefix(SlackLimits.saidCharactersMax).split(whereSeparator: \.isNewline).joined(separator: " ")
        switch status {
        case 200 where body.trimmingSpace == "ok": return .accepted(channel: "slack-webhook")
        case 429: return rateLimited
        // Slack says itself that it did not post.
        case 500 where said.contains("rollup_error"), 503: return .retry(reason: "slack answered \(status) \(said)", after: pause)
        case 400..<500: return .refused(reason: "slack answered \(status) \(said)")
        // A proxy's answer, or a broken one: whether Slack has the message cannot be known.
        default: return .unknown(reason: "slack answered \(status) \(said)")
        }
    }

    /// `chat.postMessage` answers JSON, 200 also for a failure.
    var messageOutcome: OutboxEntry.Outcome {
        switch status {
        case 200: break
        case 429: return rateLimited
        case 503: return .retry(reason: "slack answered 503", after: pause)
        case 400..<500: return .refused(reason: "slack answered \(status)")
        default: return .unknown(reason: "slack answered \(status)")
        }
        guard let json = try? JSONValue(parsing: body), let isOK = json["ok"]?.boolValue else {
            return .unknown(reason: "slack answered something that is not JSON")
        }
        guard isOK else { return Self.failure(json["error"]?.stringValue ?? "unknown_error", pause: pause) }
        guard let channel = json["channel"]?.stringValue, let ts = json["ts"]?.stringValue, !channel.isEmpty, !ts.isEmpty else {
            return .unknown(reason: "slack said ok and named no message")
        }
        return .delivered(channel: "slack:\(channel)/\(ts)", messageID: ts)
    }

    private static func failure(_ name: String, pause: Duration?) -> OutboxEntry.Outcome {
        let reason = "slack refused: \(name.prefix(SlackLimits.saidCharactersMax))"
        switch name {
        case "ratelimited", "rate_limited", "service_unavailable": return .retry(reason: reason, after: pause)
        // "It's possible some aspect of the operation succeeded before the error was raised."
        case "internal_error", "fatal_error", "request_timeout": return .unknown(reason: reason)
        default: return .refused(reason: reason)
        }
    }

    private var rateLimited: OutboxEntry.Outcome { .retry(reason: "slack answered 429", after: pause) }

    private var pause: Duration? {
        guard let seconds = retryAfter.flatMap({ Int($0.trimmingSpace) }), seconds >= 0 else { return nil }
        return .seconds(min(seconds, Int(OutboxLimits.retryAfterMax.seconds)))
    }
}

extension String {
    fileprivate var trimmingSpace: String {
        String(drop { $0.isWhitespace }.reversed().drop { $0.isWhitespace }.reversed())
    }
}
