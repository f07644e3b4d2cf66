import SlipwayCore
import SlipwayPipeline
import SlipwayTracking

extension Road {
    /// Compares the training data with the champion's.
    ///
    /// Before `train` when an earlier step has written the data, else right after it.
    func checkDrift(isTrained: Bool) async throws {
        guard spec.includes(.driftGate), await journal.record.step(.driftGate) != nil else { return }
        guard isTrained || spec.drift.map({ folder.has(.output, $0.data) }) == true else { return }
        try await step(.driftGate) { record in
            guard let policy = spec.drift else { return .skipped("no gate declared") }
            guard let champion = record.champion else {
                return .skipped("there is no champion to compare with")
            }
            guard folder.has(.output, policy.data) else {
                throw PlatformError(
                    .failedPrecondition,
                    "no step has written '\(policy.data)'",
                    remedy: "write the training features there, under $SLIPWAY_OUTPUT"
                )
            }
            let profile = try await profile(policy.data)
            var outcome: StepOutcome
            if let before = try await championProfile(champion) {
                outcome = .gate(
                    DriftGate(policy).judge(new: profile, champion: before),
                    onInconclusive: policy.onInconclusive
                )
            } else {
                let line = "inconclusive: version \(champion) has no profile of its training data"
                outcome = .gate(
                    GateReport(verdict: .inconclusive, lines: [line]),
                    onInconclusive: policy.onInconclusive
                )
            }
            if isTrained { outcome.details.append("checked after train, which wrote '\(policy.data)'") }
            return outcome
        }
    }

    func profile(_ name: String) async throws -> Profile {
        let bytes = try folder.read(.output, name)
        return try await offPool { Profile(of: try CSVTable(csv: bytes, name: name)) }
    }

    private func championProfile(_ version: ModelVersion) async throws -> Profile? {
        let champion = try await ports.registry.version(version, of: model)
        let evidence = try Evidence(tags: champion.tags)
        guard evidence.digests[Evidence.profile] != nil else { return nil }
        let file = try folder.newFile(.champion, Evidence.profile)
        try await evidence.download(Evidence.profile, from: ports.registry, toFile: file)
        return try Profile(json: try folder.read(.champion, Evidence.profile))
    }
}
