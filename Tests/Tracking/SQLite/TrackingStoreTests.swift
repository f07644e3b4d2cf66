import Foundation
import SlipwayCore
import SlipwayTesting
import SlipwayTracking
@testable import SlipwayTrackingSQLite
import Testing

@Suite("SQLite tracking store")
struct TrackingStoreTests {
    private func metric(_ value: Double, time: Int64, step: Int64, key: String = "m", model: String? = nil) -> Metric {
        Metric(key: key, value: value, timestamp: Timestamp(milliseconds: time), step: step, modelID: model)
    }

    private func newRun(_ store: SQLiteTrackingStore) async throws -> Run {
        try await store.createRun(experiment: "0", name: nil, user: "", started: nil, tags: [:])
    }

    @Test("A parameter never changes: the same value again is fine, another one refuses the whole batch")
    func parameters() async throws {
        try await withStore { store in
            let run = try await newRun(store)
            for _ in 0..<2 { try await store.log(runID: run.id, metrics: [], parameters: ["depth": "3"], tags: [:]) }
            let error = await #expect(throws: PlatformError.self) {
                try await store.log(runID: run.id, metrics: [metric(1, time: 1, step: 0)], parameters: ["depth": "4", "new": "1"], tags: ["t": "x"])
            }
            #expect(error?.code == .invalidArgument)
            #expect(error?.message.contains("{'key': 'depth', 'old_value': '3', 'new_value': ") == true)
            let after = try await store.run(id: run.id)
            #expect(after.parameters == ["depth": "3"])
            #expect(after.metrics.isEmpty && after.tags["t"] == nil)
        }
    }

    @Test("The latest metric is the one with the highest step, then the latest time, then the greatest value", arguments: [
        [(1.0, 100, 2), (9.0, 900, 1)], [(1.0, 100, 2), (9.0, 50, 2)], [(1.0, 100, 2), (0.5, 100, 2)], [(1.0, 100, 2), (.nan, 100, 2)],
        [(1.0, 100, 2), (5, 100, -3)],
    ] as [[(Double, Int64, Int64)]])
    func latest(values: [(Double, Int64, Int64)]) async throws {
        try await withStore { store in
            for order in [values, values.reversed()] {
                let run = try await newRun(store)
                for (value, time, step) in order {
                    try await store.log(runID: run.id, metrics: [metric(value, time: time, step: step)], parameters: [:], tags: [:])
                }
                #expect(try await store.run(id: run.id).metrics == [metric(1, time: 100, step: 2)])
                #expect(try await store.metricHistory(runID: run.id, key: "m", limit: 10, after: nil).items.count == 2)
            }
        }
    }

    @Test("NaN, the infinities and the ends of a double come back as they were", arguments: [
        Double.nan, .infinity, -.infinity, -0.0, .greatestFiniteMagnitude, .leastNonzeroMagnitude, 0.1,
    ])
    func values(value: Double) async throws {
        try await withStore { store in
            let run = try await newRun(store)
            try await store.log(runID: run.id, metrics: [metric(value, time: 1, step: 0)], parameters: [:], tags: [:])
            let latest = try #require(try await store.run(id: run.id).metrics.first?.value)
            let kept = try #require(try await store.metricHistory(runID: run.id, key: "m", limit: 1, after: nil).items.first?.value)
            for found in [latest, kept] { #expect(value.isNaN ? found.isNaN : found == value) }
        }
    }

    @Test("The number of a deleted version is never given out again")
    func deletedVersions() async throws {
        try await withStore { store in
            _ = try await store.createRegisteredModel(name: "tumor", description: "", tags: [:])
            for number in 1...3 {
                #expect(try await store.createModelVersion(draft("tumor", source: "s3://x")).version == Int64(number))
            }
            try await store.setAlias(name: "tumor", alias: "champion", version: "3")
            try await store.deleteModelVersion(name: "tumor", version: "3")
            #expect(try await store.createModelVersion(draft("tumor", source: "s3://x")).version == 4)
            let gone = await #expect(throws: PlatformError.self) { try await store.modelVersion(name: "tumor", version: "3") }
            #expect(gone?.code == .notFound)
            #expect(try await store.registeredModel(name: "tumor").aliases.isEmpty)
        }
    }

    @Test("A version by alias is as the last write left it, whatever that wrote")
    func aliasAfterWrites() async throws {
        try await withStore { store in
            _ = try await store.createRegisteredModel(name: "tumor", description: "", tags: [:])
            for _ in 1...2 { _ = try await store.createModelVersion(draft("tumor", source: "s3://x")) }
            func champion(of name: String = "tumor") async throws -> ModelVersionRecord {
                // Twice: what is kept is what is read.
                let first = try await store.modelVersion(name: name, alias: "champion")
                let second = try await store.modelVersion(name: name, alias: "champion")
                #expect(first == second)
                let byNumber = try await store.modelVersion(name: name, version: "\(first.version)")
                #expect(byNumber == first)
                return first
            }
            try await store.setAlias(name: "tumor", alias: "champion", version: "1")
            #expect(try await champion().version == 1)
            try await store.setAlias(name: "tumor", alias: "champion", version: "2")
            #expect(try await champion().version == 2)
            _ = try await store.updateModelVersion(name: "tumor", version: "2", description: "new")
            #expect(try await champion().description == "new")
            try await store.setModelVersionTag(name: "tumor", version: "2", key: "k", value: "v")
            #expect(try await champion().tags == ["k": "v"])
            try await store.setModelVersionTag(name: "tumor", version: "2", key: "k", value: nil)
            #expect(try await champion().tags.isEmpty)
            _ = try await store.transitionModelVersion(name: "tumor", version: "2", stage: "Staging", archivesExisting: false)
            #expect(try await champion().stage == "Staging")
            try await store.setAlias(name: "tumor", alias: "other", version: "2")
            #expect(try await champion().aliases == ["champion", "other"])
            _ = try await store.renameRegisteredModel(name: "tumor", to: "growth")
            #expect(try await champion(of: "growth").name == "growth")
            await #expect(throws: PlatformError.self) { try await store.modelVersion(name: "tumor", alias: "champion") }
            try await store.deleteModelVersion(name: "growth", version: "2")
            await #expect(throws: PlatformError.self) { try await store.modelVersion(name: "growth", alias: "champion") }
            try await store.setAlias(name: "growth", alias: "champion", version: "1")
            #expect(try await champion(of: "growth").version == 1)
            try await store.deleteAlias(name: "growth", alias: "champion")
            await #expect(throws: PlatformError.self) { try await store.modelVersion(name: "growth", alias: "champion") }
            try await store.setAlias(name: "growth", alias: "champion", version: "1")
            _ = try await champion(of: "growth")
            try await store.deleteRegisteredModel(name: "growth")
            await #expect(throws: PlatformError.self) { try await store.modelVersion(name: "growth", alias: "champion") }
        }
    }

    @Test("Whoever has moved an alias reads what they wrote, among many who read it", .timeLimit(.minutes(2)))
    func aliasUnderWrites() async throws {
        try await withStore { store in
            _ = try await store.createRegisteredModel(name: "tumor", description: "", tags: [:])
            for _ in 1...3 { _ = try await store.createModelVersion(draft("tumor", source: "s3://x")) }
            try await store.setAlias(name: "tumor", alias: "a", version: "1")
            try await withThrowingTaskGroup(of: Void.self) { group in
                let done = Cancellation()
                for _ in 0..<4 {
                    group.addTask {
                        while !done.isCancelled, !Task.isCancelled {
                            _ = try await store.modelVersion(name: "tumor", alias: "a")
                            // A read never waits: without this the readers would keep every thread to themselves.
                            await Task.yield()
                        }
                    }
                }
                for round in 0..<200 {
                    let version = Int64(round % 3 + 1)
                    try await store.setAlias(name: "tumor", alias: "a", version: "\(version)")
                    let seen = try await store.modelVersion(name: "tumor", alias: "a").version
                    #expect(seen == version)
                }
                done.cancel()
                try await group.waitForAll()
            }
        }
    }

    @Test("runs:/ means the run's logged model of that name, else the path among the run's artifacts")
    func runSources() async throws {
        try await withStore { store in
            let run = try await newRun(store)
            let model = try await store.createLoggedModel(experiment: "0", name: "model", sourceRunID: run.id, modelType: nil, tags: [:], parameters: [:])
            _ = try await store.createRegisteredModel(name: "tumor", description: "", tags: [:])
            let logged = try await store.createModelVersion(draft("tumor", source: "runs:/\(run.id)/model", runID: run.id))
            #expect(logged.modelID == model.id && logged.storageLocation == model.artifactURI)
            let plain = try await store.createModelVersion(draft("tumor", source: "runs:/\(run.id)/other/place", runID: run.id))
            #expect(plain.modelID == nil && plain.storageLocation == "\(run.artifactURI)/other/place")
            let unknown = await #expect(throws: PlatformError.self) {
                try await store.createModelVersion(draft("tumor", source: "runs:/nowhere/model"))
            }
            #expect(unknown?.code == .notFound)
        }
    }

    @Test("models:/m-… means that logged model; another place stays as it is")
    func modelSources() async throws {
        try await withStore { store in
            let model = try await store.createLoggedModel(experiment: "0", name: "model", sourceRunID: nil, modelType: nil, tags: [:], parameters: [:])
            _ = try await store.createRegisteredModel(name: "tumor", description: "", tags: [:])
            let version = try await store.createModelVersion(draft("tumor", source: "models:/\(model.id)"))
            #expect(version.modelID == model.id && version.storageLocation == model.artifactURI && version.source == "models:/\(model.id)")
            let other = try await store.createModelVersion(draft("tumor", source: "s3://bucket/x"))
            #expect(other.modelID == nil && other.storageLocation == "s3://bucket/x")
            let unknown = await #expect(throws: PlatformError.self) {
                try await store.createModelVersion(draft("tumor", source: "models:/m-nothing"))
            }
            #expect(unknown?.code == .notFound)
        }
    }

    @Test("Ordered by a metric, a logged model is found once, at its latest value")
    func loggedModelOrder() async throws {
        try await withStore { store in
            let run = try await newRun(store)
            var ids: [String] = []
            for name in ["a", "b", "c"] {
                ids.append(try await store.createLoggedModel(experiment: "0", name: name, sourceRunID: run.id, modelType: nil, tags: [:], parameters: [:]).id)
            }
            let values = [metric(9, time: 1, step: 0, model: ids[0]), metric(1, time: 2, step: 1, model: ids[0]), metric(5, time: 1, step: 0, model: ids[1])]
            try await store.log(runID: run.id, metrics: values, parameters: [:], tags: [:])
            for (direction, names) in [("DESC", ["b", "a", "c"]), ("ASC", ["a", "b", "c"])] {
                let search = Search(order: [try FilterParser.sortTerm("metrics.m \(direction)")], limit: 10)
                #expect(try await store.searchLoggedModels(experiments: ["0"], search).items.map(\.name) == names)
            }
        }
    }

    @Test("Versions are found by name with =, !=, IN and LIKE")
    func versionsByName() async throws {
        try await withStore { store in
            for name in ["churn", "tumor", "tumor_2"] {
                _ = try await store.createRegisteredModel(name: name, description: "", tags: [:])
                _ = try await store.createModelVersion(draft(name, source: "s3://x"))
            }
            for (filter, names) in [
                ("name = 'tumor'", ["tumor"]), ("name = 'nobody'", []), ("name != 'tumor'", ["churn", "tumor_2"]),
                ("name IN ('tumor', 'churn')", ["churn", "tumor"]), ("name LIKE 'tumor%'", ["tumor", "tumor_2"]),
                ("name = 'tumor' AND version_number = 2", []),
            ] {
                let search = Search(filter: try FilterParser.filter(filter), limit: 10)
                #expect(try await store.searchModelVersions(search).items.map(\.name).sorted() == names, "\(filter)")
            }
        }
    }

    private static let orders: [[String]] = [
        [], ["start_time ASC"], ["metrics.m DESC"], ["metrics.m ASC", "attributes.end_time DESC"], ["params.p ASC", "start_time DESC"],
        ["attributes.end_time ASC"], ["tags.t DESC", "metrics.m ASC"],
    ]

    @Test("Pages join to what one page shows, without a gap or a repeat", arguments: orders)
    func pages(order: [String]) async throws {
        try await withScratchFolder { folder in
            let path = folder.appending(path: "tracking.db").path
            let sorting = try SQLiteTrackingStore(path: path, candidatesSorted: 1_000)
            let reading = try SQLiteTrackingStore(path: path, candidatesSorted: 5)
            for number in 0..<23 { try await Self.add(number, to: sorting) }
            let terms = try order.map { try FilterParser.sortTerm($0) }
            let whole = try await sorting.searchRuns(experiments: ["0"], Search(order: terms, limit: 100)).items.map(\.id)
            #expect(whole.count == 23)
            // Sorted, or read in the order of an index: the same.
            for store in [sorting, reading] {
                for size in [1, 4, 23, 100] {
                    let pages = try await Self.pages(store, terms, size: size)
                    #expect(pages.flatMap { $0 } == whole, "pages of \(size), \(store.candidatesSorted) candidates sorted")
                }
            }
        }
    }

    @Test("What others write between two pages repeats and hides nothing of what was there", arguments: orders, [1_000, 5])
    func pagesUnderWrites(order: [String], candidatesSorted: Int) async throws {
        try await withStore(candidatesSorted: candidatesSorted) { store in
            for number in 0..<20 { try await Self.add(number, to: store) }
            let terms = try order.map { try FilterParser.sortTerm($0) }
            let before = try await store.searchRuns(experiments: ["0"], Search(order: terms, limit: 100)).items.map(\.id)
            var number = 20
            let pages = try await Self.pages(store, terms, size: 3) {
                try await Self.add(number, to: store)
                number += 1
                try await store.setStage(.deleted, run: before[before.count - (number - 20)])
            }
            let seen = pages.flatMap { $0 }
            #expect(Set(seen).count == seen.count)
            let kept = before.prefix(before.count - (number - 20))
            #expect(seen.filter { before.contains($0) && kept.contains($0) } == Array(kept))
        }
    }

    @Test("A token that no search gave out, or another search's, is refused")
    func wrongTokens() async throws {
        for token in ["x", "e30=", "W10=", "W3t9XQ==", String(repeating: "A", count: 20_000)] {
            #expect(throws: PlatformError.self) { try SearchCursor(token: token) }
        }
        try await withStore { store in
            for number in 0..<3 { try await Self.add(number, to: store) }
            let first = try await store.searchRuns(experiments: ["0"], Search(limit: 1))
            let cursor = try SearchCursor(token: try #require(first.nextToken))
            let other = Search(order: [try FilterParser.sortTerm("metrics.m")], limit: 1, after: cursor)
            let error = await #expect(throws: PlatformError.self) { try await store.searchRuns(experiments: ["0"], other) }
            #expect(error?.code == .invalidArgument)
        }
    }

    /// Every third run lacks the metric, every fourth the parameter, every second the tag and an end.
    private static func add(_ number: Int, to store: SQLiteTrackingStore) async throws {
        let run = try await store.createRun(
            experiment: "0", name: "r\(number)", user: "", started: Timestamp(milliseconds: Int64(number % 5)), tags: number % 2 == 0 ? ["t": "v\(number % 3)"] : [:]
        )
        let values: [Double] = [0.5, .infinity, -.infinity, .nan, -2, 0.1]
        let metrics = number % 3 == 0 ? [] : [Metric(key: "m", value: values[number % 6], timestamp: Timestamp(milliseconds: 1), step: 0)]
        try await store.log(runID: run.id, metrics: metrics, parameters: number % 4 == 0 ? [:] : ["p": "\(number % 7)"], tags: [:])
        if number % 2 == 1 { _ = try await store.updateRun(id: run.id, status: .finished, ended: Timestamp(milliseconds: Int64(number / 3)), name: nil) }
    }

    /// All pages of a search; `between` runs after each.
    private static func pages(
        _ store: SQLiteTrackingStore,
        _ order: [SortTerm],
        size: Int,
        between: () async throws -> Void = {}
    ) async throws -> [[String]] {
        var pages: [[String]] = []
        var cursor: SearchCursor?
        for _ in 0..<100 {
            let page = try await store.searchRuns(experiments: ["0"], Search(order: order, limit: size, after: cursor))
            pages.append(page.items.map(\.id))
            guard let token = page.nextToken else { break }
            cursor = try SearchCursor(token: token)
            try await between()
        }
        return pages
    }

    @Test("A history is read in pages by time and step; a value that is sent again is kept once")
    func history() async throws {
        try await withStore { store in
            let run = try await newRun(store)
            let metrics = (0..<10).map { metric([0.5, .nan, .infinity][$0 % 3], time: Int64($0 / 2), step: Int64($0 % 2)) }
            for _ in 0..<2 { try await store.log(runID: run.id, metrics: metrics.shuffled(), parameters: [:], tags: [:]) }
            var seen: [Metric] = []
            var cursor: SearchCursor?
            for _ in 0..<20 {
                let page = try await store.metricHistory(runID: run.id, key: "m", limit: 3, after: cursor)
                seen += page.items
                guard let token = page.nextToken else { break }
                cursor = try SearchCursor(token: token)
            }
            #expect(seen.map(\.timestamp) == metrics.map(\.timestamp) && seen.map(\.step) == metrics.map(\.step))
            #expect(seen.map { "\($0.value)" } == metrics.map { "\($0.value)" })
        }
    }

    @Test("Of many writers at once each gets its own answer: a refused write takes nothing of the others with it")
    func groups() async throws {
        try await withStore { store in
            let run = try await newRun(store)
            let outcomes = try await withThrowingTaskGroup(of: Bool.self) { group in
                for number in 0..<200 {
                    group.addTask {
                        do {
                            // Every fifth wants to change a parameter, after it has logged a metric.
                            let value = number % 5 == 0 ? "\(number)" : "same"
                            try await store.log(runID: run.id, metrics: [metric(Double(number), time: Int64(number), step: 0)], parameters: ["p": value], tags: [:])
                            return true
                        } catch let error as PlatformError where error.code == .invalidArgument {
                            return false
                        }
                    }
                }
                return try await group.reduce(into: [Bool]()) { $0.append($1) }
            }
            let kept = try await store.metricHistory(runID: run.id, key: "m", limit: 1000, after: nil).items.count
            #expect(outcomes.count == 200)
            #expect(kept == outcomes.count { $0 })
            #expect((1...160).contains(kept))
        }
    }
}
