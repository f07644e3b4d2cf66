import SlipwayCore
import SlipwayTracking

extension TrackingImporter {
    func models(_ places: ExperimentPlaces, _ tally: ImportTally) async throws {
        let seen = SeenNames()
        try await each(of: { try await source.registeredModels(after: $0) }) { model in
            guard options.selection.includes(model: model.name) else { return }
            seen.insert(model.name)
            do {
                try await copy(model, places, tally)
            } catch let error as PlatformError where error.isAboutOneThing {
                tally.fail(.models, "model '\(model.name)'", error)
            }
        }
        for name in options.selection.models.subtracting(seen.names).sorted() {
            tally.skip(.models, "model '\(name)'", "the source has none of this name")
        }
        guard options.selection == ImportSelection() else { return }
        try await each(of: { try await source.prompts(after: $0) }) { name in
            tally.skip(.prompts, "prompt '\(name)'", "prompts are not copied", .omission)
        }
    }

    private func copy(_ model: RegisteredModel, _ places: ExperimentPlaces, _ tally: ImportTally) async throws {
        let what = "model '\(model.name)'"
        // What no client could ask this server for.
        guard !model.name.isEmpty, !model.name.utf8.contains(UInt8(ascii: "/")), !model.name.utf8.contains(UInt8(ascii: ":")) else {
            return tally.skip(.models, what, "a model's name cannot have '/' or ':' here: rename it at the source")
        }
        let item = ImportItem(.model, model.name)
        let fingerprint = ImportFingerprint.of(model)
        let isKnown = try await existing { try await store.registeredModel(name: model.name) }?.created == model.created
        if isKnown, try await store.mark(of: item) == fingerprint {
            tally.count(.unchanged, .models, what)
        } else {
            let outcome = try await store.importRegisteredModel(model)
            tally.count(outcome, .models, what)
            if case .refused = outcome { return }
        }
        var token: String?
        for _ in 0..<ImportLimits.pagesMax {
            let page = try await source.modelVersions(of: model.name, after: token)
            for version in page.items { try await copy(version, places, tally) }
            token = page.nextToken
            guard token != nil else { break }
        }
        for (alias, version) in model.aliases.sorted(by: { $0.key < $1.key }) {
            let name = "alias '\(alias)' of \(what)"
            do {
                // For the ledger of aliases: nobody here moved it.
                let origin = ChangeOrigin(actor: ChangeOrigin.Actor(name: "import", kind: .server), reason: "import from \(source.address)")
                let outcome = try await ChangeOrigin.$current.withValue(origin) {
                    try await store.importAlias(alias, of: model.name, version: version)
                }
                tally.count(outcome, .aliases, name)
            } catch let error as PlatformError where error.code == .permissionDenied {
                // Protected here: where it points is what Git says, whatever the source has.
                tally.skip(.aliases, name, error.message, .omission)
            } catch let error as PlatformError where error.isAboutOneThing {
                tally.fail(.aliases, name, error)
            }
        }
        try await store.setMark(fingerprint, of: item)
    }

    private func copy(_ listed: ModelVersionRecord, _ places: ExperimentPlaces, _ tally: ImportTally) async throws {
        let what = "version \(listed.version) of model '\(listed.name)'"
        let item = ImportItem(.version, "\(listed.name)/\(listed.version)")
        let fingerprint = ImportFingerprint.of(listed)
        let number = "\(listed.version)"
        if try await store.mark(of: item) == fingerprint,
            let known = try await existing({ try await store.modelVersion(name: listed.name, version: number) }),
            known.created == listed.created
        {
            return tally.count(.unchanged, .versions, what)
        }
        var version = listed
        let isComplete = try await place(&version, what, places, tally)
        let outcome = try await store.importModelVersion(version)
        tally.count(outcome, .versions, what)
        if case .refused = outcome { return }
        // With a file missing, the next import looks again.
        guard isComplete else { return }
        try await store.setMark(fingerprint, of: item)
    }

    /// Says where the version's artifacts are here, and brings them if nothing else did.
    ///
    /// - Returns: Whether all that can be here is here.
    private func place(
        _ version: inout ModelVersionRecord,
        _ what: String,
        _ places: ExperimentPlaces,
        _ tally: ImportTally
    ) async throws -> Bool {
        if !version.runID.isEmpty { try await bring(run: version.runID, places, tally) }
        if let id = version.modelID {
            if let model = try await bring(loggedModel: id, places, tally) {
                version.storageLocation = model.artifactURI
                return true
            }
            // Deleted at the source: its files may still be there.
            version.modelID = nil
        }
        let text = try await existing { try await source.location(ofVersion: version.version, of: version.name) } ?? version.source
        let location = ArtifactLocation(text)
        let here = places.translated(location)
        guard location.proxied != nil || here != nil else {
            version.storageLocation = text
            tally.skip(.files, "the files of \(what)", "they stay at '\(text)', which the source does not hand out", .omission)
            return true
        }
        if let here {
            version.storageLocation = here.uri
            if let source = places.translated(ArtifactLocation(version.source)) { version.source = source.uri }
            guard try await !isOfRun(here.path) else { return true }
        } else {
            version.storageLocation = "mlflow-artifacts:/imported/\(Digest(of: location.uri.utf8).hex.prefix(32))"
            if ArtifactLocation(version.source) == location { version.source = version.storageLocation }
        }
        return try await copyFiles(SourceFolder(uri: location.uri, owner: .none), to: version.storageLocation, what, tally)
    }

    /// Whether a path in an experiment's folder is that of a run that is here, whose files were copied with it.
    private func isOfRun(_ path: String) async throws -> Bool {
        let parts = path.split(separator: "/", maxSplits: 2).map(String.init)
        guard parts.count >= 2, parts[1] == "artifacts" else { return false }
        return try await existing { try await store.run(id: parts[0]) } != nil
    }

    /// The run of a version, where its experiment was not chosen. One that is gone stays gone.
    private func bring(run id: String, _ places: ExperimentPlaces, _ tally: ImportTally) async throws {
        let item = ImportItem(.run, id)
        guard try await store.mark(of: item) == nil, !tally.hasGivenUp(item),
            let run = try await existing({ try await source.run(id: id) }),
            let place = try await place(ofSource: run.experimentID, places, tally)
        else { return }
        try await copy(run, to: place, tally)
    }

    private func bring(loggedModel id: String, _ places: ExperimentPlaces, _ tally: ImportTally) async throws -> LoggedModel? {
        let known = try await existing { try await store.loggedModel(id: id) }
        let item = ImportItem(.loggedModel, id)
        let isMarked = try await store.mark(of: item) != nil
        if tally.hasGivenUp(item) || (known != nil && isMarked) { return known }
        guard let model = try await existing({ try await source.loggedModel(id: id) }),
            let place = try await place(ofSource: model.experimentID, places, tally)
        else { return known }
        if let run = model.model.sourceRunID { try await bring(run: run, places, tally) }
        try await copy(model, to: place, tally)
        return try await existing { try await store.loggedModel(id: id) }
    }

    private func place(ofSource id: String, _ places: ExperimentPlaces, _ tally: ImportTally) async throws -> ImportedExperiment? {
        if let known = places.place(ofSource: id) { return known }
        let other = places.other(ofSource: id)
        guard let experiment = try await other == nil ? existing({ try await source.experiment(id: id) }) : other else { return nil }
        let made = try await place(experiment, tally)
        try places.add(made, isChosen: false)
        return made
    }
}
