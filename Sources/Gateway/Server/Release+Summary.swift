import SlipwayRelease

extension Release {
    /// For messages: `A: 3 at 90, B: 4 at 10`.
    var summary: String {
        variants.map { "\($0.alias): \($0.version) at \($0.weight)" }.joined(separator: ", ")
    }
}

extension VariantCounters {
    /// What two variants of one version counted together.
    func adding(_ other: VariantCounters) -> VariantCounters {
        VariantCounters(
            requests: requests + other.requests,
            errors: errors + other.errors,
            latencyCounts: zip(latencyCounts, other.latencyCounts).map { $0 + $1 },
            nonFinite: nonFinite + other.nonFinite,
            predictions: predictions.merging(other.predictions) { $0 + $1 }
        )
    }
}
