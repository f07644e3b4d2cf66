public import SlipwayCore

/// One variant as the gateway routes to it.
public struct RoutedVariant: Sendable, Hashable {
    public let alias: Alias
    public let version: ModelVersion
    /// Its share of traffic in hundredths of a percent, 0 to 10,000.
    public let weightHundredths: Int

    public init(alias: Alias, version: ModelVersion, weightHundredths: Int) {
        self.alias = alias
        self.version = version
        self.weightHundredths = weightHundredths
    }
}

/// The variants of one model, and which of them answers a request.
///
/// In the order of their aliases the variants own consecutive ranges of buckets, as wide as their
/// weights. So while one variant grows and no other does, clients enter it and none leaves it. (No rule
/// without memory could promise more: with three variants, two that grow at once at the third's cost
/// cannot both keep all of theirs in every order of steps.)
public struct ModelRoutes: Sendable, Hashable {
    public let model: ModelName
    /// The table's generation in which these routes came up; the same routes again keep it.
    public let generation: Int
    /// In the order of their aliases.
    public let variants: [RoutedVariant]
    public let policy: RoutePolicy
    private let seed: BucketSeed
    /// For each variant, the first bucket that is no longer its own.
    private let ends: [Int]

    /// - Throws: `invalid_argument` when there is no variant, an alias stands twice, or the weights do not
    ///   add up to 100 percent.
    public init(
        model: ModelName,
        generation: Int,
        variants: [RoutedVariant],
        policy: RoutePolicy = RoutePolicy()
    ) throws(PlatformError) {
        guard !variants.isEmpty else {
            throw PlatformError(.invalidArgument, "model '\(model)' has no variant to route to")
        }
        guard Set(variants.map(\.alias)).count == variants.count else {
            throw PlatformError(.invalidArgument, "model '\(model)' has two variants under one alias")
        }
        guard variants.allSatisfy({ (0...10_000).contains($0.weightHundredths) }),
            variants.reduce(0, { $0 + $1.weightHundredths }) == Int(ClientBucket.count)
        else {
            throw PlatformError(.invalidArgument, "the weights of model '\(model)' do not add up to 100")
        }
        if let shadow = policy.shadow, variants.contains(where: { $0.version == shadow.version }) {
            throw PlatformError(.invalidArgument, "version \(shadow.version) of model '\(model)' is a variant and its own shadow")
        }
        self.model = model
        self.generation = generation
        self.policy = policy
        self.variants = variants.sorted { $0.alias < $1.alias }
        self.seed = BucketSeed(model: model.text)
        var end = 0
        self.ends = self.variants.map { variant in
            end += variant.weightHundredths
            return end
        }
    }

    public func bucket(ofClient id: some Sequence<UInt8>) -> ClientBucket {
        seed.bucket(ofClient: id)
    }

    /// The index in ``variants`` of the one that owns the bucket. A variant with weight 0 owns none.
    public func index(of bucket: ClientBucket) -> Int {
        var index = 0
        while bucket.number >= ends[index] { index += 1 }
        return index
    }

    /// The index in ``variants`` of an alias, whatever its weight.
    public func index(of alias: some StringProtocol) -> Int? {
        variants.firstIndex { $0.alias.text == alias }
    }

    /// The same routes, whatever their generation.
    public func routesEqually(to other: ModelRoutes) -> Bool {
        model == other.model && variants == other.variants && policy == other.policy
    }

    /// The variant with the most traffic; the first by alias among equals.
    public var champion: RoutedVariant {
        variants.reduce(variants[0]) { $1.weightHundredths > $0.weightHundredths ? $1 : $0 }
    }
}
