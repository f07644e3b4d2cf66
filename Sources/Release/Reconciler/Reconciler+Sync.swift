public import SlipwayCore
import SlipwayInference
public import SlipwayRelease

extension Reconciler {
    public func sync(_ model: ModelName, at commit: CommitID, deadline: Duration) async throws -> SyncReport {
        // Counted, not timed: the clock passed in may be a test's.
        let pollsMax = max(1, Int(deadline.milliseconds / Bound.pollInterval.milliseconds))
        let path = ReleaseFile.path(of: model, in: environment)
        let wanted = try await ports.repository.file(path, at: commit)
        for _ in 0..<pollsMax {
            await pass()
            if let report = try await outcome(model, commit, wanted: wanted, path: path) { return report }
            try await clock.sleep(for: Bound.pollInterval)
        }
        throw PlatformError(
            .unavailable,
            "release '\(model)' at \(commit.short) was not carried out in \(deadline.seconds) s: \(problem.isEmpty ? "it still differs" : problem)",
            remedy: "look at 'slipway status'"
        )
    }

    /// `nil` while it is still under way.
    private func outcome(_ model: ModelName, _ commit: CommitID, wanted: String?, path: String) async throws -> SyncReport? {
        guard let head else { return nil }
        if head != commit {
            let now = try await ports.repository.file(path, at: head)
            guard now == wanted else {
                throw PlatformError(.failedPrecondition, "release '\(model)' at \(commit.short) was replaced by a later commit \(head.short)")
            }
        }
        if let refusal = refusals.first(where: { $0.path == path }) {
            throw PlatformError(.failedPrecondition, refusal.reason, remedy: refusal.remedy)
        }
        guard let entry = try await accepted().entries[model] else {
            return wanted == nil ? try await report(model, commit) : nil
        }
        guard wanted != nil, try await serves(entry.release) else { return nil }
        return try await report(model, commit)
    }

    /// Whether every replica serves the release, as they say themselves.
    func serves(_ release: Release) async throws -> Bool {
        try await Replicas(servers: ports.servers, gateways: ports.gateways).serve(release)
    }

    func report(_ model: ModelName, _ commit: CommitID) async throws -> SyncReport {
        try await Replicas(servers: ports.servers, gateways: ports.gateways).report(model, commit)
    }

    // MARK: Status

    /// Why the last pass did not end in agreement; empty when it did.
    public var currentProblem: String { problem }

    /// Every released or refused model, as it now stands.
    public func status() async throws -> [ReleaseStatus] {
        let desired = ReconcilePlan.Desired(releases: try await accepted())
        let observed = await observe(desired)
        let refused = refusals.compactMap(\.model)
        return Set(desired.releases.entries.keys).union(refused).sorted().map { model in
            let entry = desired.releases.entries[model]
            let (sync, reason) = state(of: model, entry?.release, observed)
            var gateways: [String: ServingRoute] = [:]
            for (address, routes) in observed.gateways {
                gateways[address] = routes?.first { $0.release.model == model }
            }
            return ReleaseStatus(
                model: model,
                release: entry?.release,
                commit: entry?.commit,
                sync: sync,
                reason: reason,
                gateways: gateways,
                servers: observed.servers.mapValues { ($0?.ready[model] ?? []).sorted() }
            )
        }
    }

    private func state(
        of model: ModelName,
        _ release: Release?,
        _ observed: ReconcilePlan.Observed
    ) -> (SyncState, String) {
        if let refusal = refusals.first(where: { $0.model == model }) { return (.refused, refusal.reason) }
        guard let release else { return (.outOfSync, "not released") }
        guard gitProblem.isEmpty else { return (.unreachable, gitProblem) }
        guard !observed.servers.values.contains(where: { $0 == nil }), !observed.gateways.values.contains(where: { $0 == nil }) else {
            return (.unreachable, "a replica does not answer")
        }
        let loaded = observed.servers.values.allSatisfy { release.requiredVersions.isSubset(of: $0?.ready[model] ?? []) }
        let routed = observed.gateways.values.allSatisfy { $0?.contains { $0.release == release } ?? false }
        guard loaded, routed else { return (.outOfSync, problem) }
        return problem.isEmpty ? (.synced, "") : (.synced, problem)
    }
}
