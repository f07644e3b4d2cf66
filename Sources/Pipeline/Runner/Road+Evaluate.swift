import SlipwayCore
import SlipwayInference
import SlipwayPipeline
import SlipwayTracking

extension Road {
    /// Runs candidate and champion over the same rows and compares.
    func evaluate() async throws {
        guard await journal.record.step(.evaluate) != nil else { return }
        try await step(.evaluate) { record in
            guard let policy = spec.evaluate else { return .skipped("no gate declared") }
            guard let bytes = try await holdoutBytes(policy, record) else {
                return .skipped("the version was registered without a holdout")
            }
            let holdout = try await offPool {
                try Holdout(try CSVTable(csv: bytes, name: policy.data), policy: policy)
            }
            guard holdout.rows > 0 else {
                return .gate(
                    GateReport(verdict: .inconclusive, lines: ["inconclusive: '\(policy.data)' has no rows"])
                )
            }
            let files = try await candidateFiles()
            try await probe(files.graphFile, digest: files.graphDigest)
            let candidate = try await metrics(policy, holdout, file: files.graphFile)
            var reports: [GateReport] = []
            if !policy.bounds.isEmpty { reports.append(BoundsGate(policy.bounds).judge(candidate)) }
            var notes = ["\(holdout.rows) rows of '\(policy.data)'"]
            if let comparison = policy.champion {
                if let version = record.champion {
                    let champion = try await metrics(policy, holdout, file: try await championGraph(version))
                    reports.append(
                        ChampionGate(comparison).judge(
                            candidate: candidate[comparison.metric],
                            champion: champion[comparison.metric]
                        )
                    )
                } else {
                    notes.append("there is no champion to compare with")
                }
            }
            try await log(candidate)
            guard !reports.isEmpty else { return .passed(notes) }
            var outcome = StepOutcome.gate(.all(reports))
            outcome.details += notes
            return outcome
        }
    }

    private func log(_ metrics: [QualityMetric: Double]) async throws {
        guard let run = await journal.record.trackingRunID else { return }
        let named = metrics.map { ("holdout_\($0.key.rawValue)", $0.value) }
        try await ports.registry.logMetrics(Dictionary(named, uniquingKeysWith: { $1 }), runID: run)
    }

    /// `nil` for a promoted version that came without one.
    private func holdoutBytes(_ policy: EvaluatePolicy, _ record: RunRecord) async throws -> [UInt8]? {
        if record.promotion != nil {
            guard folder.has(.evidence, Evidence.holdout) else { return nil }
            return try folder.read(.evidence, Evidence.holdout)
        }
        guard folder.has(.output, policy.data) else {
            throw PlatformError(
                .failedPrecondition,
                "no step has written '\(policy.data)'",
                remedy: "write the held-out rows there, under $SLIPWAY_OUTPUT"
            )
        }
        return try folder.read(.output, policy.data)
    }

    private func metrics(
        _ policy: EvaluatePolicy,
        _ holdout: Holdout,
        file: String
    ) async throws -> [QualityMetric: Double] {
        let wanted = Set(policy.bounds.keys).union(policy.champion.map { [$0.metric] } ?? [])
        let runtime = ports.runtime
        return try await offPool {
            let scores = try holdout.scores(try runtime.open(file: file), output: policy.output)
            var metrics: [QualityMetric: Double] = [:]
            for metric in wanted { metrics[metric] = try metric.value(truth: holdout.truth, scores: scores) }
            return metrics
        }
    }

    private func championGraph(_ version: ModelVersion) async throws -> String {
        let champion = try await ports.registry.version(version, of: model)
        let digests = try Evidence.digests(champion.tags[VersionTag.digests] ?? "{}")
        let graph = champion.tags[VersionTag.graph] ?? "model.onnx"
        var file = ""
        // The graph, and what it refers to beside it.
        for path in digests.keys.sorted() where ServedArtifacts.isPart(path, ofGraph: graph) {
            let target = try folder.newFile(.champion, path)
            let found = try await ports.registry.downloadArtifact(
                path,
                of: version,
                model: model,
                toFile: target
            )
            guard found == digests[path] else {
                throw PlatformError(
                    .corrupt,
                    "'\(path)' of the champion, version \(version), does not have the digest of its tag"
                )
            }
            if path == graph { file = target }
        }
        guard !file.isEmpty else {
            throw PlatformError(
                .failedPrecondition,
                "the champion, version \(version), has no digest of its graph '\(graph)'"
            )
        }
        return file
    }
}
