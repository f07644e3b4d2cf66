public import SlipwayCore

/// What serves for one model: the content of `envs/<env>/models/<model>.yaml`.
///
/// Valid by construction: at least one variant, no alias twice, no version twice, weights that add up to
/// 100, a shadow that is none of the variants.
public struct Release: Sendable, Hashable, Codable {
    public struct Variant: Sendable, Hashable, Codable {
        public let alias: Alias
        public let version: ModelVersion
        /// Its share of traffic in hundredths of a percent, 0 to 10,000.
        public let weight: Weight

        public init(alias: Alias, version: ModelVersion, weight: Weight) {
            self.alias = alias
            self.version = version
            self.weight = weight
        }
    }

    public let model: ModelName
    /// What the gateway joins to each request; `nil`: nothing.
    public var features: Features?
    /// In the order of their aliases.
    public let variants: [Variant]
    /// The version to go back to.
    public let lastGood: ModelVersion?
    /// The version that gets copies of requests.
    public let shadow: Shadow?
    /// What makes clients sticky besides the header `x-client-id`.
    public let stickiness: Stickiness?
    /// Whether testers may choose their variant with the header `x-variant`.
    public let allowsVariantHeader: Bool

    /// - Throws: `invalid_argument` that says which rule is broken.
    public init(
        model: ModelName,
        variants: [Variant],
        lastGood: ModelVersion?,
        shadow: Shadow? = nil,
        stickiness: Stickiness? = nil,
        allowsVariantHeader: Bool = false
    ) throws(PlatformError) {
        guard !variants.isEmpty else {
            throw PlatformError(.invalidArgument, "release '\(model)' has no variant", remedy: "declare at least one under spec.variants")
        }
        guard Set(variants.map(\.alias)).count == variants.count else {
            throw PlatformError(.invalidArgument, "release '\(model)' declares an alias twice")
        }
        guard Set(variants.map(\.version)).count == variants.count else {
            throw PlatformError(
                .invalidArgument,
                "release '\(model)' serves one version under two aliases",
                remedy: "give each variant a version of its own"
            )
        }
        let sum = variants.reduce(0) { $0 + $1.weight.hundredths }
        guard sum == Weight.whole.hundredths else {
            throw PlatformError(
                .invalidArgument,
                "the weights of release '\(model)' add up to \(Weight.text(hundredths: sum)), not 100"
            )
        }
        if let shadow, variants.contains(where: { $0.version == shadow.version }) {
            throw PlatformError(
                .invalidArgument,
                "release '\(model)' has version \(shadow.version) as a variant and as its shadow",
                remedy: "take it out of spec.shadow or out of spec.variants"
            )
        }
        self.model = model
        self.variants = variants.sorted { $0.alias < $1.alias }
        self.lastGood = lastGood
        self.shadow = shadow
        self.stickiness = stickiness
        self.allowsVariantHeader = allowsVariantHeader
    }

    private enum CodingKeys: String, CodingKey {
        case model, variants, lastGood, shadow, stickiness, allowsVariantHeader, features
    }

    /// Reads what an older version has written as well: what it did not know is off.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        try self.init(
            model: try container.decode(ModelName.self, forKey: .model),
            variants: try container.decode([Variant].self, forKey: .variants),
            lastGood: try container.decodeIfPresent(ModelVersion.self, forKey: .lastGood),
            shadow: try container.decodeIfPresent(Shadow.self, forKey: .shadow),
            stickiness: try container.decodeIfPresent(Stickiness.self, forKey: .stickiness),
            allowsVariantHeader: try container.decodeIfPresent(Bool.self, forKey: .allowsVariantHeader) ?? false
        )
        features = try container.decodeIfPresent(Features.self, forKey: .features)
    }

    /// Versions that must be loaded: every variant's, whatever its weight, and the last good one, so
    /// that going back needs no load.
    public var requiredVersions: Set<ModelVersion> {
        Set(variants.map(\.version)).union(lastGood.map { [$0] } ?? [])
    }

    /// Versions that the release names: what must be loaded, and the shadow, which is loaded too but
    /// keeps nothing waiting.
    public var namedVersions: Set<ModelVersion> {
        requiredVersions.union(shadow.map { [$0.version] } ?? [])
    }

    public func variant(_ alias: Alias) -> Variant? {
        variants.first { $0.alias == alias }
    }

    /// The variant with the most traffic; the first by alias among equals.
    public var champion: Variant {
        variants.reduce(variants[0]) { $1.weight.hundredths > $0.weight.hundredths ? $1 : $0 }
    }
}

/// A share of traffic, kept in hundredths of a percent so that sums are exact.
public struct Weight: Sendable, Hashable, Codable, CustomStringConvertible {
    public let hundredths: Int

    public static let zero = Weight(unchecked: 0)
    public static let whole = Weight(unchecked: 10_000)

    private init(unchecked hundredths: Int) {
        self.hundredths = hundredths
    }

    public init(hundredths: Int) throws(PlatformError) {
        guard (0...10_000).contains(hundredths) else {
            throw PlatformError(.invalidArgument, "weight \(Self.text(hundredths: hundredths)) is not between 0 and 100")
        }
        self.hundredths = hundredths
    }

    /// - Parameter percent: 0 to 100, with at most two decimals.
    public init(percent: Double) throws(PlatformError) {
        let hundredths = (percent * 100).rounded()
        guard percent.isFinite, (0...10_000).contains(hundredths), abs(hundredths - percent * 100) < 1e-6 else {
            throw PlatformError(.invalidArgument, "weight \(percent) is not a percentage with at most two decimals")
        }
        self.hundredths = Int(hundredths)
    }

    public init(from decoder: any Decoder) throws {
        try self.init(hundredths: try decoder.singleValueContainer().decode(Int.self))
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(hundredths)
    }

    /// What is left of 100.
    public var rest: Weight { Weight(unchecked: 10_000 - hundredths) }

    /// In percent, as a release file writes it: `10`, `0.5`.
    public var description: String { Self.text(hundredths: hundredths) }

    static func text(hundredths: Int) -> String {
        let fraction = hundredths.magnitude % 100
        let whole = "\(hundredths / 100)"
        guard fraction != 0 else { return whole }
        let digits = fraction % 10 == 0 ? "\(fraction / 10)" : (fraction < 10 ? "0\(fraction)" : "\(fraction)")
        return "\(whole).\(digits)"
    }
}
