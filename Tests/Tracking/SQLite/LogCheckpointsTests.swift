import Foundation
import GRDB
import SlipwayCore
import SlipwayTesting
import SlipwayTracking
@testable import SlipwayTrackingSQLite
import Testing

@Suite("The write-ahead log")
struct LogCheckpointsTests {
    private static let pageBytes = 4096
    private static let pagesMax = 50

    @Test("It is brought into the database beside the writes: it stays small, and nothing is lost")
    func bounded() async throws {
        try await withScratchFolder { folder in
            let path = folder.appending(path: "tracking.db").path
            let writes = 1_500
            do {
                let store = try SQLiteTrackingStore(path: path, candidatesSorted: StoreLimits.candidatesSorted, checkpointPages: Self.pagesMax)
                let run = try await store.createRun(experiment: "0", name: nil, user: "", started: nil, tags: [:])
                for step in 0..<writes {
                    let metric = Metric(key: "m", value: Double(step), timestamp: Timestamp(milliseconds: Int64(step)), step: Int64(step), modelID: nil)
                    try await store.log(runID: run.id, metrics: [metric], parameters: [:], tags: [:])
                }
                let log = try FileManager.default.attributesOfItem(atPath: "\(path)-wal")[.size] as? Int
                // Each write adds at least one page; the other connection may be late by many of them on a busy machine.
                #expect(try #require(log) < writes * Self.pageBytes / 2)
                let pages = try await store.database.write { try Int.fetchOne($0, sql: "SELECT log_pages()") }
                #expect(try #require(pages) < writes / 2)
                #expect(try await store.metricHistory(runID: run.id, key: "m", limit: 10_000, after: nil).items.count == writes)
            }
            let again = try SQLiteTrackingStore(path: path)
            let verdict = try await again.database.read { try String.fetchOne($0, sql: "PRAGMA integrity_check") }
            #expect(verdict == "ok")
        }
    }

    @Test("Without it the log would only grow: no connection checkpoints by itself")
    func noneByItself() async throws {
        try await withScratchFolder { folder in
            let store = try SQLiteTrackingStore(path: folder.appending(path: "tracking.db").path)
            for database in [try await store.database.read(Self.automatic), try await store.database.write(Self.automatic)] {
                #expect(database == 0)
            }
        }
    }

    @Sendable private static func automatic(_ db: Database) throws -> Int? {
        try Int.fetchOne(db, sql: "PRAGMA wal_autocheckpoint")
    }
}
