import Foundation
import Logging
import NIOCore
import SlipwayCore
import SlipwayPipeline
import SlipwayStorage
import SlipwayTesting
import Synchronization
import Testing

@testable import SlipwayNotifications

@Suite("Slack notifier", .timeLimit(.minutes(2)))
struct SlackNotifierTests {
    enum Way: CaseIterable {
        case webhook
        case bot

        func settings(_ url: String) throws -> SlackSettings {
            switch self {
            case .webhook: try SlackSettings(webhook: "\(url)/services/T/B/\(FakeSlack.webhookSecret)")
            case .bot: try SlackSettings(botToken: FakeSlack.botToken, channel: "#releases", api: "\(url)/api")
            }
        }
    }

    @Test("A webhook's ok is accepted; a message id is delivered and stored; the same key again sends nothing", arguments: Way.allCases)
    func sends(way: Way) async throws {
        try await withNotifier(way) { notifier, slack, world in
            let receipt = try await notifier.notify(Self.notification)
            switch way {
            case .webhook: #expect(receipt == DeliveryReceipt(state: .accepted, channel: "slack-webhook", detail: "accepted", attempts: 1))
            case .bot:
                let expected = DeliveryReceipt(state: .delivered, channel: "slack:C024BE91L/1503435956.000247", detail: "1503435956.000247", attempts: 1)
                #expect(receipt == expected)
            }
            #expect(try await notifier.notify(Self.notification) == receipt)
            #expect(try await notifier.receipt(key: Self.notification.key) == receipt)
            #expect(try await world.restart(way).notify(Self.notification) == receipt)
            #expect(slack.messages.map { $0["text"]?.stringValue } == ["*version 4 of 'tumor' is in service*\nauc 0.99"])
            #expect(slack.messages.first?["channel"]?.stringValue == (way == .bot ? "#releases" : nil))
        }
    }

    @Test("Many at the same time with one key send one message", arguments: Way.allCases)
    func together(way: Way) async throws {
        try await withNotifier(way) { notifier, slack, _ in
            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<20 { group.addTask { _ = try await notifier.notify(Self.notification) } }
                try await group.waitForAll()
            }
            #expect(slack.messages.count == 1)
        }
    }

    @Test("429 waits as long as Slack asks, then goes out; nothing goes out before", arguments: Way.allCases)
    func rateLimited(way: Way) async throws {
        try await withNotifier(way) { notifier, slack, world in
            slack.behave(.answers(429, "", retryAfter: "30"), .works)
            let first = try await notifier.notify(Self.notification)
            #expect(first.state == .pending && first.detail == "slack answered 429" && first.attempts == 1)
            world.time.pass(.seconds(29))
            #expect(try await notifier.notify(Self.notification).state == .pending)
            await notifier.deliverDue()
            #expect(slack.requests == 1)
            world.time.pass(.seconds(1))
            let second = try await notifier.notify(Self.notification)
            #expect(second.state == (way == .bot ? .delivered : .accepted) && second.attempts == 2)
            #expect(slack.messages.count == 1)
        }
    }

    @Test("What waits goes out by itself, also after a restart", arguments: Way.allCases)
    func background(way: Way) async throws {
        try await withNotifier(way) { notifier, slack, world in
            slack.behave(.answers(503, ""), .answers(503, ""), .works)
            _ = try await notifier.notify(Self.notification)
            world.time.pass(.seconds(2))
            await notifier.deliverDue()
            #expect(try await notifier.receipt(key: Self.notification.key)?.attempts == 2)
            let next = try await world.restart(way)
            await next.deliverDue()
            #expect(try await next.receipt(key: Self.notification.key)?.state == .pending, "its time has not come")
            world.time.pass(.seconds(10))
            await next.deliverDue()
            let receipt = try await next.receipt(key: Self.notification.key)
            #expect(receipt?.attempts == 3 && receipt?.state != .pending && receipt?.state != .failed)
            #expect(slack.messages.count == 1)
        }
    }

    @Test("The service sends what is due until it is stopped")
    func service() async throws {
        try await withNotifier(.webhook) { notifier, slack, world in
            slack.behave(.answers(503, ""), .works)
            _ = try await notifier.notify(Self.notification)
            world.time.pass(.seconds(60))
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { try await notifier.run() }
                await slack.nextRequest()
                group.cancelAll()
                try await group.waitForAll()
            }
            #expect(slack.messages.count == 1)
        }
    }

    @Test("Nobody listening is tried again; then it goes out", arguments: Way.allCases)
    func unreachable(way: Way) async throws {
        try await withScratchFolder { folder in
            let world = World(folder: folder, url: "http://127.0.0.1:\(closedPort)")
            let notifier = try await world.restart(way)
            #expect(await notifier.tally == NotificationTally(pending: 0, oldest: .zero, delivered: 0, accepted: 0, failed: 0))
            let receipt = try await notifier.notify(Self.notification)
            #expect(receipt.state == .pending, "\(receipt)")
            world.time.pass(.seconds(1))
            #expect(await notifier.tally == NotificationTally(pending: 1, oldest: .seconds(1), delivered: 0, accepted: 0, failed: 0))
            let slack = FakeSlack()
            try await slack.run { url in
                world.time.pass(.seconds(2))
                let later = try await World(folder: folder, url: url, time: world.time).restart(way)
                #expect(await later.tally == NotificationTally(pending: 1, oldest: .seconds(3), delivered: 0, accepted: 0, failed: 0))
                let again = try await later.notify(Self.notification)
                let isBot = way == .bot
                #expect(await later.tally == NotificationTally(pending: 0, oldest: .zero, delivered: isBot ? 1 : 0, accepted: isBot ? 0 : 1, failed: 0))
                #expect(again.attempts == 2 && again.state != .pending)
                #expect(slack.messages.count == 1)
            }
        }
    }

    @Test("No answer and a dropped connection are in doubt: failed, said so, and never sent twice", arguments: Way.allCases, [true, false])
    func inDoubt(way: Way, hangs: Bool) async throws {
        try await withNotifier(way, limit: .seconds(3)) { notifier, slack, world in
            slack.behave(hangs ? .hangs : .drops, .works)
            let receipt = try await notifier.notify(Self.notification)
            #expect(receipt.state == .failed)
            #expect(receipt.detail.hasSuffix("it may have gone out, so it is not sent again"), "\(receipt)")
            world.time.pass(.seconds(100_000))
            #expect(try await notifier.notify(Self.notification) == receipt)
            await notifier.deliverDue()
            #expect(try await world.restart(way).notify(Self.notification) == receipt)
            #expect(slack.messages.count == 1)
        }
    }

    @Test("A refusal by Slack is final and named", arguments: Way.allCases)
    func refused(way: Way) async throws {
        try await withNotifier(way) { notifier, slack, world in
            slack.behave(way == .webhook ? .answers(410, "channel_is_archived") : .answers(200, #"{"ok":false,"error":"is_archived"}"#), .works)
            let receipt = try await notifier.notify(Self.notification)
            #expect(receipt.state == .failed && receipt.detail.contains("archived"))
            world.time.pass(.seconds(100_000))
            #expect(try await notifier.notify(Self.notification) == receipt)
            #expect(slack.messages.isEmpty)
        }
    }

    @Test("A wrong token or webhook fails, and no secret is in any receipt, file or log")
    func secrets() async throws {
        let slack = FakeSlack()
        let log = Lines()
        try await slack.run { url in
            try await withScratchFolder { folder in
                let cases = [
                    try SlackSettings(webhook: "\(url)/services/T/B/hunter2"),
                    try SlackSettings(botToken: "xoxb-hunter2", channel: "#releases", api: "\(url)/api"),
                    try SlackSettings(webhook: "http://127.0.0.1:\(closedPort)/hunter2"),
                ]
                for (index, settings) in cases.enumerated() {
                    let notifier = try await SlackNotifier.open(
                        outbox: try FileOutbox(folder: folder.path), settings: settings, logger: Logger(label: "test") { _ in log }
                    )
                    let receipt = try await notifier.notify(Notification(key: "k\(index)", title: "t", lines: []))
                    #expect(receipt.state == (index == 2 ? .pending : .failed))
                    await notifier.deliverDue()
                    #expect(!"\(receipt)".contains("hunter2"))
                    #expect(!"\(settings)".contains("hunter2"))
                }
                for name in try FileManager.default.contentsOfDirectory(atPath: folder.path) {
                    let text = try String(contentsOf: folder.appending(path: name), encoding: .utf8)
                    #expect(!text.contains("hunter2"))
                }
                #expect(!log.text.contains("hunter2"))
            }
        }
    }

    @Test("Without Slack the outbox on disk is the delivery")
    func outboxOnly() async throws {
        try await withScratchFolder { folder in
            let outbox = try FileOutbox(folder: folder.path)
            let notifier = try await SlackNotifier.open(outbox: outbox, settings: .none, logger: silent)
            let receipt = try await notifier.notify(Self.notification)
            let file = outbox.fileName(key: Self.notification.key)
            #expect(receipt == DeliveryReceipt(state: .accepted, channel: "outbox:\(file)", detail: "accepted", attempts: 1))
            #expect(try await notifier.notify(Self.notification) == receipt)
            let text = try String(contentsOf: folder.appending(path: file), encoding: .utf8)
            #expect(text.contains("version 4 of 'tumor' is in service"))
            #expect(try await notifier.receipt(key: "other") == nil)
        }
    }

    @Test("A kill between sending and storing the answer: after the restart it is in doubt, and not sent again", arguments: Way.allCases)
    func killed(way: Way) async throws {
        try await withNotifier(way) { _, slack, world in
            let outbox = FailingOutbox(try FileOutbox(folder: world.folder.path), failsFrom: 1)
            let notifier = try await world.notifier(way, outbox)
            await #expect(throws: PlatformError.self) { try await notifier.notify(Self.notification) }
            #expect(slack.messages.count == 1)
            // The process is gone; the disk says "sending".
            let next = try await world.restart(way)
            let receipt = try await next.notify(Self.notification)
            #expect(receipt.state == .failed)
            #expect(receipt.detail.contains("the platform stopped while it was being sent"))
            world.time.pass(.seconds(100_000))
            await next.deliverDue()
            #expect(slack.messages.count == 1)
        }
    }

    @Test("A kill before anything was stored sends nothing; the next call does", arguments: Way.allCases)
    func killedBefore(way: Way) async throws {
        try await withNotifier(way) { _, slack, world in
            let outbox = FailingOutbox(try FileOutbox(folder: world.folder.path), failsFrom: 0)
            let notifier = try await world.notifier(way, outbox)
            await #expect(throws: PlatformError.self) { try await notifier.notify(Self.notification) }
            #expect(slack.requests == 0)
            let receipt = try await world.restart(way).notify(Self.notification)
            #expect(receipt.state == .accepted || receipt.state == .delivered)
            #expect(slack.messages.count == 1)
        }
    }

    @Test("A disk that is full when the answer comes: the result is kept, stored later, and nothing is sent twice", arguments: Way.allCases)
    func fullDisk(way: Way) async throws {
        try await withNotifier(way) { _, slack, world in
            let outbox = FailingOutbox(try FileOutbox(folder: world.folder.path), failsFrom: 1)
            let notifier = try await world.notifier(way, outbox)
            let error = await #expect(throws: PlatformError.self) { try await notifier.notify(Self.notification) }
            #expect(error?.code == .exhausted)
            #expect(try await notifier.receipt(key: Self.notification.key)?.state != .pending)
            outbox.heal()
            let receipt = try await notifier.notify(Self.notification)
            #expect(receipt.state == .accepted || receipt.state == .delivered)
            #expect(try await world.restart(way).receipt(key: Self.notification.key) == receipt)
            #expect(slack.messages.count == 1)
        }
    }

    static let notification = Notification(
        key: "run-1/promoted", title: "version 4 of 'tumor' is in service", lines: ["auc 0.99"]
    )

    private func withNotifier(
        _ way: Way,
        limit: Duration = SlackLimits.attempt,
        _ body: (SlackNotifier, FakeSlack, World) async throws -> Void
    ) async throws {
        let slack = FakeSlack()
        try await slack.run { url in
            try await withScratchFolder { folder in
                let world = World(folder: folder, url: url, limit: limit)
                try await body(try await world.restart(way), slack, world)
            }
        }
    }

    /// What outlives a process: the folder, the time, Slack.
    struct World {
        let folder: URL
        let url: String
        var time = TestTime()
        var limit = SlackLimits.attempt

        func restart(_ way: Way) async throws -> SlackNotifier {
            try await notifier(way, try FileOutbox(folder: folder.path))
        }

        func notifier(_ way: Way, _ outbox: any OutboxStore) async throws -> SlackNotifier {
            try await SlackNotifier.open(
                outbox: outbox, settings: try way.settings(url), wallClock: time.clock, logger: silent, limit: limit
            )
        }
    }
}

private let silent = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

/// An outbox whose disk is full from one save on.
private final class FailingOutbox: OutboxStore {
    private let outbox: FileOutbox
    private let state: Mutex<(saves: Int, failsFrom: Int)>

    init(_ outbox: FileOutbox, failsFrom: Int) {
        self.outbox = outbox
        self.state = Mutex((0, failsFrom))
    }

    func heal() { state.withLock { $0.failsFrom = .max } }

    func save(_ entry: OutboxEntry) async throws {
        let fails = state.withLock { state in
            defer { state.saves += 1 }
            return state.saves >= state.failsFrom
        }
        if fails { throw PlatformError(.exhausted, "the disk is full") }
        try await outbox.save(entry)
    }

    func entry(key: String) async throws -> OutboxEntry? { try await outbox.entry(key: key) }
    func unfinished() async throws -> [OutboxEntry] { try await outbox.unfinished() }
    func fileName(key: String) -> String { outbox.fileName(key: key) }
}

/// Collects what is logged.
private final class Lines: LogHandler, Sendable {
    private let lines = Mutex<[String]>([])

    var text: String { lines.withLock { $0.joined(separator: "\n") } }
    var metadata: Logger.Metadata { get { [:] } set {} }
    var logLevel: Logger.Level { get { .trace } set {} }
    subscript(metadataKey _: String) -> Logger.Metadata.Value? { get { nil } set {} }

    func log(event: LogEvent) {
        lines.withLock { $0.append("\(event)") }
    }
}
