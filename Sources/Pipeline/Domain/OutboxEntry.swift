public import SlipwayCore

/// One notification on its way out, and every decision about it.
///
/// A value: no clock, no socket, no file. ``State/sending`` is stored before anything is sent, so that a
/// stop in the middle can be told from a failure. Nothing is ever sent twice: whenever it cannot be known
/// whether a message went out, the entry fails and says so, because nothing takes a second copy back.
public struct OutboxEntry: Sendable, Hashable, Codable {
    public enum State: String, Sendable, Hashable, Codable, CaseIterable {
        /// Not sent yet, or refused for now: it waits for ``OutboxEntry/nextAttempt``.
        case waiting
        /// Being sent, or in doubt after a stop.
        case sending
        case delivered
        case accepted
        case failed
    }

    /// What came of one attempt.
    public enum Outcome: Sendable, Hashable {
        /// A message id came back.
        case delivered(channel: String, messageID: String)
        /// The other side took it and named no message.
        case accepted(channel: String)
        /// It certainly was not taken, and may be later.
        case retry(reason: String, after: Duration?)
        /// It certainly was not taken, and never will be.
        case refused(reason: String)
        /// It may have been taken: the answer never came, or says neither.
        case unknown(reason: String)
    }

    public let notification: Notification
    public let created: Timestamp
    public private(set) var state: State
    /// What has been begun, successful or not.
    public private(set) var attempts: Int
    public private(set) var nextAttempt: Timestamp
    /// Where it went: `slack:<channel>/<ts>`, `slack-webhook`, `outbox:<file>`; empty before.
    public private(set) var channel: String
    /// The message id, or why it has not gone out.
    public private(set) var detail: String

    public init(_ notification: Notification, now: Timestamp) {
        self.notification = notification
        self.created = now
        self.state = .waiting
        self.attempts = 0
        self.nextAttempt = now
        self.channel = ""
        self.detail = "not sent yet"
    }

    public func isDue(_ now: Timestamp) -> Bool { state == .waiting && nextAttempt <= now }

    /// Before the bytes go out; to be stored before they do.
    public mutating func begin() {
        precondition(state == .waiting, "an attempt begins only while the entry waits")
        state = .sending
        attempts += 1
        detail = "being sent"
    }

    public mutating func settle(_ outcome: Outcome, now: Timestamp) {
        switch outcome {
        case .delivered(let channel, let messageID): end(.delivered, channel: channel, detail: messageID)
        case .accepted(let channel): end(.accepted, channel: channel, detail: "accepted")
        case .refused(let reason): end(.failed, detail: reason)
        case .unknown(let reason): end(.failed, detail: "\(reason); it may have gone out, so it is not sent again")
        case .retry(let reason, let after): wait(reason, after: after, now: now)
        }
    }

    /// After a start that finds it ``State/sending``: whoever sent it is gone, and so is the answer.
    public mutating func recover(now: Timestamp) {
        guard state == .sending else { return }
        settle(.unknown(reason: "the platform stopped while it was being sent"), now: now)
    }

    public var receipt: DeliveryReceipt {
        let state: DeliveryReceipt.State =
            switch self.state {
            case .waiting, .sending: .pending
            case .delivered: .delivered
            case .accepted: .accepted
            case .failed: .failed
            }
        return DeliveryReceipt(state: state, channel: channel, detail: detail, attempts: attempts)
    }

    private mutating func wait(_ reason: String, after: Duration?, now: Timestamp) {
        guard attempts < OutboxLimits.attemptsMax else {
            return end(.failed, detail: "\(reason); given up after \(attempts) attempts")
        }
        var pause = OutboxLimits.pauseMax
        if attempts - 1 < OutboxLimits.doublingsMax {
            pause = min(OutboxLimits.pauseMin * (1 << max(0, attempts - 1)), OutboxLimits.pauseMax)
        }
        if let after { pause = min(max(pause, after), OutboxLimits.retryAfterMax) }
        state = .waiting
        nextAttempt = now.advanced(by: pause)
        detail = reason
    }

    private mutating func end(_ state: State, channel: String = "", detail: String) {
        self.state = state
        self.channel = channel
        self.detail = detail
    }
}

/// How long an outbox tries. With these, an entry is tried for a little over an hour.
public enum OutboxLimits {
    public static let attemptsMax = 22
    /// The pause after the first attempt; it doubles from then on.
    public static let pauseMin = Duration.seconds(1)
    public static let pauseMax = Duration.seconds(300)
    /// The longest wait that the other side may ask for.
    public static let retryAfterMax = Duration.seconds(3600)
    static let doublingsMax = 16
}

/// Where notifications wait and where their fate is kept. A returned `save` has reached the disk.
public protocol OutboxStore: Sendable {
    func save(_ entry: OutboxEntry) async throws
    func entry(key: String) async throws -> OutboxEntry?
    /// Every entry that waits or is being sent, oldest first.
    func unfinished() async throws -> [OutboxEntry]
    /// The name of the file that holds the entry of `key`, for people.
    func fileName(key: String) -> String
}
