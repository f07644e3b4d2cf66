import Foundation
public import SlipwayCore

/// Where notifications go. Printing it shows no secret.
public struct SlackSettings: Sendable, CustomStringConvertible {
    enum Target: Sendable {
        /// The outbox on disk is the delivery.
        case none
        /// An incoming webhook: its URL is the secret.
        case webhook(URL)
        /// `chat.postMessage` as a bot.
        case bot(token: String, channel: String, api: URL)
    }

    public static let apiDefault = "https://slack.com/api"

    let target: Target

    /// No Slack: notifications stay in the outbox.
    public static let none = SlackSettings(target: .none)

    /// - Parameters:
    ///   - webhook: The URL of an incoming webhook.
    ///   - botToken: `xoxb-…`; wins over the webhook, because it tells the message's id.
    ///   - channel: For the bot: `#releases` or an id.
    ///   - api: Where Slack's Web API is.
    /// - Throws: `invalid_argument` that names the setting and shows no secret.
    public init(
        webhook: String? = nil,
        botToken: String? = nil,
        channel: String? = nil,
        api: String = SlackSettings.apiDefault
    ) throws(PlatformError) {
        if let botToken {
            guard let channel, !channel.isEmpty else {
                throw PlatformError(.invalidArgument, "a Slack bot token is set, and no channel", remedy: "set SLACK_CHANNEL")
            }
            guard !botToken.isEmpty, botToken.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else {
                throw PlatformError(.invalidArgument, "the Slack bot token is empty or has characters that no token has")
            }
            target = .bot(token: botToken, channel: channel, api: try Self.url(api, name: "address of Slack's API"))
        } else if let webhook {
            target = .webhook(try Self.url(webhook, name: "Slack webhook"))
        } else {
            target = .none
        }
    }

    /// Out of `SLACK_WEBHOOK_URL`, `SLACK_BOT_TOKEN`, `SLACK_CHANNEL` and `SLACK_API_URL`; an empty one
    /// counts as not set.
    public init(environment: [String: String]) throws(PlatformError) {
        let set = environment.filter { !$0.value.isEmpty }
        try self.init(
            webhook: set["SLACK_WEBHOOK_URL"],
            botToken: set["SLACK_BOT_TOKEN"],
            channel: set["SLACK_CHANNEL"],
            api: set["SLACK_API_URL"] ?? Self.apiDefault
        )
    }

    private init(target: Target) {
        self.target = target
    }

    public var description: String {
        switch target {
        case .none: "outbox"
        case .webhook: "slack-webhook"
        case .bot(_, let channel, _): "slack:\(channel)"
        }
    }

    /// A secret must not cross a network in the clear.
    private static func url(_ text: String, name: String) throws(PlatformError) -> URL {
        guard let url = URL(string: text), let host = url.host(), !host.isEmpty else {
            throw PlatformError(.invalidArgument, "the \(name) is not a URL")
        }
        let isLoopback = ["127.0.0.1", "localhost", "::1"].contains(host)
        guard url.scheme == "https" || (url.scheme == "http" && isLoopback) else {
            throw PlatformError(.invalidArgument, "the \(name) is not an https URL")
        }
        return url
    }
}
