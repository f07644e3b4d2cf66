import SlipwayCore
public import SlipwayTracking

/// Copies what another tracking server has into this one.
///
/// May be ended at any point and begun again: every write may be repeated, a file is there whole or not at
/// all, and what an earlier import brought and the source has not changed since is not asked for again. Holds
/// a page of the source at a time, and files in pieces.
public struct TrackingImporter: Sendable {
    let source: any TrackingSource
    let store: any TrackingImport
    let intake: any ArtifactIntake
    let options: ImportOptions

    public init(source: any TrackingSource, store: any TrackingImport, intake: any ArtifactIntake, options: ImportOptions = ImportOptions()) {
        self.source = source
        self.store = store
        self.intake = intake
        self.options = options
    }

    /// Runs the import to its end.
    ///
    /// What cannot be copied is noted, and the rest goes on.
    ///
    /// - Parameter watch: Called after each thing, from several tasks.
    /// - Throws: `unavailable` when the source went away for longer than it is waited for; what was copied stays.
    public func run(watch: @escaping @Sendable (ImportReport) -> Void = { _ in }) async throws -> ImportReport {
        var report = ImportReport(source: source.address)
        report.sourceVersion = try await source.describe().version
        let tally = ImportTally(report, watch: watch)
        let places = try await experiments(tally)
        for place in places.chosen {
            try await each(of: { try await source.runs(experiment: place.sourceID, after: $0) }) { run in
                try await copy(run, to: place, tally)
            }
        }
        // After all runs: a logged model's metrics may be those of another experiment's run.
        for place in places.chosen {
            try await each(of: { try await source.loggedModels(experiment: place.sourceID, after: $0) }) { model in
                try await copy(model, to: place, tally)
            }
        }
        try await models(places, tally)
        return tally.current
    }

    /// Brings the chosen experiments here; the places of the others are only known where they have one.
    private func experiments(_ tally: ImportTally) async throws -> ExperimentPlaces {
        let places = ExperimentPlaces()
        var token: String?
        for _ in 0..<ImportLimits.pagesMax {
            let page = try await source.experiments(after: token)
            for experiment in page.items {
                guard options.selection.includes(experiment: experiment.name) else {
                    places.remember(experiment)
                    continue
                }
                try places.add(try await place(experiment, tally), isChosen: true)
            }
            token = page.nextToken
            guard token != nil else { break }
        }
        let names = Set(places.chosen.map(\.name))
        for name in options.selection.experiments.subtracting(names).sorted() {
            tally.skip(.experiments, "experiment '\(name)'", "the source has none of this name")
        }
        return places
    }

    /// Finds or makes the experiment's place here.
    func place(_ experiment: SourceExperiment, _ tally: ImportTally) async throws -> ImportedExperiment {
        let here = try await store.importExperiment(experiment)
        tally.count(here.outcome, .experiments, "experiment '\(experiment.name)'")
        if "\(here.id)" != experiment.id {
            tally.remark("experiment '\(experiment.name)'", "its id is \(here.id) here, \(experiment.id) there")
        }
        return ImportedExperiment(
            sourceID: experiment.id,
            name: experiment.name,
            sourceLocation: ArtifactLocation(experiment.artifactLocation),
            id: here.id,
            location: here.artifactLocation
        )
    }

    /// Handles every item of a list, a few at a time, a page after the other.
    func each<Item: Sendable>(
        of page: (String?) async throws -> Page<Item>,
        _ body: @escaping @Sendable (Item) async throws -> Void
    ) async throws {
        var token: String?
        for _ in 0..<ImportLimits.pagesMax {
            let items = try await page(token)
            try await withThrowingTaskGroup(of: Void.self) { group in
                var running = 0
                for item in items.items {
                    if running >= max(1, min(options.concurrency, ImportOptions.concurrencyMax)) {
                        try await group.next()
                        running -= 1
                    }
                    group.addTask { try await body(item) }
                    running += 1
                }
                try await group.waitForAll()
            }
            token = items.nextToken
            guard token != nil else { return }
        }
        throw PlatformError(.exhausted, "the source has more than \(ImportLimits.pagesMax) pages of one kind")
    }
}

enum ImportLimits {
    static let pagesMax = 100_000
    static let experimentsMax = 100_000
    /// How often a file is fetched whose size or digest is not what it should be.
    static let fileAttempts = 2
}
