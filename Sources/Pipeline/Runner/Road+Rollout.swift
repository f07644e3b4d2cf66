import SlipwayCore
import SlipwayPipeline
import SlipwayRelease

extension Road {
    /// Attaches the candidate, shifts traffic to it, observes it and makes it the champion.
    func rollOut() async throws {
        let hasChampion = await journal.record.champion != nil
        var rollout = Rollout(spec.rollout, hasChampion: hasChampion)
        var action = rollout.start()
        var lastChampion: ObservedVariant?
        while true {
            switch action {
            case .attach:
                try await attach()
                action = rollout.take(.done)
            case .shift(let weight):
                try await shift(weight)
                action = rollout.take(.done)
            case .observe(let weight):
                let (record, champion) = try await observe(weight, lastChampion: lastChampion)
                lastChampion = champion ?? lastChampion
                action = rollout.take(.judged(record.verdict ?? .pass, isOverdue: true))
            case .promote:
                try await promote()
                action = rollout.take(.done)
            case .rollBack:
                throw RoadStop(kind: .refused, step: "rollout", reason: "the candidate may not go on")
            case .finish:
                if !hasChampion { try await skipShifts() }
                return
            }
        }
    }

    /// A first release has nothing to shift from and nothing to compare with.
    func skipShifts() async throws {
        let why = "first release: there is no champion to shift from"
        try await journal.update { record in
            for index in record.steps.indices where [.shift, .observe].contains(record.steps[index].name) {
                guard record.steps[index].state == .waiting else { continue }
                record.steps[index].state = .skipped
                record.steps[index].details = [why]
            }
        }
    }

    func attach() async throws {
        try await step(.attach) { record in
            if !record.mayBeInGit { try await noteReleaseBefore(record) }
            let noted = await journal.record
            let text = try text(candidateWeight: .zero, noted)
            let what =
                noted.champion == nil
                ? "Release \(model) version \(version(noted))"
                : "Attach \(model) version \(version(noted)) at 0 %"
            return .passed(try await carryOut(text, title: what))
        }
    }

    func shift(_ weight: Percent) async throws {
        try await step(.shift, weight.text) { record in
            let text = try text(candidateWeight: try Weight(hundredths: weight.hundredths), record)
            return .passed(
                try await carryOut(
                    text,
                    title: "Shift \(weight.text) % of \(model) to version \(version(record))"
                )
            )
        }
    }

    func promote() async throws {
        try await step(.shift, "promote") { record in
            let candidate = try requireCandidate(record)
            let before = try record.releaseBefore.map { try ReleaseFile.parse($0, path: releases.path) }
            let release = try Release(
                model: model,
                variants: [.init(alias: try Alias("A"), version: candidate, weight: .whole)],
                lastGood: record.champion,
                shadow: before?.shadow(beside: candidate),
                stickiness: before?.stickiness,
                allowsVariantHeader: before?.allowsVariantHeader ?? false
            )
            let lines = try await carryOut(
                ReleaseFile.text(release),
                title: "Promote \(model) version \(version(record))"
            )
            try await prove("promoted", observed: .lines(lines), commit: await journal.record.releaseCommit)
            return .passed(lines)
        }
    }

    private func version(_ record: RunRecord) -> String { record.candidate?.description ?? "?" }

    private func requireCandidate(_ record: RunRecord) throws -> ModelVersion {
        guard let version = record.candidate else {
            throw PlatformError(.failedPrecondition, "run '\(id)' has no candidate")
        }
        return version
    }

    /// Checks that what serves is what the gates have compared with, and notes it for a rollback.
    private func noteReleaseBefore(_ record: RunRecord) async throws {
        let serving = try await releases.serving()
        guard serving?.release.champion.version == record.champion else {
            let now = serving.map { "version \($0.release.champion.version)" } ?? "nothing"
            let before = record.champion.map { "version \($0)" } ?? "nothing"
            throw RoadStop(
                kind: .superseded,
                step: "attach",
                reason: "\(now) serves '\(model)' now; the gates compared with \(before). Run it again"
            )
        }
        if let busy = serving?.release { try expectWhole(busy, step: "attach") }
        let (text, commit) = (serving?.text, serving?.commit)
        try await journal.update {
            $0.releaseBefore = text
            $0.releaseBeforeCommit = commit
        }
    }

    /// The release with the candidate beside the champion; alone when there is none.
    private func text(candidateWeight weight: Weight, _ record: RunRecord) throws -> String {
        let candidate = try requireCandidate(record)
        guard let before = record.releaseBefore else {
            let alone = Release.Variant(alias: try Alias("A"), version: candidate, weight: .whole)
            return ReleaseFile.text(try Release(model: model, variants: [alone], lastGood: candidate))
        }
        let serving = try ReleaseFile.parse(before, path: releases.path)
        let champion = serving.champion
        let alias = try Alias(champion.alias.text == "B" ? "A" : "B")
        return ReleaseFile.text(
            try Release(
                model: model,
                variants: [
                    .init(alias: champion.alias, version: champion.version, weight: weight.rest),
                    .init(alias: alias, version: candidate, weight: weight),
                ],
                lastGood: champion.version,
                shadow: serving.shadow(beside: candidate),
                stickiness: serving.stickiness,
                allowsVariantHeader: serving.allowsVariantHeader
            )
        )
    }

    /// Commits the text and waits until every replica serves it.
    private func carryOut(_ text: String, title: String) async throws -> [String] {
        let record = await journal.record
        let text = ReleaseFile.text(text, keepingFeaturesOf: record.releaseBefore, path: releases.path)
        let left = record.releaseCommit == nil ? record.releaseBefore : record.releaseLeft
        // An intent of an interrupted attempt may be in Git as well.
        let known = [left, record.releaseIntended ?? left]
        try await journal.update { $0.releaseIntended = text }
        let commit: CommitID
        switch try await releases.publish(text, replacing: known, message: message(title, record)) {
        case .published(let made): commit = made
        case .superseded:
            throw RoadStop(
                kind: .superseded,
                step: title,
                reason: "somebody else has changed '\(releases.path)'; theirs stays"
            )
        }
        try await journal.update {
            $0.releaseCommit = commit
            $0.releaseLeft = text
        }
        let report = try await ports.sync.sync(model, at: commit, deadline: settings.syncLimit)
        try await proveReload(report, commit)
        return ["commit \(commit.short)"]
            + report.gatewayGenerations.sorted { $0.key < $1.key }.map {
                "gateway '\($0.key)' serves generation \($0.value)"
            }
    }

    /// Every gateway has answered; every model server has the candidate.
    private func proveReload(_ report: SyncReport, _ commit: CommitID) async throws {
        let candidate = try requireCandidate(await journal.record)
        guard !report.gatewayGenerations.isEmpty else {
            throw PlatformError(.unavailable, "no gateway has taken commit \(commit.short) up")
        }
        if let lacking = report.readyVersions.sorted(by: { $0.key < $1.key }).first(where: {
            !$0.value.contains(candidate)
        }) {
            throw PlatformError(.unavailable, "replica '\(lacking.key)' does not serve version \(candidate)")
        }
        try await prove(
            "gateway-reloaded",
            observed: .object([
                "generations": .object(report.gatewayGenerations.mapValues { .int(Int64($0)) }),
                "ready": .object(
                    report.readyVersions.mapValues { versions in
                        .array(versions.map { .int(Int64($0.number)) })
                    }
                ),
            ]),
            commit: commit,
            condition: .gatewayReloaded
        )
    }

    func message(_ title: String, _ record: RunRecord) -> String {
        var lines = [title, "", "Slipway-Run: \(id)", "Slipway-Candidate: \(version(record))"]
        if let graph = record.graph, let digest = record.digests[graph] {
            lines.append("Slipway-Digest: \(graph) \(digest)")
        }
        if let source = record.promotion {
            lines.append("Slipway-Promoted-From: \(source.environment)/\(model)/\(source.version)")
        }
        return lines.joined(separator: "\n")
    }
}
