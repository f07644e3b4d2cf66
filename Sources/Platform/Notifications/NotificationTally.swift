/// How many notifications wait, for how long, and what became of the others.
public struct NotificationTally: Sendable, Hashable {
    public let pending: Int
    /// Since the oldest of those that wait was handed over; zero when none does.
    public let oldest: Duration
    public let delivered: Int
    public let accepted: Int
    public let failed: Int
}
