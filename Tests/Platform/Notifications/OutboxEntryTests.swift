import SlipwayCore
import SlipwayPipeline
import Testing

@Suite("Outbox entry")
struct OutboxEntryTests {
    private let start = Timestamp(milliseconds: 1_000_000)

    @Test("Pauses double from a second to five minutes; after the last attempt it fails and says so")
    func backoff() {
        var entry = entry()
        var now = start
        var pauses: [Int64] = []
        for _ in 1..<OutboxLimits.attemptsMax {
            #expect(entry.isDue(now))
            entry.begin()
            entry.settle(.retry(reason: "slack answered 503", after: nil), now: now)
            #expect(!entry.isDue(now))
            pauses.append(entry.nextAttempt.since(now).milliseconds / 1_000)
            now = entry.nextAttempt
        }
        #expect(pauses.prefix(10) == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300])
        #expect(pauses.dropFirst(10).allSatisfy { $0 == 300 })
        // Longer than the hour that a run waits by default.
        #expect(now.since(start) > .seconds(3600))
        entry.begin()
        entry.settle(.retry(reason: "slack answered 503", after: nil), now: now)
        #expect(entry.receipt == DeliveryReceipt(state: .failed, channel: "", detail: "slack answered 503; given up after 22 attempts", attempts: 22))
    }

    @Test("Retry-After is honoured, never shortened below the pause, and bounded")
    func retryAfter() {
        for (asked, seconds) in [(30, 30), (0, 1), (86_400, 3_600)] as [(Int, Int64)] {
            var entry = entry()
            entry.begin()
            entry.settle(.retry(reason: "slack answered 429", after: .seconds(asked)), now: start)
            #expect(entry.nextAttempt.since(start).milliseconds == seconds * 1_000)
        }
    }

    @Test("What may have gone out fails, says that it may have, and is never due again")
    func unknown() {
        var entry = entry()
        entry.begin()
        entry.settle(.unknown(reason: "slack did not answer in time"), now: start)
        #expect(entry.receipt.state == .failed)
        #expect(entry.receipt.detail == "slack did not answer in time; it may have gone out, so it is not sent again")
        #expect(!entry.isDue(Timestamp(milliseconds: .max)))
    }

    @Test("A stop while it was being sent is in doubt; any other state is left as it is")
    func recover() {
        var sending = entry()
        sending.begin()
        sending.recover(now: start)
        #expect(sending.state == .failed && sending.receipt.detail.contains("the platform stopped"))
        var waiting = entry()
        waiting.recover(now: start)
        #expect(waiting.state == .waiting && waiting.isDue(start))
    }

    @Test("Receipts: delivered has the message id, accepted none, waiting and sending are pending")
    func receipts() {
        var entry = entry()
        #expect(entry.receipt.state == .pending && entry.receipt.attempts == 0)
        entry.begin()
        #expect(entry.receipt.state == .pending && entry.receipt.attempts == 1)
        var delivered = entry
        delivered.settle(.delivered(channel: "slack:C/1.2", messageID: "1.2"), now: start)
        #expect(delivered.receipt == DeliveryReceipt(state: .delivered, channel: "slack:C/1.2", detail: "1.2", attempts: 1))
        entry.settle(.accepted(channel: "slack-webhook"), now: start)
        #expect(entry.receipt == DeliveryReceipt(state: .accepted, channel: "slack-webhook", detail: "accepted", attempts: 1))
    }

    private func entry() -> OutboxEntry {
        OutboxEntry(Notification(key: "run-1/promoted", title: "t", lines: []), now: start)
    }
}
