import SlipwayCore
import SlipwayProof
import SlipwayRelease
import SlipwayTracking

extension Reconciler {
    /// Mirrors one alias, and says to the registry why and by which commit, for its ledger.
    func mirror(_ model: ModelName, _ move: (any ModelRegistry) async throws -> Void) async throws {
        let origin = try await mirrorOrigin(of: model)
        try await ChangeOrigin.$current.withValue(origin) { try await move(ports.registry) }
    }

    private func mirrorOrigin(of model: ModelName) async throws -> ChangeOrigin {
        let path = ReleaseFile.path(of: model, in: environment)
        guard let entry = try await accepted().entries[model] else {
            return ChangeOrigin(actor: .reconciler, reason: "\(path) is gone", commit: head)
        }
        let isRepair = mirrored[model] == entry.commit
        return ChangeOrigin(
            actor: .reconciler,
            reason: isRepair ? "put back: it had left \(path)" : "follows \(path)",
            commit: entry.commit,
            proof: await proof(of: model, entry)
        )
    }

    /// The proof that the release serves, made now if it does; `nil` when it does not yet, or cannot be
    /// proven: what follows tries again and says why.
    private func proof(of model: ModelName, _ entry: AcceptedReleases.Entry) async -> Digest? {
        if let known = proven[model], known.commit == entry.commit { return known.proof }
        guard ports.proofs != nil, (try? await serves(entry.release)) == true else { return nil }
        return try? await prove(model, entry)
    }

    /// One proof for each release that is carried out, with what every replica then said.
    func prove() async throws {
        for (model, entry) in try await accepted().entries where proven[model]?.commit != entry.commit {
            _ = try await prove(model, entry)
        }
    }

    private func prove(_ model: ModelName, _ entry: AcceptedReleases.Entry) async throws -> Digest? {
        guard let proofs = ports.proofs else { return nil }
        let report = try await report(model, entry.commit)
        let digest = try await proofs.append(
            Transition(
                kind: "released",
                environment: environment,
                model: model,
                version: entry.release.champion.version,
                run: nil,
                commit: entry.commit,
                subjects: ["release": Digest(of: ReleaseFile.text(entry.release).utf8)],
                observed: try JSONValue(encoding: report),
                verdict: .pass,
                time: wallClock.now
            )
        )
        proven[model] = (entry.commit, digest)
        return digest
    }
}
