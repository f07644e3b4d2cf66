public import SlipwayCore

/// All routes of a gateway at one moment.
///
/// A value: a change makes a new table with the next generation, and requests that began with the old
/// one keep it.
public struct RoutingTable: Sendable, Hashable {
    /// Grows by one with every table that routes differently; 0 is the empty table at the start.
    public let generation: Int
    public let models: [ModelName: ModelRoutes]

    public static let empty = RoutingTable(generation: 0, models: [:])

    private init(generation: Int, models: [ModelName: ModelRoutes]) {
        self.generation = generation
        self.models = models
    }

    /// The table with these variants for `model`; the same table when it routes them so already.
    ///
    /// - Throws: As ``ModelRoutes/init(model:generation:variants:policy:)``.
    public func routing(
        _ model: ModelName,
        to variants: [RoutedVariant],
        policy: RoutePolicy = RoutePolicy()
    ) throws(PlatformError) -> RoutingTable {
        let routes = try ModelRoutes(model: model, generation: generation + 1, variants: variants, policy: policy)
        if let known = models[model], known.routesEqually(to: routes) { return self }
        var changed = models
        changed[model] = routes
        return RoutingTable(generation: generation + 1, models: changed)
    }

    /// The table without the models that are not among `kept`; the same table when all are.
    public func keeping(_ kept: Set<ModelName>) -> RoutingTable {
        let changed = models.filter { kept.contains($0.key) }
        guard changed.count != models.count else { return self }
        return RoutingTable(generation: generation + 1, models: changed)
    }

    /// Every version that can answer a request, by model; a shadow answers nobody.
    public var versions: [ModelName: Set<ModelVersion>] {
        models.mapValues { Set($0.variants.map(\.version)) }
    }
}
