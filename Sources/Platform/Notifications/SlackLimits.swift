import NIOCore

/// What one attempt may take.
enum SlackLimits {
    static let connect = TimeAmount.seconds(5)
    /// From the connection to the last byte of the answer.
    static let attempt = Duration.seconds(10)
    static let answerBytesMax = 64 << 10
    /// Slack asks for no more than 4,000 characters in a message.
    static let textCharactersMax = 3_500
    /// Text of Slack's that goes into a receipt.
    static let saidCharactersMax = 200
    /// How often the outbox is looked through for what is due.
    static let poll = Duration.seconds(1)
}
