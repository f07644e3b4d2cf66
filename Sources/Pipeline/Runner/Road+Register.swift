import SlipwayCore
import SlipwayPipeline
import SlipwayTracking

/// What an artifact folder may hold.
private let artifactsMax = 1_000

extension Road {
    /// Makes the version and binds it to what it was made from. No alias moves.
    func register() async throws {
        guard await journal.record.step(.register) != nil else { return }
        try await step(.register) { record in
            let files = try await candidateFiles()
            let evidence = try await keepEvidence(record)
            var tags = evidence.tags
            tags[VersionTag.run] = id.text
            tags[VersionTag.commit] = record.projectCommit
            tags[VersionTag.digests] = Evidence.text(files.digests)
            tags[VersionTag.graph] = files.graph
            if let source = record.promotion {
                tags[VersionTag.promotedFrom] = "\(source.environment)/\(model)/\(source.version)"
            }
            let version = try await makeVersion(record, files, tags).version
            try await journal.update { $0.candidate = version }
            try await prove(
                "registered",
                observed: [
                    "version": .int(Int64(version.number)),
                    "mlflow_run": .string(record.trackingRunID ?? ""),
                    "project_commit": record.projectCommit.map { .string($0) } ?? .null,
                    "promoted_from": tags[VersionTag.promotedFrom].map { .string($0) } ?? .null,
                ],
                condition: .registered
            )
            return .passed([
                "version \(version), \(files.digests.count) artifacts",
                "graph '\(files.graph)' \(files.graphDigest?.text ?? "")",
            ])
        }
    }

    /// Finds the version that an interrupted attempt has made before it makes one.
    private func makeVersion(
        _ record: RunRecord,
        _ files: CandidateFiles,
        _ tags: [String: String]
    ) async throws -> RegisteredVersion {
        let registry = ports.registry
        if let made = try await registry.versions(of: model, tag: VersionTag.run, value: id.text).first {
            try await registry.setVersionTags(tags, version: made.version, of: model)
            return made
        }
        if record.promotion != nil {
            return try await registry.importVersion(
                of: model,
                files: files.files,
                tags: tags,
                description: "Promoted by run \(id) from \(tags[VersionTag.promotedFrom] ?? "")."
            )
        }
        let run = try requireTrackingRun(await journal.record)
        let logged = try await loggedModel(run)
        return try await registry.createVersion(
            of: model,
            source: "models:/\(logged)",
            runID: run,
            tags: tags
        )
    }

    private func requireTrackingRun(_ record: RunRecord) throws -> String {
        guard let run = record.trackingRunID else {
            throw PlatformError(.failedPrecondition, "run '\(id)' has no MLflow run")
        }
        return run
    }

    /// The last model that the run logged.
    private func loggedModel(_ run: String) async throws -> String {
        guard let logged = try await ports.registry.run(id: run).loggedModelIDs.last else {
            throw PlatformError(.failedPrecondition, "the training wrote no model")
        }
        return logged
    }

    /// Downloads the candidate's artifacts, once, and notes their digests.
    func candidateFiles() async throws -> CandidateFiles {
        let record = await journal.record
        if let graph = record.graph, let known = try await knownFiles(record, graph) { return known }
        let source = try await candidateSource(record)
        let entries = try await source.list()
        guard !entries.isEmpty, entries.count <= artifactsMax else {
            throw PlatformError(
                .failedPrecondition,
                "the candidate has \(entries.count) artifacts, 1 to \(artifactsMax) are allowed"
            )
        }
        var files: [String: String] = [:]
        var digests: [String: Digest] = [:]
        for entry in entries {
            let file = try folder.newFile(.model, entry.path)
            let digest = try await source.download(entry.path, file)
            if let expected = source.expected, expected[entry.path] != digest {
                throw PlatformError(
                    .corrupt,
                    "'\(entry.path)' has digest \(digest), its version's tag says \(expected[entry.path]?.text ?? "nothing")"
                )
            }
            files[entry.path] = file
            digests[entry.path] = digest
        }
        if let missing = source.expected?.keys.sorted().first(where: { digests[$0] == nil }) {
            throw PlatformError(.corrupt, "'\(missing)' of the version is gone from the registry")
        }
        let graph = try source.graph ?? ServedArtifacts.graph(among: files.keys)
        let texts = digests.mapValues(\.text)
        try await journal.update {
            $0.digests = texts
            $0.graph = graph
        }
        return CandidateFiles(files: files, digests: digests, graph: graph)
    }

    /// What an earlier attempt has downloaded; `nil` when it is not all there any more.
    private func knownFiles(_ record: RunRecord, _ graph: String) async throws -> CandidateFiles? {
        var files: [String: String] = [:]
        var digests: [String: Digest] = [:]
        for (path, text) in record.digests {
            guard folder.has(.model, path) else { return nil }
            let file = try folder.file(.model, path)
            let found = try await offPool { try FileDigest.of(file) }
            guard found.text == text else { return nil }
            files[path] = file
            digests[path] = found
        }
        return CandidateFiles(files: files, digests: digests, graph: graph)
    }

    private struct CandidateSource {
        let list: () async throws -> [ArtifactEntry]
        let download: (_ path: String, _ file: String) async throws -> Digest
        /// What the digests must be; `nil` for a model that was just trained.
        var expected: [String: Digest]?
        var graph: String?
    }

    private func candidateSource(_ record: RunRecord) async throws -> CandidateSource {
        let model = model
        if let source = record.promotion {
            let registry = try await ports.origins.origin(source.environment).registry
            let version = try await registry.version(source.version, of: model)
            guard let text = version.tags[VersionTag.digests] else {
                throw PlatformError(
                    .failedPrecondition,
                    "version \(source.version) of '\(model)' in '\(source.environment)' has no digests",
                    remedy: "promote a version that a run has registered"
                )
            }
            return CandidateSource(
                list: { try await registry.artifacts(of: source.version, model: model) },
                download: {
                    try await registry.downloadArtifact($0, of: source.version, model: model, toFile: $1)
                },
                expected: try Evidence.digests(text),
                graph: version.tags[VersionTag.graph]
            )
        }
        let registry = ports.registry
        let logged = try await loggedModel(try requireTrackingRun(record))
        return CandidateSource(
            list: { try await registry.artifacts(ofLoggedModel: logged) },
            download: { try await registry.downloadArtifact($0, ofLoggedModel: logged, toFile: $1) }
        )
    }

    /// Stores golden tensors, holdout, profile and policy as artifacts of the MLflow run.
    private func keepEvidence(_ record: RunRecord) async throws -> Evidence {
        if record.promotion == nil { try await collectEvidence() }
        let run: String
        if let known = await journal.record.trackingRunID {
            run = known
        } else {
            run = try await ports.registry.createRun(
                experiment: spec.experiment,
                name: id.text,
                tags: [VersionTag.run: id.text, "slipway.environment": settings.environment.text]
            )
            try await journal.update { $0.trackingRunID = run }
        }
        try folder.write(Array(record.pipeline.utf8), .evidence, Evidence.pipeline)
        var digests: [String: Digest] = [:]
        for name in [Evidence.golden, Evidence.holdout, Evidence.profile, Evidence.pipeline]
        where folder.has(.evidence, name) {
            let file = try folder.file(.evidence, name)
            digests[name] = try await offPool { try FileDigest.of(file) }
            try await ports.registry.uploadArtifact(runID: run, path: Evidence.path(name), fromFile: file)
        }
        return Evidence(trackingRun: run, digests: digests)
    }

    private func collectEvidence() async throws {
        if folder.has(.output, spec.smoke.data) {
            let golden = try folder.read(.output, spec.smoke.data, bytesMax: GoldenTensors.bytesMax)
            try folder.write(golden, .evidence, Evidence.golden)
        }
        if let policy = spec.evaluate, folder.has(.output, policy.data) {
            let rows = try folder.read(.output, policy.data)
            if rows.count <= settings.evidenceBytesMax { try folder.write(rows, .evidence, Evidence.holdout) }
        }
        let training = spec.drift?.data ?? DriftPolicy().data
        if folder.has(.output, training) {
            try folder.write(try await profile(training).json(), .evidence, Evidence.profile)
        }
    }
}
