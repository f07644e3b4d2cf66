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
            lastGood: champion.version,
            shadow: release.shadow(beside: candidate),
            stickiness: release.stickiness,
            allowsVariantHeader: release.allowsVariantHeader
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
        return try with(shifted, shadow: shadow)
    }

    /// Makes `candidate` the only variant, as `A`; who was champion before becomes the last good.
    public func promoting(_ candidate: ModelVersion) throws(PlatformError) -> Release {
        guard variants.contains(where: { $0.version == candidate }) else {
            throw PlatformError(.failedPrecondition, "release '\(model)' has no version \(candidate)")
        }
        let only = Variant(alias: try Alias("A"), version: candidate, weight: .whole)
        return try with([only], shadow: shadow)
    }

    /// What serves after going back: the last good version alone, without a shadow.
    public func rollingBack() throws(PlatformError) -> Release {
        guard let lastGood else {
            throw PlatformError(.failedPrecondition, "release '\(model)' names no last good version", remedy: "write spec.lastGood into the release file")
        }
        let only = Variant(alias: try Alias("A"), version: lastGood, weight: .whole)
        return try with([only], shadow: nil)
    }

    /// Gives copies of `percent` of the requests to a version that answers nobody.
    ///
    /// - Throws: `failed_precondition` when the version is a variant already.
    public func shadowing(_ shadow: Shadow) throws(PlatformError) -> Release {
        guard !variants.contains(where: { $0.version == shadow.version }) else {
            throw PlatformError(.failedPrecondition, "version \(shadow.version) of '\(model)' serves already")
        }
        return try with(variants, shadow: shadow)
    }

    /// The shadow, unless it is the version that comes out of it to serve.
    public func shadow(beside candidate: ModelVersion) -> Shadow? {
        shadow?.version == candidate ? nil : shadow
    }

    private func with(_ variants: [Variant], shadow: Shadow?) throws(PlatformError) -> Release {
        try Release(
            model: model,
            variants: variants,
            lastGood: lastGood,
            shadow: shadow,
            stickiness: stickiness,
            allowsVariantHeader: allowsVariantHeader
        )
    }
}
