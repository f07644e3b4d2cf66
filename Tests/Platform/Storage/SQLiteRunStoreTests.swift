import Foundation
import SlipwayCore
import SlipwayPipeline
import SlipwayTesting
import Testing

@testable import SlipwayStorage

@Suite("Run store on SQLite")
struct SQLiteRunStoreTests {
    @Test("What was saved is there after the file is opened again, every field of it")
    func survives() async throws {
        try await withScratchFolder { folder in
            let file = folder.appending(path: "runs.db").path
            var run = try record("r1", created: 5)
            run.state = .running
            run.steps[0].details = ["a \"quoted\" line", "two"]
            run.candidate = try ModelVersion(4)
            run.releaseCommit = try CommitID(String(repeating: "a", count: 40))
            run.conditions = [.registered, .ready]
            run.promotion = PromotionSource(
                environment: try EnvironmentName("dev"),
                version: try ModelVersion(2)
            )
            try await SQLiteRunStore(file: file).save(run)
            let reopened = try SQLiteRunStore(file: file)
            #expect(try await reopened.run(run.id) == run)
            #expect(try await reopened.run(RunID("none")) == nil)
        }
    }

    @Test("Runs come newest first up to the limit; unfinished ones oldest first, pending-notify included")
    func orders() async throws {
        try await withScratchFolder { folder in
            let store = try SQLiteRunStore(file: folder.appending(path: "runs.db").path)
            let states: [RunState] = [.running, .succeeded, .pendingNotify, .queued, .rolledBack]
            for (index, state) in states.enumerated() {
                var run = try record("r\(index)", created: Int64(index))
                try await store.save(run)
                run.state = state
                try await store.save(run)
            }
            #expect(try await store.runs(limit: 2).map(\.id.text) == ["r4", "r3"])
            #expect(try await store.unfinished().map(\.id.text) == ["r0", "r2", "r3"])
        }
    }

    @Test("A file that is no database is corrupt, not a crash")
    func damaged() async throws {
        try await withScratchFolder { folder in
            let file = folder.appending(path: "runs.db")
            try Data(repeating: 7, count: 8_192).write(to: file)
            let error = #expect(throws: PlatformError.self) { try SQLiteRunStore(file: file.path) }
            #expect(error?.code == .corrupt)
            let missing = #expect(throws: PlatformError.self) {
                try SQLiteRunStore(file: folder.appending(path: "no/such/runs.db").path)
            }
            #expect(missing?.code == .unavailable)
        }
    }

    @Test("A save commits with a full sync in write-ahead mode")
    func durability() async throws {
        try await withScratchFolder { folder in
            let store = try SQLiteRunStore(file: folder.appending(path: "runs.db").path)
            #expect(try await store.pragma("journal_mode") == "wal")
            #expect(try await store.pragma("synchronous") == "2")
        }
    }

    private func record(_ id: String, created: Int64) throws -> RunRecord {
        RunRecord(
            id: try RunID(id),
            model: try ModelName("tumor"),
            project: "/projects/tumor",
            projectCommit: nil,
            parameters: ["depth": "3"],
            created: Timestamp(milliseconds: created),
            steps: [StepRecord(name: .train), StepRecord(name: .shift, part: "10")]
        )
    }
}
