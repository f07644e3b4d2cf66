import SlipwayCore
import SlipwayTesting
import SlipwayTracking
import SlipwayTrackingSQLite
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
            #expect(error?.message.contains("key='depth' was already logged with value='3'") == true)
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
                #expect(try await store.metricHistory(runID: run.id, key: "m", limit: 10, after: 0).items.count == 2)
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
            let kept = try #require(try await store.metricHistory(runID: run.id, key: "m", limit: 1, after: 0).items.first?.value)
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

    @Test("Pages join without a gap or a repeat")
    func pages() async throws {
        try await withStore { store in
            for _ in 0..<7 { _ = try await newRun(store) }
            var seen: [String] = []
            var offset = 0
            for _ in 0..<5 {
                let page = try await store.searchRuns(experiments: ["0"], Search(limit: 3, offset: offset))
                seen += page.items.map(\.id)
                guard let next = page.nextToken.flatMap({ Int($0) }) else { break }
                offset = next
            }
            #expect(seen.count == 7 && Set(seen).count == 7)
        }
    }
}
