import SlipwayCore
import SlipwayInference
import SlipwayPipeline
import SlipwayTracking

extension Road {
    /// Opens the graph in a process of its own, once for each content.
    func probe(_ file: String, digest: Digest?) async throws {
        if let probed = await journal.record.probedGraph, probed == digest?.text { return }
        _ = try await ports.probe.probe(file: file, timeout: settings.probeLimit)
        let text = digest?.text
        try await journal.update { $0.probedGraph = text }
    }

    private func candidate(_ record: RunRecord) throws -> ModelVersion {
        guard let version = record.candidate else {
            throw PlatformError(.failedPrecondition, "run '\(id)' has registered no version")
        }
        return version
    }

    /// The registry gives back exactly what was registered, and it loads in isolation.
    func makeReady() async throws {
        guard await journal.record.step(.ready) != nil else { return }
        try await step(.ready) { record in
            let version = try candidate(record)
            let files = try await versionFiles(version, record)
            try await probe(files.graphFile, digest: files.graphDigest)
            let (runtime, file) = (ports.runtime, files.graphFile)
            let signature = try await offPool { try runtime.open(file: file).signature }
            let lines =
                [
                    "\(files.digests.count) artifacts with the digests of their tag",
                    "loads in a process of its own",
                ]
                + signature.inputs.map { "input '\($0.name)' \($0.type.rawValue)\($0.shape)" }
                + signature.outputs.map { "output '\($0.name)' \($0.type.rawValue)\($0.shape)" }
            try await prove("ready", observed: .lines(lines), condition: .ready)
            return StepOutcome(state: .passed, verdict: .pass, details: lines)
        }
    }

    /// Downloads the version from the registry and holds every file against its tag and the record.
    private func versionFiles(_ version: ModelVersion, _ record: RunRecord) async throws -> CandidateFiles {
        let registered = try await ports.registry.version(version, of: model)
        let expected = try Evidence.digests(registered.tags[VersionTag.digests] ?? "{}")
        guard let graph = record.graph, expected.mapValues(\.text) == record.digests else {
            throw PlatformError(
                .corrupt,
                "the digests in the tags of version \(version) are not those of this run"
            )
        }
        let listed = Set(try await ports.registry.artifacts(of: version, model: model).map(\.path))
        if let missing = expected.keys.sorted().first(where: { !listed.contains($0) }) {
            throw PlatformError(.corrupt, "version \(version) lacks '\(missing)'")
        }
        var files: [String: String] = [:]
        for (path, digest) in expected {
            let file = try folder.newFile(.version, path)
            let found = try await ports.registry.downloadArtifact(
                path,
                of: version,
                model: model,
                toFile: file
            )
            guard found == digest else {
                throw PlatformError(
                    .corrupt,
                    "'\(path)' of version \(version) has digest \(found), its tag says \(digest)"
                )
            }
            files[path] = file
        }
        return CandidateFiles(files: files, digests: expected, graph: graph)
    }

    /// Puts the version beside the running one on every replica.
    func load() async throws {
        guard await journal.record.step(.load) != nil else { return }
        try await step(.load) { record in
            let version = try candidate(record)
            let files = try await candidateFiles().served
            var lines: [String] = []
            try await hold(version)
            for server in ports.servers {
                let took = stopwatch(ports.clock)
                let model = model
                try await withDeadline(
                    settings.loadLimit,
                    clock: ports.clock,
                    doing: "load version \(version) on '\(server.address)'"
                ) {
                    try await server.load(version, of: model, files: files)
                }
                guard
                    try await server.index().contains(where: {
                        $0.model == model && $0.version == version && $0.state == .ready
                    })
                else {
                    throw PlatformError(
                        .unavailable,
                        "replica '\(server.address)' does not list version \(version) as ready"
                    )
                }
                lines.append("replica '\(server.address)' ready in \(took().milliseconds) ms")
            }
            guard !lines.isEmpty else { throw PlatformError(.failedPrecondition, "there is no model server") }
            try await prove("loaded", observed: .lines(lines), condition: .loaded)
            return .passed(lines)
        }
    }

    /// Says in the registry that a run has the version loaded, for a reconciler in another process.
    private func hold(_ version: ModelVersion) async throws {
        guard let limit = settings.holdLimit else { return }
        let end = ports.wallClock.now.advanced(by: limit)
        try await ports.registry.setVersionTags([VersionTag.held: end.description], version: version, of: model)
    }

    /// How many golden requests a replica gets: the first answer is compared, the median latency judged.
    private static let smokeRequests = 3

    /// Sends the golden inputs to every replica.
    func smoke() async throws {
        guard await journal.record.step(.smoke) != nil else { return }
        try await step(.smoke) { record in
            let version = try candidate(record)
            guard let golden = try golden(record) else {
                return .gate(
                    GateReport(
                        verdict: .inconclusive,
                        lines: [
                            "inconclusive: there is no '\(spec.smoke.data)': write golden inputs and outputs there"
                        ]
                    )
                )
            }
            var answers: [SmokeAnswer] = []
            for server in ports.servers { answers.append(try await ask(server, golden, version)) }
            let report = SmokeGate(spec.smoke, version: version.number, expected: golden.outputs).judge(
                answers
            )
            if report.verdict == .pass {
                try await prove("smoke-passed", observed: .lines(report.lines), condition: .smokePassed)
            }
            return .gate(report)
        }
    }

    private func golden(_ record: RunRecord) throws -> GoldenTensors? {
        let (part, name): (RunFolder.Part, String) =
            record.promotion == nil ? (.output, spec.smoke.data) : (.evidence, Evidence.golden)
        guard folder.has(part, name) else { return nil }
        return try GoldenTensors(
            json: try folder.read(part, name, bytesMax: GoldenTensors.bytesMax),
            name: name
        )
    }

    private func ask(
        _ server: any ModelServer,
        _ golden: GoldenTensors,
        _ version: ModelVersion
    ) async throws -> SmokeAnswer {
        let request = InferenceRequest(model: model.text, version: version, inputs: golden.inputs)
        let model = model
        var latencies: [Duration] = []
        var first: InferenceResponse?
        do {
            for _ in 0..<Self.smokeRequests {
                let took = stopwatch(ports.clock)
                let response = try await withDeadline(
                    settings.inferLimit,
                    clock: ports.clock,
                    doing: "ask '\(server.address)'"
                ) {
                    try await server.infer(request, version: version, of: model)
                }
                latencies.append(took())
                first = first ?? response
            }
            guard let first else {
                return SmokeAnswer(replica: server.address, failure: "no request was sent")
            }
            return SmokeAnswer(
                replica: server.address,
                servedVersion: first.version.number,
                outputs: try first.outputs.map { try SmokeTensor($0) },
                latency: latencies.sorted()[latencies.count / 2]
            )
        } catch let error as PlatformError {
            return SmokeAnswer(replica: server.address, failure: error.message)
        }
    }
}
