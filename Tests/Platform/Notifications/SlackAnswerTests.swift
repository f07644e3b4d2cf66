import SlipwayCore
import SlipwayPipeline
import Testing

@testable import SlipwayNotifications

@Suite("Slack's answers")
struct SlackAnswerTests {
    enum Kind: Equatable {
        case delivered, accepted, retry, refused, unknown

        init(_ outcome: OutboxEntry.Outcome) {
            switch outcome {
            case .delivered: self = .delivered
            case .accepted: self = .accepted
            case .retry: self = .retry
            case .refused: self = .refused
            case .unknown: self = .unknown
            }
        }
    }

    @Test(
        "Webhook: only 200 with ok is accepted; what Slack names is told apart from what a proxy says",
        arguments: [
            (200, "ok", Kind.accepted), (200, "ok\n", .accepted), (200, "", .unknown), (200, "<html>", .unknown), (200, "okay", .unknown),
            (400, "invalid_payload", .refused), (403, "action_prohibited", .refused), (404, "channel_not_found", .refused),
            (404, "no_service", .refused), (410, "channel_is_archived", .refused), (500, "rollup_error", .retry),
            (500, "oops", .unknown), (502, "", .unknown), (503, "", .retry), (504, "", .unknown), (429, "", .retry), (302, "", .unknown),
        ]
    )
    func webhook(answer: (status: Int, body: String, kind: Kind)) {
        #expect(Kind(SlackAnswer(status: answer.status, body: answer.body, retryAfter: nil).webhookOutcome) == answer.kind)
    }

    @Test(
        "chat.postMessage: 200 is also a failure's; only ok with channel and ts is delivered",
        arguments: [
            (200, #"{"ok":true,"channel":"C1","ts":"1.2"}"#, Kind.delivered), (200, #"{"ok":true,"channel":"C1"}"#, .unknown),
            (200, #"{"ok":true,"ts":"1.2"}"#, .unknown), (200, #"{"ok":true,"channel":"","ts":""}"#, .unknown),
            (200, #"{"ok":false,"error":"channel_not_found"}"#, .refused), (200, #"{"ok":false,"error":"invalid_auth"}"#, .refused),
            (200, #"{"ok":false,"error":"is_archived"}"#, .refused), (200, #"{"ok":false}"#, .refused),
            (200, #"{"ok":false,"error":"ratelimited"}"#, .retry), (200, #"{"ok":false,"error":"service_unavailable"}"#, .retry),
            (200, #"{"ok":false,"error":"fatal_error"}"#, .unknown), (200, #"{"ok":false,"error":"internal_error"}"#, .unknown),
            (200, "ok", .unknown), (200, "", .unknown), (200, "[]", .unknown), (429, "", .retry), (503, "", .retry),
            (500, "", .unknown), (502, "", .unknown), (404, "", .refused),
        ]
    )
    func message(answer: (status: Int, body: String, kind: Kind)) {
        #expect(Kind(SlackAnswer(status: answer.status, body: answer.body, retryAfter: nil).messageOutcome) == answer.kind)
    }

    @Test("Retry-After is read where it is a number of seconds", arguments: [("30", 30), (" 7 ", 7), ("x", nil), ("-1", nil), ("99999999", 3_600)])
    func retryAfter(answer: (header: String, seconds: Int?)) {
        let outcome = SlackAnswer(status: 429, body: "", retryAfter: answer.header).webhookOutcome
        #expect(outcome == .retry(reason: "slack answered 429", after: answer.seconds.map { .seconds($0) }))
    }

    @Test("The title is bold on one line, Slack's three control characters are escaped, and long texts are cut")
    func text() {
        let text = SlackText.text(Notification(key: "k", title: "a\n<!channel> & b", lines: ["1 > 0", "<@U1>"]))
        #expect(text == "*a &lt;!channel&gt; &amp; b*\n1 &gt; 0\n&lt;@U1&gt;")
        let long = SlackText.text(Notification(key: "k", title: "t", lines: [String(repeating: "x", count: 10_000)]))
        #expect(long.count == SlackLimits.textCharactersMax && long.hasSuffix("…"))
    }
}

@Suite("Slack settings")
struct SlackSettingsTests {
    @Test("Nothing set is the outbox; a token wins over a webhook; printing shows no secret")
    func choices() throws {
        #expect("\(try SlackSettings(environment: [:]))" == "outbox")
        #expect("\(try SlackSettings(environment: ["SLACK_WEBHOOK_URL": "", "SLACK_BOT_TOKEN": ""]))" == "outbox")
        let webhook = try SlackSettings(environment: ["SLACK_WEBHOOK_URL": "https://hooks.slack.com/services/T/B/hunter2"])
        #expect("\(webhook)" == "slack-webhook")
        let bot = try SlackSettings(environment: [
            "SLACK_WEBHOOK_URL": "https://hooks.slack.com/x", "SLACK_BOT_TOKEN": "xoxb-hunter2", "SLACK_CHANNEL": "#releases",
        ])
        #expect("\(bot)" == "slack:#releases")
    }

    @Test(
        "A token without a channel, a URL that is none or not encrypted, and a token with a line break are refused, and not shown",
        arguments: [
            ["SLACK_BOT_TOKEN": "xoxb-hunter2"], ["SLACK_WEBHOOK_URL": "hunter2"], ["SLACK_WEBHOOK_URL": "http://example.com/hunter2"],
            ["SLACK_WEBHOOK_URL": "ftp://example.com/hunter2"], ["SLACK_BOT_TOKEN": "xoxb\r\nhunter2", "SLACK_CHANNEL": "c"],
            ["SLACK_BOT_TOKEN": "t", "SLACK_CHANNEL": "c", "SLACK_API_URL": "http://example.com/hunter2"],
        ]
    )
    func refused(environment: [String: String]) {
        let error = #expect(throws: PlatformError.self) { try SlackSettings(environment: environment) }
        #expect(error?.code == .invalidArgument)
        #expect(!"\(String(describing: error))".contains("hunter2"))
    }
}
