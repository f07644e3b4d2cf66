public import Logging
public import ServiceLifecycle
public import SlipwayCore
public import SlipwayPipeline

/// Tells people by Slack, with an outbox on disk behind it; without Slack the outbox is the delivery.
///
/// At most once, also across kill -9: an attempt is stored before it is made, and one whose end is not
/// known is never repeated, so it fails with a receipt that says so. What was certainly not taken (no
/// connection, 429, Slack's own failure) is tried again, by ``run()`` or the next ``notify(_:)``.
public actor SlackNotifier: Notifier, Service {
    private let outbox: any OutboxStore
    private let sender: SlackSender
    private let settings: SlackSettings
    private let clock: any Clock<Duration>
    private let wallClock: WallClock
    private let logger: Logger
    /// Keys whose entry somebody is working on now.
    private var busy: Set<String> = []
    /// When the next attempt of each waiting entry is due.
    private var waiting: [String: Timestamp]
    /// When each notification that is not out yet was handed over.
    private var pendingSince: [String: Timestamp]
    private var finished: [OutboxEntry.State: Int] = [:]
    /// Results that the disk has not taken yet: what it holds of them says "sending".
    private var unsaved: [String: OutboxEntry] = [:]

    /// Opens the outbox and settles what a stop in the middle of an attempt has left.
    public static func open(
        outbox: any OutboxStore,
        settings: SlackSettings,
        clock: any Clock<Duration> = ContinuousClock(),
        wallClock: WallClock = .system,
        logger: Logger
    ) async throws -> SlackNotifier {
        try await open(
            outbox: outbox, settings: settings, clock: clock, wallClock: wallClock, logger: logger, limit: SlackLimits.attempt
        )
    }

    /// - Parameter limit: How long one attempt may take.
    static func open(
        outbox: any OutboxStore,
        settings: SlackSettings,
        clock: any Clock<Duration> = ContinuousClock(),
        wallClock: WallClock,
        logger: Logger,
        limit: Duration
    ) async throws -> SlackNotifier {
        var waiting: [String: Timestamp] = [:]
        var pendingSince: [String: Timestamp] = [:]
        for var entry in try await outbox.unfinished() {
            if entry.state == .sending {
                entry.recover(now: wallClock.now)
                try await outbox.save(entry)
            } else {
                waiting[entry.notification.key] = entry.nextAttempt
                pendingSince[entry.notification.key] = entry.created
            }
        }
        return SlackNotifier(
            outbox: outbox, sender: SlackSender(target: settings.target, clock: clock, limit: limit), settings: settings,
            clock: clock, wallClock: wallClock, logger: logger, waiting: waiting, pendingSince: pendingSince
        )
    }

    private init(
        outbox: any OutboxStore,
        sender: SlackSender,
        settings: SlackSettings,
        clock: any Clock<Duration>,
        wallClock: WallClock,
        logger: Logger,
        waiting: [String: Timestamp],
        pendingSince: [String: Timestamp]
    ) {
        self.outbox = outbox
        self.sender = sender
        self.settings = settings
        self.clock = clock
        self.wallClock = wallClock
        self.logger = logger
        self.waiting = waiting
        self.pendingSince = pendingSince
    }

    public func notify(_ notification: Notification) async throws -> DeliveryReceipt {
        guard busy.insert(notification.key).inserted else {
            return try await receipt(key: notification.key)
                ?? DeliveryReceipt(state: .pending, channel: "", detail: "it is being handed over", attempts: 0)
        }
        defer { busy.remove(notification.key) }
        if let known = try await stored(notification.key) { return try await advance(known) }
        return try await advance(OutboxEntry(notification, now: wallClock.now), isNew: true)
    }

    public func receipt(key: String) async throws -> DeliveryReceipt? {
        if let entry = unsaved[key] { return entry.receipt }
        return try await outbox.entry(key: key)?.receipt
    }

    /// Sends what is due, again and again, until the platform stops.
    public func run() async throws {
        await cancelWhenGracefulShutdown {
            // Ends with the task that runs it.
            while !Task.isCancelled {
                do {
                    try await self.clock.sleep(for: SlackLimits.poll)
                } catch {
                    return
                }
                await self.deliverDue()
            }
        }
    }

    /// One attempt for each entry whose time has come.
    func deliverDue() async {
        let now = wallClock.now
        let due = waiting.filter { $0.value <= now }.keys.sorted()
        for key in due where busy.insert(key).inserted {
            defer { busy.remove(key) }
            do {
                if let entry = try await stored(key) {
                    _ = try await advance(entry)
                } else {
                    waiting[key] = nil
                }
            } catch {
                // The entry is as it was: the next round tries again.
                logger.error("an outbox entry could not be worked on", metadata: ["key": .string(key), "error": .string("\(error)")])
            }
        }
    }

    /// Makes an attempt if one is due, and stores every step of it.
    private func advance(_ entry: OutboxEntry, isNew: Bool = false) async throws -> DeliveryReceipt {
        var entry = entry
        let key = entry.notification.key
        if isNew, case .none = settings.target {
            entry.begin()
            entry.settle(.accepted(channel: "outbox:\(outbox.fileName(key: key))"), now: wallClock.now)
            try await outbox.save(entry)
            count(entry)
            return entry.receipt
        }
        guard entry.isDue(wallClock.now) else { return entry.receipt }
        entry.begin()
        pendingSince[key] = entry.created
        // Nothing goes out before this is on the disk.
        try await outbox.save(entry)
        entry.settle(await sender.send(entry.notification), now: wallClock.now)
        waiting[key] = entry.state == .waiting ? entry.nextAttempt : nil
        count(entry)
        try await store(entry)
        return entry.receipt
    }

    private func count(_ entry: OutboxEntry) {
        let isPending = entry.state == .waiting || entry.state == .sending
        pendingSince[entry.notification.key] = isPending ? entry.created : nil
        if !isPending { finished[entry.state, default: 0] += 1 }
    }

    /// How notifications stand; those finished are counted since the process started.
    public var tally: NotificationTally {
        NotificationTally(
            pending: pendingSince.count,
            oldest: pendingSince.values.min().map { max(.zero, wallClock.now.since($0)) } ?? .zero,
            delivered: finished[.delivered] ?? 0, accepted: finished[.accepted] ?? 0, failed: finished[.failed] ?? 0
        )
    }

    /// The entry as it really is: what the disk did not take counts more than what it has.
    private func stored(_ key: String) async throws -> OutboxEntry? {
        guard let entry = unsaved[key] else { return try await outbox.entry(key: key) }
        try await store(entry)
        return entry
    }

    /// Stores the end of an attempt, or remembers it until the disk takes it.
    private func store(_ entry: OutboxEntry) async throws {
        unsaved[entry.notification.key] = entry
        try await outbox.save(entry)
        unsaved[entry.notification.key] = nil
    }
}
