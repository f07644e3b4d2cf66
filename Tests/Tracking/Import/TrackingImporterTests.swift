import Foundation
import SlipwayClients
import SlipwayCore
import SlipwayTesting
import SlipwayTracking
import SlipwayTrackingImport
import SlipwayTrackingSQLite
import Testing

@Suite("Tracking import", .timeLimit(.minutes(5)))
struct TrackingImporterTests {
    @Test("Everything arrives as it was: ids, numbers, times, histories, files; again changes nothing")
    func everything() async throws {
        try await withTwoHomes { there, here, connections in
            let report = try await bring(there, to: here, connections)
            try report.check()
            let expected = try await describe(there.url, connections)
            #expect(try await describe(here.url, connections) == expected)
            #expect(expected.contains { $0.hasPrefix("metric") && $0.contains("auc nan 30 2") })
            #expect(report.count(.experiments).copied == 2 && report.count(.experiments).unchanged == 1)
            #expect(report.count(.runs).copied == 3 && report.count(.loggedModels).copied == 1)
            #expect(report.count(.versions).copied == 4 && report.count(.aliases).copied == 2 && report.count(.files).copied == 6)
            #expect(report.notes.map(\.level) == [.omission], "\(report.notes)")
            for options in [ImportOptions(), ImportOptions(verifiesAll: true)] {
                let again = try await bring(there, to: here, connections, options)
                try again.check()
                #expect(again.counts.values.allSatisfy { $0.copied == 0 && $0.updated == 0 }, "\(again.counts)")
                #expect(again.count(.files).unchanged == 6 && again.count(.runs).unchanged == 3)
            }
            #expect(try await describe(here.url, connections) == expected)
            let next = try await here.store.createModelVersion(
                ModelVersionDraft(name: "tumor", source: "s3://x", runID: "", runLink: "", description: "", tags: [:], modelID: nil)
            )
            #expect(next.version == 4, "the gap stays")
            let moves = try await here.store.aliasMoves(of: "tumor", alias: nil, limit: 10, before: nil).moves
            #expect(moves.count == 2 && moves.allSatisfy { $0.origin.actor.name == "import" && $0.origin.reason.contains(there.url) })
        }
    }

    @Test("Cut off after any write, the next import finishes it, and ends where an uninterrupted one does")
    func interruption() async throws {
        try await withScratchFolder { folder in
            try await withConnections { connections in
                try await withHome(folder, "there") { there in
                    try await fillLittle(there)
                    let expected = try await describe(there.url, connections)
                    var writes = 0
                    var isCut = true
                    while isCut {
                        try #require(writes < 100)
                        try await withHome(folder, "here-\(writes)") { here in
                            isCut = try await cutOff(after: writes, there, here, connections)
                            let report = try await bring(there, to: here, connections)
                            try report.check()
                            let found = try await describe(here.url, connections)
                            #expect(found == expected, "cut off after \(writes) writes")
                            let again = try await bring(there, to: here, connections)
                            #expect(again.counts.values.allSatisfy { $0.copied == 0 && $0.updated == 0 }, "after \(writes): \(again.counts)")
                        }
                        writes += 1
                    }
                    #expect(writes >= 20, "the fixture has become too small to show anything")
                }
            }
        }
    }

    @Test("Cut off again and again on one home, the import arrives all the same")
    func manyInterruptions() async throws {
        try await withTwoHomes { there, here, connections in
            var rounds = 0
            while try await cutOff(after: 12, there, here, connections) {
                rounds += 1
                try #require(rounds < 50)
            }
            #expect(rounds > 2)
            #expect(try await describe(here.url, connections) == describe(there.url, connections))
        }
    }

    /// Whether the writes were too few.
    private func cutOff(after writes: Int, _ there: TrackedHome, _ here: TrackedHome, _ connections: HTTPConnections) async throws -> Bool {
        let budget = WriteBudget(writes)
        let store = FaultyStore(store: here.store, budget: budget)
        let intake = FaultyIntake(intake: StoreArtifactIntake(here.artifacts), budget: budget)
        do {
            _ = try await importer(there, store, intake, connections, ImportOptions(concurrency: 1)).run()
            return false
        } catch let error as PlatformError {
            #expect(error.code == .unavailable, "\(error)")
            return true
        }
    }

    @Test("What changed at the source since is brought up to date, and nothing else is read again")
    func delta() async throws {
        try await withTwoHomes { there, here, connections in
            let run = try await there.store.createRun(experiment: "0", name: "live", user: "", started: Timestamp(milliseconds: 5), tags: [:])
            try await bring(there, to: here, connections)
            let metric = Metric(key: "auc", value: 1, timestamp: Timestamp(milliseconds: 50), step: 1)
            try await there.store.log(runID: run.id, metrics: [metric], parameters: ["late": "1"], tags: ["done": "yes"])
            _ = try await there.store.updateRun(id: run.id, status: .failed, ended: Timestamp(milliseconds: 60), name: nil)
            try there.put("late", at: run.artifactURI, "late.txt")
            try there.put("longer than before", at: run.artifactURI, "log.txt")
            try await there.store.setAlias(name: "tumor", alias: "champion", version: "1")
            try await there.store.setRegisteredModelTag(name: "tumor", key: "owner", value: "ben")
            let report = try await bring(there, to: here, connections)
            try report.check()
            #expect(report.count(.runs).updated == 1 && report.count(.runs).unchanged == 3 && report.count(.runs).copied == 0)
            #expect(report.count(.files).copied == 2 && report.count(.aliases).updated == 1)
            #expect(try await describe(here.url, connections) == describe(there.url, connections))
        }
    }

    @Test("What is only here stays, and what was changed here wins over nothing but itself")
    func localChanges() async throws {
        try await withTwoHomes { there, here, connections in
            try await bring(there, to: here, connections)
            try await here.store.setAlias(name: "tumor", alias: "champion", version: "1")
            try await here.store.deleteAlias(name: "tumor", alias: "B")
            try await here.store.deleteModelVersion(name: "it's", version: "1")
            let report = try await bring(there, to: here, connections)
            let error = #expect(throws: PlatformError.self) { try report.check() }
            #expect(error?.code == .failedPrecondition)
            let aliases = try await here.store.registeredModel(name: "tumor").aliases
            #expect(aliases == ["champion": 1])
            #expect(report.count(.aliases).skipped == 2)
            let reasons = report.notes.filter { $0.level == .problem }.map(\.why).sorted()
            #expect(reasons == ["it points at version 1 here, at version 3 there", "it was deleted here", "it was removed here"] as [String], "\(reasons)")
        }
    }

    @Test("An alias that is protected here follows Git: it is left out, and nothing else is amiss")
    func protectedAlias() async throws {
        try await withTwoHomes { there, here, connections in
            try await withScratchFolder { folder in
                let rules = ProtectedAliases(names: ["champion"], releaseFolder: "envs/dev/models")
                let store = try SQLiteTrackingStore(path: folder.appending(path: "tracking.db").path, protected: { rules })
                let report = try await importer(there, store, StoreArtifactIntake(here.artifacts), connections).run()
                try report.check()
                #expect(try await store.registeredModel(name: "tumor").aliases.keys.sorted() == ["B"])
                let note = try #require(report.notes.first { $0.what.contains("champion") })
                #expect(note.level == .omission && note.why.contains("envs/dev/models/tumor.yaml"))
            }
        }
    }

    @Test("A file that is stored with other bytes than came is refused, removed again and named; the rest arrives")
    func digestMismatch() async throws {
        try await withTwoHomes { there, here, connections in
            let intake = FaultyIntake(intake: StoreArtifactIntake(here.artifacts), budget: WriteBudget(.max), spoils: "data/model.onnx")
            let report = try await importer(there, here.store, intake, connections).run()
            let error = #expect(throws: PlatformError.self) { try report.check() }
            #expect(error?.code == .corrupt)
            let problems = report.notes.filter { $0.level == .problem }
            #expect(problems.count == 1 && problems.first?.what.hasPrefix("file 'data/model.onnx' of logged model") == true, "\(problems)")
            let found = try await describe(here.url, connections)
            #expect(!found.contains { $0.contains("data/model.onnx") })
            #expect(found.contains { $0.contains("file MLmodel of logged model") })
            // Without the fault, the same command brings it.
            try (try await bring(there, to: here, connections)).check()
            #expect(try await describe(here.url, connections) == describe(there.url, connections))
        }
    }

    @Test("A changed file of the same size is found when all are verified")
    func verify() async throws {
        try await withTwoHomes { there, here, connections in
            try await bring(there, to: here, connections)
            let location = try await there.store.searchRuns(experiments: ["1"], Search(limit: 10)).items[0].artifactURI
            try there.put("HELLO", at: location, "notes/ü +%.txt")
            try await bring(there, to: here, connections)
            #expect(try here.text(at: location, "notes/ü +%.txt") == "hello")
            let report = try await bring(there, to: here, connections, ImportOptions(verifiesAll: true))
            #expect(report.count(.files).updated == 1)
            #expect(try here.text(at: location, "notes/ü +%.txt") == "HELLO")
        }
    }

    @Test("A model whose name cannot be here, and one whose name is another's, are named and left out")
    func names() async throws {
        try await withTwoHomes { there, here, connections in
            _ = try await there.store.createRegisteredModel(name: "a/b", description: "", tags: [:])
            _ = try await here.store.createRegisteredModel(name: "it's", description: "mine", tags: [:])
            let report = try await bring(there, to: here, connections)
            let error = #expect(throws: PlatformError.self) { try report.check() }
            #expect(error?.code == .failedPrecondition && report.problems == 2)
            #expect(report.count(.models).copied == 1 && report.count(.models).skipped == 2)
            #expect(report.notes.contains { $0.what == "model 'a/b'" && $0.why.contains("'/'") })
            #expect(report.notes.contains { $0.what == "model 'it's'" && $0.why == "another model here has this name" })
            #expect(try await here.store.registeredModel(name: "it's").description == "mine")
            let versions = try await here.store.searchModelVersions(Search(limit: 100)).items
            #expect(versions.allSatisfy { $0.name == "tumor" })
        }
    }

    @Test("An experiment whose id is taken gets another one, and says so; one of the same name is joined")
    func experimentIDs() async throws {
        try await withTwoHomes { there, here, connections in
            _ = try await here.store.createExperiment(name: "mine", artifactLocation: nil, tags: [:])
            _ = try await here.store.createExperiment(name: "gone", artifactLocation: nil, tags: ["kept": "yes"])
            for round in 0..<2 {
                let report = try await bring(there, to: here, connections)
                try report.check()
                #expect(report.notes.contains { $0.what == "experiment 'tumor'" && $0.why == "its id is 3 here, 1 there" }, "\(report.notes)")
                #expect(report.count(.experiments).copied == (round == 0 ? 1 : 0))
            }
            let tumor = try await here.store.experiment(name: "tumor")
            #expect(tumor.id == 3 && tumor.tags == ["team": "ä 'x'"])
            #expect(try await here.store.experiment(name: "mine").id == 1)
            #expect(try await here.store.experiment(name: "gone").tags == ["kept": "yes"])
            let parent = try await here.store.searchRuns(experiments: ["3"], Search(limit: 10)).items[0]
            #expect(try here.text(at: parent.artifactURI, "plain/model.onnx") == "plain")
            // A version whose source was a URI follows the run to its place here.
            let version = try await here.store.modelVersion(name: "it's", version: "1")
            #expect(version.source == "\(parent.artifactURI)/plain" && version.storageLocation == version.source)
            let lost = try await here.store.searchRuns(experiments: ["2"], Search(view: .all, limit: 10)).items
            #expect(lost.map(\.name) == ["lost"] && lost.map(\.stage) == [.deleted])
        }
    }

    @Test("A chosen model brings the run and the logged model that it is made of, and nothing else; a wrong name is said")
    func selection() async throws {
        try await withTwoHomes { there, here, connections in
            let options = ImportOptions(selection: ImportSelection(models: ["tumor", "nobody"]))
            let report = try await bring(there, to: here, connections, options)
            #expect(report.problems == 1 && report.notes.contains { $0.what == "model 'nobody'" })
            let runs = try await here.store.searchRuns(experiments: ["0", "1", "2"], Search(view: .all, limit: 10)).items
            #expect(runs.map(\.name) == ["parent"])
            let expected = try await describe(there.url, connections, experiments: [], models: ["tumor"])
            #expect(try await describe(here.url, connections, experiments: []) == expected)
            let other = ImportOptions(selection: ImportSelection(experiments: ["gone"]))
            try (try await bring(there, to: here, connections, other)).check()
            let all = try await here.store.searchExperiments(Search(view: .all, limit: 10)).items.map(\.name).sorted()
            #expect(all == ["Default", "gone", "tumor"])
        }
    }

    @Test("An empty server is an import of nothing, and no failure")
    func empty() async throws {
        try await withTwoHomes(isFilled: false) { there, here, connections in
            let report = try await bring(there, to: here, connections)
            try report.check()
            #expect(report.notes.isEmpty && report.bytes == 0)
            #expect(report.counts.values.allSatisfy { $0.copied == 0 && $0.updated == 0 && $0.skipped == 0 })
        }
    }

    @Test("More than a page of runs, metrics and versions arrives without a gap")
    func pages() async throws {
        try await withTwoHomes(isFilled: false) { there, here, connections in
            _ = try await there.store.createRegisteredModel(name: "many", description: "", tags: [:])
            for number in 0..<230 {
                _ = try await there.store.createRun(
                    experiment: "0", name: "r\(number)", user: "", started: Timestamp(milliseconds: Int64(number / 50)), tags: [:]
                )
                _ = try await there.store.createModelVersion(
                    ModelVersionDraft(name: "many", source: "s3://x", runID: "", runLink: "", description: "", tags: [:], modelID: nil)
                )
            }
            let run = try await there.store.createRun(experiment: "0", name: "long", user: "", started: nil, tags: [:])
            for start in stride(from: Int64(0), to: 45_000, by: 5_000) {
                let metrics = (start..<start + 5_000).map {
                    Metric(key: "m", value: Double($0), timestamp: Timestamp(milliseconds: $0 / 3), step: $0)
                }
                try await there.store.log(runID: run.id, metrics: metrics, parameters: [:], tags: [:])
            }
            let report = try await bring(there, to: here, connections)
            #expect(report.count(.runs).copied == 231 && report.count(.versions).copied == 230)
            let history = try await here.store.metricHistory(runID: run.id, key: "m", limit: 50_000, after: nil).items
            #expect(history.count == 45_000)
            #expect(try await here.store.run(id: run.id).metrics.map(\.step) == [44_999])
        }
    }
}
