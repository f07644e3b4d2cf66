import SlipwayPipeline

/// A notification as Slack's mrkdwn: the title in bold, then the lines.
enum SlackText {
    static func text(_ notification: Notification) -> String {
        let title = escaped(notification.title.split(whereSeparator: \.isNewline).joined(separator: " "))
        let text = (["*\(title)*"] + notification.lines.map(escaped)).joined(separator: "\n")
        guard text.count > SlackLimits.textCharactersMax else { return text }
        return text.prefix(SlackLimits.textCharactersMax - 1) + "…"
    }

    /// The three characters that are control characters there: nobody is paged by a model's name.
    private static func escaped(_ text: String) -> String {
        text.replacing("&", with: "&amp;").replacing("<", with: "&lt;").replacing(">", with: "&gt;")
    }
}
