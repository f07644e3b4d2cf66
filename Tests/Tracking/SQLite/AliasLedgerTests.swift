import Foundation
import GRDB
import SlipwayCore
import SlipwayTesting
import SlipwayTracking
import Synchronization
import Testing

@testable import SlipwayTrackingSQLite

@Suite("Alias ledger")
struct AliasLedgerTests {
    @Test("Set, moved and removed are written down with who, why, by which commit and with which proof; newest first")
    func moves() async throws {
        try await withLedger { store, clock in
            let origin = ChangeOrigin(
                actor: .init(name: "alice", kind: .token), reason: "better auc",
                commit: try CommitID(String(repeating: "a", count: 40)), proof: Digest(of: "proof".utf8)
            )
            try await store.setAlias(name: "tumor", alias: "champion", version: "1")
            clock.set(2_000)
            try await ChangeOrigin.$current.withValue(origin) {
                try await store.setAlias(name: "tumor", alias: "champion", version: "2")
            }
            clock.set(3_000)
            try await store.deleteAlias(name: "tumor", alias: "champion")

            let history = try await store.aliasMoves(of: "tumor", alias: nil, limit: 10, before: nil)
            #expect(history.model == "tumor" && history.nextPageToken == nil)
            #expect(history.moves.map(\.sequence) == [3, 2, 1])
            #expect(history.moves.map(\.from) == [2, 1, nil])
            #expect(history.moves.map(\.to) == [nil, 2, 1])
            #expect(history.moves.map(\.time.milliseconds) == [3_000, 2_000, 1_000])
            #expect(history.moves.map(\.origin) == [ChangeOrigin(), origin, ChangeOrigin()])
            #expect(history.moves.allSatisfy { $0.model == "tumor" && $0.alias == "champion" })
        }
    }

    @Test("What changes nothing leaves no trace: the same version again, an alias that is not there, a refused move")
    func noMoves() async throws {
        try await withLedger { store, _ in
            for _ in 0..<3 { try await store.setAlias(name: "tumor", alias: "A", version: "1") }
            try await store.deleteAlias(name: "tumor", alias: "B")
            await #expect(throws: PlatformError.self) { try await store.setAlias(name: "tumor", alias: "A", version: "9") }
            await #expect(throws: PlatformError.self) { try await store.setAlias(name: "churn", alias: "A", version: "1") }
            let moves = try await store.aliasMoves(of: "tumor", alias: nil, limit: 10, before: nil).moves
            #expect(moves.map(\.to) == [1])
        }
    }

    @Test("A deleted version takes its aliases along, and the ledger says so")
    func deletedVersion() async throws {
        try await withLedger { store, _ in
            for (alias, version) in [("A", "1"), ("B", "2"), ("champion", "2")] {
                try await store.setAlias(name: "tumor", alias: alias, version: version)
            }
            try await ChangeOrigin.$current.withValue(ChangeOrigin(reason: "leaked data")) {
                try await store.deleteModelVersion(name: "tumor", version: "2")
            }
            #expect(try await store.registeredModel(name: "tumor").aliases == ["A": 1])
            let gone = try await store.aliasMoves(of: "tumor", alias: nil, limit: 2, before: nil).moves
            #expect(gone.map(\.alias) == ["champion", "B"])
            #expect(gone.allSatisfy { $0.from == 2 && $0.to == nil && $0.origin.reason == "version 2 deleted: leaked data" })
        }
    }

    @Test("A deleted model's history stays, and goes on when a model of that name is made again")
    func deletedModel() async throws {
        try await withLedger { store, clock in
            try await store.setAlias(name: "tumor", alias: "A", version: "2")
            clock.set(2_000)
            try await store.deleteRegisteredModel(name: "tumor")
            let after = try await store.aliasMoves(of: "tumor", alias: nil, limit: 10, before: nil).moves
            #expect(after.map(\.to) == [nil, 2] && after[0].origin.reason == "model deleted")

            clock.set(3_000)
            try await makeModel(store, "tumor", versions: 1)
            try await store.setAlias(name: "tumor", alias: "A", version: "1")
            let again = try await store.aliasMoves(of: "tumor", alias: nil, limit: 10, before: nil).moves
            #expect(again.map(\.from) == [nil, 2, nil] && again.map(\.to) == [1, nil, 2])
            for (time, version) in [(1_500, 2), (2_500, nil), (3_500, 1)] as [(Int64, Int64?)] {
                #expect(try await pointed(store, "tumor", "A", at: time) == version, "at \(time)")
            }
        }
    }

    @Test("A renamed model's aliases leave the old name and come under the new one")
    func renamed() async throws {
        try await withLedger { store, clock in
            try await store.setAlias(name: "tumor", alias: "A", version: "1")
            clock.set(2_000)
            _ = try await store.renameRegisteredModel(name: "tumor", to: "lesion")
            clock.set(3_000)
            try await store.setAlias(name: "lesion", alias: "A", version: "2")
            let old = try await store.aliasMoves(of: "tumor", alias: nil, limit: 10, before: nil).moves
            #expect(old.map(\.to) == [nil, 1] && old[0].origin.reason == "renamed to 'lesion'")
            let new = try await store.aliasMoves(of: "lesion", alias: nil, limit: 10, before: nil).moves
            #expect(new.map(\.from) == [1, nil] && new.map(\.to) == [2, 1] && new[1].origin.reason == "renamed from 'tumor'")
            #expect(try await pointed(store, "tumor", "A", at: 1_500) == 1)
            #expect(try await pointed(store, "tumor", "A", at: 2_500) == nil)
            #expect(try await pointed(store, "lesion", "A", at: 1_500) == nil)
            #expect(try await pointed(store, "lesion", "A", at: 2_500) == 1)
        }
    }

    @Test("A move that is not written down does not happen either")
    func oneTransaction() async throws {
        try await withLedger { store, _ in
            try await store.setAlias(name: "tumor", alias: "A", version: "1")
            try await store.database.write { db in
                try db.execute(sql: "CREATE TRIGGER full BEFORE INSERT ON aliasMove BEGIN SELECT RAISE(ABORT, 'no room'); END")
            }
            await #expect(throws: PlatformError.self) { try await store.setAlias(name: "tumor", alias: "A", version: "2") }
            await #expect(throws: PlatformError.self) { try await store.deleteAlias(name: "tumor", alias: "A") }
            await #expect(throws: PlatformError.self) { try await store.deleteModelVersion(name: "tumor", version: "1") }
            await #expect(throws: PlatformError.self) { try await store.deleteRegisteredModel(name: "tumor") }
            await #expect(throws: PlatformError.self) { try await store.renameRegisteredModel(name: "tumor", to: "lesion") }
            #expect(try await store.registeredModel(name: "tumor").aliases == ["A": 1])
            #expect(try await store.modelVersion(name: "tumor", version: "1").aliases == ["A"])
        }
    }

    @Test("No statement changes, replaces or removes what is written", arguments: [
        "UPDATE aliasMove SET toVersion = 7", "UPDATE aliasMove SET reason = 'x' WHERE sequence = 1", "DELETE FROM aliasMove",
        "DELETE FROM aliasMove WHERE sequence = 1",
        """
        INSERT OR REPLACE INTO aliasMove (sequence, model, alias, toVersion, time, actor, actorKind, reason)
        VALUES (1, 'tumor', 'A', 7, 0, 'x', 'claimed', '')
        """,
        "UPDATE OR REPLACE aliasMove SET sequence = 2 WHERE sequence = 1", "UPDATE aliasLedger SET began = 0", "DELETE FROM aliasLedger",
        "INSERT OR REPLACE INTO aliasLedger (id, began) VALUES (1, 0)",
    ])
    func appendOnly(statement: String) async throws {
        try await withLedger { store, _ in
            try await store.setAlias(name: "tumor", alias: "A", version: "1")
            let before = try await store.aliasMoves(of: "tumor", alias: nil, limit: 10, before: nil)
            let error = await #expect(throws: DatabaseError.self) { try await store.database.write { try $0.execute(sql: statement) } }
            #expect(error?.message == "the alias ledger is append-only")
            #expect(try await store.aliasMoves(of: "tumor", alias: nil, limit: 10, before: nil) == before)
        }
    }

    @Test("Pages of a history come out whole and once, whatever is written meanwhile")
    func pages() async throws {
        try await withLedger { store, _ in
            for number in 0..<10 { try await store.setAlias(name: "tumor", alias: "A", version: number % 2 == 0 ? "1" : "2") }
            var seen: [Int64] = []
            var token: Int64?
            for _ in 0..<4 {
                let page = try await store.aliasMoves(of: "tumor", alias: "A", limit: 3, before: token)
                seen += page.moves.map(\.sequence)
                token = page.nextPageToken.flatMap { Int64($0) }
                // Another alias, and this one again: neither disturbs the pages that follow.
                try await store.setAlias(name: "tumor", alias: "B", version: seen.count % 2 == 0 ? "1" : "2")
                try await store.setAlias(name: "tumor", alias: "A", version: seen.count % 2 == 0 ? "2" : "1")
            }
            #expect(seen == Array((1...10).reversed()))
            #expect(token == nil)
        }
    }

    @Test("As of a time, each alias points where its last move until then put it; the moment of a move counts")
    func asOf() async throws {
        try await withLedger { store, clock in
            try await store.setAlias(name: "tumor", alias: "A", version: "1")
            clock.set(2_000)
            try await store.setAlias(name: "tumor", alias: "B", version: "2")
            clock.set(3_000)
            try await store.setAlias(name: "tumor", alias: "A", version: "2")
            try await store.deleteAlias(name: "tumor", alias: "B")
            for (time, expected) in [
                (0, [:]), (999, [:]), (1_000, ["A": 1]), (1_999, ["A": 1]), (2_000, ["A": 1, "B": 2]), (2_999, ["A": 1, "B": 2]),
                (3_000, ["A": 2]), (.max, ["A": 2]),
            ] as [(Int64, [String: Int64])] {
                let snapshot = try await store.aliases(of: "tumor", alias: nil, asOf: Timestamp(milliseconds: time), limit: 10, after: nil)
                #expect(Dictionary(snapshot.aliases.map { ($0.alias, $0.to ?? 0) }, uniquingKeysWith: { $1 }) == expected, "at \(time)")
            }
            let moment = Timestamp(milliseconds: 2_500)
            let first = try await store.aliases(of: "tumor", alias: nil, asOf: moment, limit: 1, after: nil)
            #expect(first.aliases.map(\.alias) == ["A"] && first.nextPageToken == "A")
            let second = try await store.aliases(of: "tumor", alias: nil, asOf: moment, limit: 1, after: "A")
            #expect(second.aliases.map(\.alias) == ["B"] && second.nextPageToken == nil)
            let one = try await store.aliases(of: "tumor", alias: "B", asOf: moment, limit: 5, after: nil)
            #expect(one.aliases.map(\.to) == [2])
        }
    }

    @Test("A clock that was set back hides no move: the last one counts")
    func clockSetBack() async throws {
        try await withLedger { store, clock in
            clock.set(5_000)
            try await store.setAlias(name: "tumor", alias: "A", version: "1")
            clock.set(4_000)
            try await store.setAlias(name: "tumor", alias: "A", version: "2")
            #expect(try await pointed(store, "tumor", "A", at: 6_000) == 2)
            #expect(try await pointed(store, "tumor", "A", at: 4_500) == 2)
        }
    }

    @Test("A model that never was is not found; one without moves has an empty history")
    func unknown() async throws {
        try await withLedger { store, _ in
            let none = try await store.aliasMoves(of: "tumor", alias: nil, limit: 1, before: nil).moves
            #expect(none == [])
            let moves = await #expect(throws: PlatformError.self) { try await store.aliasMoves(of: "churn", alias: nil, limit: 1, before: nil) }
            let snapshot = await #expect(throws: PlatformError.self) {
                try await store.aliases(of: "churn", alias: nil, asOf: Timestamp(milliseconds: 0), limit: 1, after: nil)
            }
            #expect(moves?.code == .notFound && snapshot?.code == .notFound)
            #expect(moves?.message.contains("'churn'") == true)
        }
    }

    @Test("A protected alias moves for nobody but the reconciler, neither by itself nor along with something else")
    func protected() async throws {
        let rules = ProtectedAliases(names: ["champion"], releaseFolder: "envs/dev/models")
        try await withLedger(protected: rules) { store, _ in
            try await ChangeOrigin.$current.withValue(ChangeOrigin(actor: .reconciler)) {
                try await store.setAlias(name: "tumor", alias: "champion", version: "1")
            }
            let before = try await store.aliasMoves(of: "tumor", alias: nil, limit: 10, before: nil)
            for actor in [
                ChangeOrigin.Actor.anonymous, .init(name: "reconciler", kind: .claimed), .init(name: "reconciler", kind: .token), .server,
            ] {
                await ChangeOrigin.$current.withValue(ChangeOrigin(actor: actor)) {
                    for refused in [
                        await #expect(throws: PlatformError.self) { try await store.setAlias(name: "tumor", alias: "champion", version: "2") },
                        await #expect(throws: PlatformError.self) { try await store.setAlias(name: "tumor", alias: "champion", version: "1") },
                        await #expect(throws: PlatformError.self) { try await store.deleteAlias(name: "tumor", alias: "champion") },
                        await #expect(throws: PlatformError.self) { try await store.deleteModelVersion(name: "tumor", version: "1") },
                        await #expect(throws: PlatformError.self) { try await store.deleteRegisteredModel(name: "tumor") },
                        await #expect(throws: PlatformError.self) { try await store.renameRegisteredModel(name: "tumor", to: "lesion") },
                    ] {
                        #expect(refused?.code == .permissionDenied)
                        #expect(refused?.message.contains("'envs/dev/models/tumor.yaml'") == true)
                        #expect(refused?.message.contains("'champion'") == true)
                    }
                }
            }
            #expect(try await store.aliasMoves(of: "tumor", alias: nil, limit: 10, before: nil) == before)
            // What is not protected goes on as ever.
            try await store.setAlias(name: "tumor", alias: "mine", version: "2")
            try await store.deleteModelVersion(name: "tumor", version: "2")
            try await ChangeOrigin.$current.withValue(ChangeOrigin(actor: .reconciler)) {
                try await store.deleteAlias(name: "tumor", alias: "champion")
            }
            let left = try await store.registeredModel(name: "tumor").aliases
            #expect(left == [:])
        }
    }

    @Test("A database from before the ledger keeps what it has, and the ledger begins with the aliases as found")
    func upgrade() async throws {
        try await withScratchFolder { folder in
            let path = folder.appending(path: "tracking.db").path
            do {
                let queue = try DatabaseQueue(path: path)
                try TrackingSchema.migrator.migrate(queue, upTo: "3 registry")
                try await queue.write { db in
                    let isThere = try db.tableExists("aliasMove")
                    #expect(!isThere)
                    try db.execute(sql: """
                        INSERT INTO registeredModel (id, name, description, created, updated) VALUES (5, 'tumor', 'kept', 1, 2), (6, 'churn', '', 1, 2);
                        INSERT INTO modelVersion (model, version, created, updated, description, user, stage, source, storageLocation, runID, runLink, status)
                          VALUES (5, 1, 1, 1, '', '', 'None', 's3://x', 's3://x', '', '', 'READY'), (5, 2, 1, 1, '', '', 'None', 's3://y', 's3://y', '', '', 'READY');
                        INSERT INTO alias (model, alias, version) VALUES (5, 'champion', 2), (5, 'A', 1);
                        """)
                }
                try queue.close()
            }
            let now = WallClock.system.now
            for _ in 0..<2 {
                let store = try SQLiteTrackingStore(path: path)
                let model = try await store.registeredModel(name: "tumor")
                #expect(model.description == "kept" && model.aliases == ["champion": 2, "A": 1])
                let history = try await store.aliasMoves(of: "tumor", alias: nil, limit: 10, before: nil)
                #expect(history.moves.map(\.alias) == ["champion", "A"])
                #expect(history.moves.map(\.to) == [2, 1] && history.moves.allSatisfy { $0.from == nil })
                #expect(history.moves.allSatisfy { $0.origin == ChangeOrigin(actor: .server, reason: "found at upgrade") })
                #expect(abs(history.recordedSince.milliseconds - now.milliseconds) < 600_000)
                #expect(history.moves.allSatisfy { $0.time == history.recordedSince })
                let none = try await store.aliasMoves(of: "churn", alias: nil, limit: 10, before: nil).moves
                #expect(none == [])
                try store.database.close()
            }
            let store = try SQLiteTrackingStore(path: path)
            try await store.setAlias(name: "tumor", alias: "A", version: "2")
            #expect(try await store.aliasMoves(of: "tumor", alias: "A", limit: 1, before: nil).moves.map(\.from) == [1])
        }
    }

    @Test("Moves of a hundred writers at once all stand in the ledger, each from where the one before had put it")
    func concurrent() async throws {
        try await withLedger { store, _ in
            try await withThrowingTaskGroup(of: Void.self) { group in
                for number in 0..<100 {
                    group.addTask { try await store.setAlias(name: "tumor", alias: "A", version: number % 2 == 0 ? "1" : "2") }
                }
                try await group.waitForAll()
            }
            let moves = try await store.aliasMoves(of: "tumor", alias: "A", limit: 1_000, before: nil).moves.reversed().map { $0 }
            #expect(moves.first?.from == nil)
            for (earlier, later) in zip(moves, moves.dropFirst()) { #expect(later.from == earlier.to && later.to != later.from) }
            #expect(try await store.registeredModel(name: "tumor").aliases["A"] == moves.last?.to)
        }
    }

    @Test("Neither a history nor a moment is found by reading the whole ledger", arguments: [nil, "A"])
    func plans(alias: String?) async throws {
        try await withLedger { store, _ in
            try await store.setAlias(name: "tumor", alias: "A", version: "1")
            let statements = Mutex<[String]>([])
            try await store.database.read { db in
                db.trace { event in
                    if case .statement(let statement) = event { statements.withLock { $0.append(statement.expandedSQL) } }
                }
            }
            _ = try await store.aliasMoves(of: "tumor", alias: alias, limit: 10, before: nil)
            _ = try await store.aliases(of: "tumor", alias: alias, asOf: Timestamp(milliseconds: .max), limit: 10, after: nil)
            let selects = statements.withLock { $0 }.filter { $0.contains("FROM aliasMove") }
            #expect(selects.count >= 4)
            try await store.database.read { db in
                db.trace(nil)
                for select in selects {
                    let steps = try Row.fetchAll(db, sql: "EXPLAIN QUERY PLAN \(select)").map { $0["detail"] as String }
                    #expect(!steps.contains { $0.hasPrefix("SCAN") && !$0.contains("CONSTANT ROW") }, "\(steps) in \(select)")
                }
            }
        }
    }

    // MARK: Fixtures

    private func pointed(_ store: SQLiteTrackingStore, _ model: String, _ alias: String, at time: Int64) async throws -> Int64? {
        try await store.aliases(of: model, alias: alias, asOf: Timestamp(milliseconds: time), limit: 10, after: nil).aliases.first?.to
    }

    private func makeModel(_ store: SQLiteTrackingStore, _ name: String, versions: Int) async throws {
        _ = try await store.createRegisteredModel(name: name, description: "", tags: [:])
        for _ in 0..<versions { _ = try await store.createModelVersion(draft(name, source: "s3://x")) }
    }

    /// A store with two versions of 'tumor', whose clock begins at 1 s.
    private func withLedger(
        protected: ProtectedAliases = .none,
        _ body: (SQLiteTrackingStore, SetClock) async throws -> Void
    ) async throws {
        try await withScratchFolder { folder in
            let clock = SetClock()
            let store = try SQLiteTrackingStore(
                path: folder.appending(path: "tracking.db").path, clock: WallClock { clock.now }, protected: { protected }
            )
            try await makeModel(store, "tumor", versions: 2)
            try await body(store, clock)
        }
    }
}

/// A clock that stands where a test put it.
private final class SetClock: Sendable {
    private let time = Mutex<Int64>(1_000)

    var now: Timestamp { Timestamp(milliseconds: time.withLock { $0 }) }
    func set(_ milliseconds: Int64) { time.withLock { $0 = milliseconds } }
}
