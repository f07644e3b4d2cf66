import SlipwayCore
import SlipwayTracking

extension TrackingImporter {
    /// A run with its metrics' histories and files.
    ///
    /// - Parameter listed: As a list shows it, which may be less than all.
    func copy(_ listed: SourceRun, to place: ImportedExperiment, _ tally: ImportTally) async throws {
        let what = "run '\(listed.run.id)'"
        do {
            try await copyWhole(listed, to: place, what, tally)
        } catch let error as PlatformError where error.isAboutOneThing {
            tally.fail(.runs, what, error)
            tally.giveUp(ImportItem(.run, listed.run.id))
        }
    }

    private func copyWhole(_ listed: SourceRun, to place: ImportedExperiment, _ what: String, _ tally: ImportTally) async throws {
        let item = ImportItem(.run, listed.run.id)
        let fingerprint = ImportFingerprint.of(listed)
        let folder = SourceFolder(uri: listed.run.artifactURI, owner: .run(listed.run.id))
        if try await store.mark(of: item) == fingerprint, let known = try await existing({ try await store.run(id: listed.run.id) }) {
            tally.count(.unchanged, .runs, what)
            // Files come to a run without changing it.
            _ = try await copyFiles(folder, to: known.artifactURI, what, tally)
            return
        }
        // Deleted for good between the list and now: nothing to copy.
        guard let whole = try await existing({ try await source.run(id: listed.run.id) }) else { return }
        var run = whole.run
        run.experimentID = place.id
        let imported = try await store.importRun(run)
        var outcome = imported.outcome
        for metric in run.metrics {
            guard try await copyHistory(of: metric.key, runID: run.id) == .updated, outcome == .unchanged else { continue }
            outcome = .updated
        }
        tally.count(outcome, .runs, what)
        guard try await copyFiles(folder, to: imported.artifactURI, what, tally) else { return tally.giveUp(item) }
        try await store.setMark(fingerprint, of: item)
    }

    private func copyHistory(of key: String, runID: String) async throws -> ImportOutcome {
        var outcome = ImportOutcome.unchanged
        var token: String?
        for _ in 0..<ImportLimits.pagesMax {
            let page = try await source.metricHistory(runID: runID, key: key, after: token)
            if !page.items.isEmpty, try await store.importMetrics(page.items, runID: runID) == .updated { outcome = .updated }
            token = page.nextToken
            guard token != nil else { return outcome }
        }
        throw PlatformError(.exhausted, "metric '\(key)' of run '\(runID)' has too long a history")
    }

    func copy(_ listed: SourceLoggedModel, to place: ImportedExperiment, _ tally: ImportTally) async throws {
        let what = "logged model '\(listed.model.id)'"
        do {
            try await copyWhole(listed, to: place, what, tally)
        } catch let error as PlatformError where error.isAboutOneThing {
            tally.fail(.loggedModels, what, error)
            tally.giveUp(ImportItem(.loggedModel, listed.model.id))
        }
    }

    private func copyWhole(_ listed: SourceLoggedModel, to place: ImportedExperiment, _ what: String, _ tally: ImportTally) async throws {
        var model = listed.model
        model.experimentID = place.id
        let item = ImportItem(.loggedModel, model.id)
        let fingerprint = ImportFingerprint.of(listed)
        let folder = SourceFolder(uri: model.artifactURI, owner: .loggedModel(model.id))
        if try await store.mark(of: item) == fingerprint, let known = try await existing({ try await store.loggedModel(id: model.id) }) {
            tally.count(.unchanged, .loggedModels, what)
            _ = try await copyFiles(folder, to: known.artifactURI, what, tally)
            return
        }
        let imported = try await store.importLoggedModel(model)
        tally.count(imported.outcome, .loggedModels, what)
        if case .refused = imported.outcome { return tally.giveUp(item) }
        guard try await copyFiles(folder, to: imported.artifactURI, what, tally) else { return tally.giveUp(item) }
        try await store.setMark(fingerprint, of: item)
    }

    /// `nil` for what does not exist.
    func existing<Value>(_ read: () async throws -> Value) async throws -> Value? {
        do {
            return try await read()
        } catch let error as PlatformError where error.code == .notFound {
            return nil
        }
    }
}
