import SlipwayCore
import SlipwayRelease
import SlipwayRouting

extension RoutePolicy {
    /// - Parameter ready: What the model server has ready: a shadow that is not among it is left out.
    init(_ release: Release, ready: Set<ModelVersion>) {
        self.init(
            cookie: release.stickiness.map { stickiness in
                StickyCookie(
                    name: stickiness.cookie,
                    isIssued: stickiness.issue,
                    maxAgeSeconds: stickiness.days * 86_400,
                    isSecure: stickiness.secure
                )
            },
            allowsChoice: release.allowsVariantHeader,
            shadow: release.shadow.flatMap { ready.contains($0.version) ? RoutedShadow($0) : nil }
        )
    }
}

extension RoutedShadow {
    init(_ shadow: Release.Shadow) {
        let comparison: Comparison
        switch shadow.compare {
        case .exact: comparison = .exact
        case .tolerance: comparison = .tolerance(absolute: shadow.absolute, relative: shadow.relative)
        case .label: comparison = .label
        }
        self.init(
            version: shadow.version,
            hundredths: shadow.percent.hundredths,
            comparison: comparison,
            queueMax: shadow.queue
        )
    }
}

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
