import Foundation
import GRDB
import SlipwayCore
import SlipwayTesting
import SlipwayTracking
@testable import SlipwayTrackingSQLite
import Testing

@Suite("Search plans")
struct SearchPlanTests {
    /// The statements that a connection ran.
    private final class Statements: @unchecked Sendable {
        private let lock = NSLock()
        private var texts: [String] = []

        func add(_ text: String) { lock.withLock { texts.append(text) } }
        func take() -> [String] {
            lock.withLock {
                defer { texts = [] }
                return texts
            }
        }
    }

    /// Runs `search`, which finds one thing, and expects that SQLite reads no table from end to end for it.
    private func expectNoScan(
        _ name: String,
        in store: SQLiteTrackingStore,
        sourceLocation: SourceLocation = #_sourceLocation,
        _ search: () async throws -> Int
    ) async throws {
        let statements = Statements()
        // The pool hands its first idle connection out again, so this is the one that searches.
        try await store.database.read { db in
            db.trace(options: .statement) { event in
                if case .statement(let statement) = event { statements.add(statement.expandedSQL) }
            }
        }
        let found = try await search()
        #expect(found == 1, "\(name)", sourceLocation: sourceLocation)
        let selects = statements.take().filter { $0.hasPrefix("SELECT") }
        #expect(!selects.isEmpty, "\(name): no statement was seen", sourceLocation: sourceLocation)
        try await store.database.read { db in
            db.trace(nil)
            for select in selects {
                let steps = try Row.fetchAll(db, sql: "EXPLAIN QUERY PLAN \(select)").map { $0["detail"] as String }
                // Neither a list of arguments nor the rows that a query has picked is a table.
                let scans = steps.filter { $0.hasPrefix("SCAN") && !["CONSTANT ROW", "json_each", "(subquery"].contains(where: $0.contains) }
                #expect(scans.isEmpty, "\(name): \(scans) in \(select)", sourceLocation: sourceLocation)
                #expect(steps.contains { $0.contains("USING") }, "\(name): \(steps)", sourceLocation: sourceLocation)
            }
        }
    }

    private func search(_ filter: String = "", order: [String] = []) throws -> Search {
        Search(filter: try FilterParser.filter(filter), order: try order.map { try FilterParser.sortTerm($0) }, limit: 10)
    }

    @Test("The common searches use indexes, and none scans a table", arguments: [StoreLimits.candidatesSorted, 0])
    func plans(candidatesSorted: Int) async throws {
        try await withStore(candidatesSorted: candidatesSorted) { store in
            let run = try await store.createRun(experiment: "0", name: "r", user: "u", started: nil, tags: ["t": "x"])
            let metric = Metric(key: "auc", value: 0.9, timestamp: Timestamp(milliseconds: 1), step: 0)
            try await store.log(runID: run.id, metrics: [metric], parameters: ["depth": "3"], tags: [:])
            _ = try await store.createLoggedModel(experiment: "0", name: "m", sourceRunID: run.id, modelType: nil, tags: [:], parameters: [:])
            _ = try await store.createRegisteredModel(name: "tumor", description: "", tags: [:])
            _ = try await store.createModelVersion(draft("tumor", source: "s3://x", runID: run.id))

            for (filter, order) in [
                ("", []), ("metrics.auc > 0.5", []), ("params.depth = '3'", []), ("tags.t = 'x'", []), ("status = 'RUNNING'", []),
                ("run_id = '\(run.id)'", []), ("metrics.auc > 0.5 AND params.depth = '3'", ["metrics.auc DESC"]), ("", ["params.depth"]),
                ("tags.t IS NOT NULL", ["start_time DESC"]),
            ] as [(String, [String])] {
                let wanted = try search(filter, order: order)
                try await expectNoScan("runs '\(filter)'", in: store) {
                    try await store.searchRuns(experiments: ["0", "5"], wanted).items.count
                }
            }
            let (all, named, byRun, byModel) = (
                try search(), try search("name = 'tumor'"), try search("run_id = '\(run.id)'"), try search("name = 'm'")
            )
            try await expectNoScan("models of an experiment", in: store) {
                try await store.searchLoggedModels(experiments: ["0"], all).items.count
            }
            try await expectNoScan("models of an experiment by name", in: store) {
                try await store.searchLoggedModels(experiments: ["0"], byModel).items.count
            }
            try await expectNoScan("registered model by name", in: store) {
                try await store.searchRegisteredModels(named).items.count
            }
            try await expectNoScan("versions of a model", in: store) {
                try await store.searchModelVersions(named).items.count
            }
            try await expectNoScan("versions of a run", in: store) {
                try await store.searchModelVersions(byRun).items.count
            }
            try await expectNoScan("metric history", in: store) {
                try await store.metricHistory(runID: run.id, key: "auc", limit: 10, after: nil).items.count
            }
        }
    }
}

/// Runs `body` with an empty store of its own.
func withStore(candidatesSorted: Int = StoreLimits.candidatesSorted, _ body: (SQLiteTrackingStore) async throws -> Void) async throws {
    try await withScratchFolder { folder in
        let path = folder.appending(path: "tracking.db").path
        try await body(try SQLiteTrackingStore(path: path, candidatesSorted: candidatesSorted))
    }
}

func draft(_ name: String, source: String, runID: String = "", modelID: String? = nil) -> ModelVersionDraft {
    ModelVersionDraft(name: name, source: source, runID: runID, runLink: "", description: "", tags: [:], modelID: modelID)
}
