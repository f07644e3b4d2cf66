import Foundation
import SlipwayCore
import SlipwayPipeline
import SlipwayTesting
import Testing

@testable import SlipwayStorage

@Suite("Outbox on disk")
struct FileOutboxTests {
    @Test("An entry reads back in every state, also after a restart")
    func roundTrip() async throws {
        try await withScratchFolder { folder in
            var entry = entry("run-1/promoted")
            let outbox = try FileOutbox(folder: folder.path)
            #expect(try await outbox.entry(key: "run-1/promoted") == nil)
            try await outbox.save(entry)
            entry.begin()
            try await outbox.save(entry)
            #expect(try await FileOutbox(folder: folder.path).entry(key: "run-1/promoted") == entry)
            entry.settle(.delivered(channel: "slack:C1/17.1", messageID: "17.1"), now: Timestamp(milliseconds: 5))
            try await outbox.save(entry)
            #expect(try await FileOutbox(folder: folder.path).entry(key: "run-1/promoted") == entry)
        }
    }

    @Test("Unfinished are those that wait or were being sent, oldest first")
    func unfinished() async throws {
        try await withScratchFolder { folder in
            let outbox = try FileOutbox(folder: folder.path)
            var sending = entry("b", at: 1)
            sending.begin()
            var done = entry("c", at: 2)
            done.begin()
            done.settle(.accepted(channel: "slack-webhook"), now: Timestamp(milliseconds: 3))
            for entry in [entry("a", at: 9), done, sending] { try await outbox.save(entry) }
            #expect(try await outbox.unfinished().map(\.notification.key) == ["b", "a"])
        }
    }

    @Test("No two keys share a file, and no key leads out of the folder")
    func fileNames() async throws {
        try await withScratchFolder { folder in
            let outbox = try FileOutbox(folder: folder.path)
            let keys = ["a/b", "a_b", "../a", "..", "", "A/b", String(repeating: "x", count: 500), "é", "e\u{301}", "a\u{0}b"]
            let names = keys.map { outbox.fileName(key: $0) }
            #expect(Set(names).count == keys.count)
            for name in names { #expect(!name.contains("/") && !name.hasPrefix(".") && name.utf8.count < 200, "\(name)") }
            for key in keys { try await outbox.save(entry(key)) }
            #expect(try await outbox.unfinished().count == keys.count)
        }
    }

    @Test("The oldest finished ones make room; what has not gone out never does")
    func room() async throws {
        try await withScratchFolder { folder in
            let outbox = try FileOutbox(folder: folder.path, disk: POSIXDisk(), filesMax: 3)
            for number in 0..<3 {
                var entry = entry("k\(number)", at: Int64(number))
                entry.begin()
                if number < 2 { entry.settle(.refused(reason: "no"), now: Timestamp(milliseconds: 9)) }
                try await outbox.save(entry)
            }
            try await outbox.save(entry("k3", at: 3))
            #expect(try await outbox.entry(key: "k0") == nil)
            #expect(try await outbox.entry(key: "k1") != nil)
            try await outbox.save(entry("k4", at: 4))
            let error = await #expect(throws: PlatformError.self) { try await outbox.save(entry("k5", at: 5)) }
            #expect(error?.code == .exhausted)
            #expect(try await outbox.unfinished().map(\.notification.key) == ["k2", "k3", "k4"])
        }
    }

    @Test("At every file call, full disk or kill: the entry is the one before or the one after, whole", arguments: FaultyDisk.Fault.allCases)
    func everyFault(fault: FaultyDisk.Fault) async throws {
        for step in 0..<10 {
            try await withScratchFolder { folder in
                let before = entry("k")
                var after = before
                after.begin()
                try await FileOutbox(folder: folder.path).save(before)
                let disk = FaultyDisk(failAt: step, fault)
                var isSaved = false
                do {
                    try await FileOutbox(folder: folder.path, disk: disk).save(after)
                    isSaved = true
                } catch {
                    #expect(disk.hasFailed, "\(error)")
                }
                let found = try await FileOutbox(folder: folder.path).entry(key: "k")
                #expect(found == after || (found == before && !isSaved))
            }
        }
    }

    @Test("A damaged entry is corrupt and named")
    func damaged() async throws {
        try await withScratchFolder { folder in
            let outbox = try FileOutbox(folder: folder.path)
            try await outbox.save(entry("k"))
            let name = outbox.fileName(key: "k")
            try Data("{".utf8).write(to: folder.appending(path: name))
            let error = await #expect(throws: PlatformError.self) { try await outbox.entry(key: "k") }
            #expect(error?.code == .corrupt)
            #expect(error?.message.contains(name) == true)
        }
    }

    private func entry(_ key: String, at time: Int64 = 0) -> OutboxEntry {
        OutboxEntry(
            SlipwayPipeline.Notification(key: key, title: "version 4 of 'tumor' is in service", lines: ["auc 0.99"]),
            now: Timestamp(milliseconds: time)
        )
    }
}
