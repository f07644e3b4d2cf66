import Foundation
import SlipwayCore
import SlipwayPipeline
import SlipwayTesting
import Testing

@testable import SlipwayStorage

@Suite("Run store in files", .timeLimit(.minutes(1)))
struct FileRunStoreTests {
    @Test("What was saved another store of the folder reads; a run that never was is nil")
    func survives() async throws {
        try await withScratchFolder { folder in
            var run = try record("r1", created: 5)
            run.state = .running
            run.candidate = try ModelVersion(4)
            run.championWindow = ObservedVariant(requests: 9, errors: 1, nonFinite: 0, latency: .milliseconds(3), predictions: ["1": 9])
            try await FileRunStore(folder: folder.path).save(run)
            let found = try await FileRunStore(folder: folder.path).run(run.id)
            #expect(found == run)
            let none = try await FileRunStore(folder: folder.path).run(RunID("none"))
            #expect(none == nil)
        }
    }

    @Test("Runs come newest first, unfinished ones oldest first; other folders are no runs")
    func orders() async throws {
        try await withScratchFolder { folder in
            let store = FileRunStore(folder: folder.path)
            for (index, state) in [RunState.running, .succeeded, .queued].enumerated() {
                var run = try record("r\(index)", created: Int64(index))
                run.state = state
                try await store.save(run)
            }
            try FileManager.default.createDirectory(at: folder.appending(path: "other"), withIntermediateDirectories: true)
            let newest = try await store.runs(limit: 2).map(\.id.text)
            #expect(newest == ["r2", "r1"])
            let open = try await store.unfinished().map(\.id.text)
            #expect(open == ["r0", "r2"])
        }
    }

    @Test("A damaged record is corrupt, and the error names the run")
    func damaged() async throws {
        try await withScratchFolder { folder in
            let store = FileRunStore(folder: folder.path)
            try await store.save(try record("r1", created: 1))
            try Data("{".utf8).write(to: folder.appending(path: "r1/run.json"))
            let error = await #expect(throws: PlatformError.self) { _ = try await store.run(RunID("r1")) }
            #expect(error?.code == .corrupt)
            #expect(error?.message.contains("'r1'") == true)
        }
    }

    @Test("A lock has one holder at a time, and is free when that one is gone")
    func locks() async throws {
        try await withScratchFolder { folder in
            let path = folder.appending(path: "r1.lock").path
            var first: FileLock? = try await FileLock.acquire(path, for: "run 'r1'", limit: .zero)
            #expect(first != nil)
            let error = await #expect(throws: PlatformError.self) {
                _ = try await FileLock.acquire(path, for: "run 'r1'", limit: .milliseconds(400))
            }
            #expect(error?.code == .unavailable)
            first = nil
            let second = try await FileLock.acquire(path, for: "run 'r1'", limit: .seconds(10))
            withExtendedLifetime(second) {}
        }
    }

    private func record(_ id: String, created: Int64) throws -> RunRecord {
        RunRecord(
            id: try RunID(id),
            model: try ModelName("tumor"),
            project: "/project",
            projectCommit: nil,
            parameters: [:],
            created: Timestamp(milliseconds: created),
            steps: [StepRecord(name: .train)]
        )
    }
}
