public import SlipwayCore

/// The edits that a rollout makes to a release: each a function from one valid release to the next.
extension Release {
    /// What the way of a candidate begins with: alone with all traffic when nothing serves yet, else
    /// beside the champion without any.
    public static func attaching(_ candidate: ModelVersion, of model: ModelName, to release: Release?) throws(PlatformError) -> Release {
        guard let release else {
            let first = Variant(alias: try Alias("A"), version: candidate, weight: .whole)
            return try Release(model: model, variants: [first], lastGood: candidate)
        }
        let champion = release.champion
        guard champion.version != candidate else {
            throw PlatformError(.failedPrecondition, "version \(candidate) of '\(model)' is the champion already")
        }
        let alias = try Alias(champion.alias.text == "B" ? "A" : "B")
        return try Release(
            model: model,
            variants: [
                Variant(alias: champion.alias, version: champion.version, weight: .whole),
                Variant(alias: alias, version: candidate, weight: .zero),
            ],
            lastGood: champion.version
        )
    }

    /// Gives `candidate` this share and the other variant the rest.
    public func shifting(_ candidate: ModelVersion, to weight: Weight) throws(PlatformError) -> Release {
        guard variants.count == 2, variants.contains(where: { $0.version == candidate }) else {
            throw PlatformError(.failedPrecondition, "release '\(model)' has not version \(candidate) beside one other")
        }
        var shifted: [Variant] = []
        for variant in variants {
            let share = variant.version == candidate ? weight : weight.rest
            shifted.append(Variant(alias: variant.alias, version: variant.version, weight: share))
        }
        return try Release(model: model, variants: shifted, lastGood: lastGood)
    }

    /// Makes `candidate` the only variant, as `A`; who was champion before becomes the last good.
    public func promoting(_ candidate: ModelVersion) throws(PlatformError) -> Release {
        guard variants.contains(where: { $0.version == candidate }) else {
            throw PlatformError(.failedPrecondition, "release '\(model)' has no version \(candidate)")
        }
        let only = Variant(alias: try Alias("A"), version: candidate, weight: .whole)
        return try Release(model: model, variants: [only], lastGood: lastGood)
    }

    /// What serves after going back: the last good version alone.
    public func rollingBack() throws(PlatformError) -> Release {
        guard let lastGood else {
            throw PlatformError(.failedPrecondition, "release '\(model)' names no last good version", remedy: "write spec.lastGood into the release file")
        }
        let only = Variant(alias: try Alias("A"), version: lastGood, weight: .whole)
        return try Release(model: model, variants: [only], lastGood: lastGood)
    }
}
