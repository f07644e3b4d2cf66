public import SlipwayCore

/// What is to be done so that what serves equals what Git says.
///
/// A pure function of the desired and the observed state: no clock, no network. The reconciler carries
/// the actions out in order; the next plan begins from what it then sees, so a crash between any two of
/// them loses nothing. When everything agrees the plan is empty.
///
/// The order keeps the promise that no traffic meets a version that is not ready: load on every model
/// server, then route, then mirror the aliases, then load the shadow, for which nothing waits, and unload
/// only what no gateway names and nothing uses.
public struct ReconcilePlan: Sendable, Hashable {
    public enum Action: Sendable, Hashable {
        case load(ModelName, ModelVersion, server: String)
        case reload(Release, commit: CommitID, gateway: String)
        case setAlias(ModelName, Alias, ModelVersion)
        case removeAlias(ModelName, Alias)
        case unload(ModelName, ModelVersion, server: String)
    }

    /// The releases, and versions that runs hold loaded.
    public struct Desired: Sendable, Hashable {
        public var releases: AcceptedReleases
        public var held: [ModelName: Set<ModelVersion>]

        public init(releases: AcceptedReleases, held: [ModelName: Set<ModelVersion>] = [:]) {
            self.releases = releases
            self.held = held
        }
    }

    /// What was seen. A replica that did not answer is `nil`: nothing is planned on it, and nothing that
    /// would need it.
    public struct Observed: Sendable, Hashable {
        public struct Server: Sendable, Hashable {
            public var ready: [ModelName: Set<ModelVersion>]
            /// Loading or failed: there, but not to be routed to.
            public var present: [ModelName: Set<ModelVersion>]

            public init(ready: [ModelName: Set<ModelVersion>] = [:], present: [ModelName: Set<ModelVersion>] = [:]) {
                self.ready = ready
                self.present = present
            }
        }

        public var servers: [String: Server?]
        public var gateways: [String: [ServingRoute]?]
        /// `nil`: the registry did not answer, and no alias is touched.
        public var aliases: [ModelName: [Alias: ModelVersion]]?

        public init(
            servers: [String: Server?],
            gateways: [String: [ServingRoute]?],
            aliases: [ModelName: [Alias: ModelVersion]]?
        ) {
            self.servers = servers
            self.gateways = gateways
            self.aliases = aliases
        }
    }

    public let actions: [Action]

    /// The alias that names the variant with the most traffic.
    public static let championAlias = "champion"

    public init(desired: Desired, observed: Observed) {
        var actions: [Action] = []
        for (model, entry) in desired.releases.entries.sorted(by: { $0.key < $1.key }) {
            let release = entry.release
            let missing = Self.loads(release.requiredVersions, release.model, observed)
            actions += missing
            let blocked = Self.isBlocked(release, observed, planned: missing)
            if !blocked { actions += Self.reloads(release, entry.commit, observed) }
            actions += Self.aliasMoves(model, release, observed)
            actions += Self.loads(release.namedVersions.subtracting(release.requiredVersions), model, observed)
        }
        actions += Self.goneAliases(desired, observed)
        actions += Self.unloads(desired, observed)
        self.actions = actions
    }

    public var isEmpty: Bool { actions.isEmpty }

    private static func loads(_ versions: Set<ModelVersion>, _ model: ModelName, _ observed: Observed) -> [Action] {
        observed.servers.sorted { $0.key < $1.key }.flatMap { address, server -> [Action] in
            guard let server else { return [] }
            let ready = server.ready[model] ?? []
            return versions.subtracting(ready).sorted().map { .load(model, $0, server: address) }
        }
    }

    /// Whether some replica that must serve the release did not answer: then routes stay as they are.
    private static func isBlocked(_ release: Release, _ observed: Observed, planned: [Action]) -> Bool {
        observed.servers.values.contains { $0 == nil }
    }

    private static func reloads(_ release: Release, _ commit: CommitID, _ observed: Observed) -> [Action] {
        observed.gateways.sorted { $0.key < $1.key }.compactMap { address, routes -> Action? in
            guard let routes else { return nil }
            guard routes.first(where: { $0.release.model == release.model })?.release != release else { return nil }
            return .reload(release, commit: commit, gateway: address)
        }
    }

    /// The aliases that the registry should show for a release: each variant's, and the champion.
    public static func aliases(of release: Release) -> [Alias: ModelVersion] {
        var aliases: [Alias: ModelVersion] = [:]
        for variant in release.variants { aliases[variant.alias] = variant.version }
        if let champion = try? Alias(championAlias) { aliases[champion] = release.champion.version }
        return aliases
    }

    private static func aliasMoves(_ model: ModelName, _ release: Release, _ observed: Observed) -> [Action] {
        guard let known = observed.aliases else { return [] }
        let wanted = aliases(of: release)
        let current = known[model] ?? [:]
        let moves = wanted.sorted { $0.key < $1.key }.filter { current[$0.key] != $0.value }
        // Variants are A, B, …: a single letter that no variant has any more is ours to take away.
        let stale = current.keys.filter { wanted[$0] == nil && isVariantAlias($0) }.sorted()
        return moves.map { .setAlias(model, $0.key, $0.value) } + stale.map { .removeAlias(model, $0) }
    }

    private static func goneAliases(_ desired: Desired, _ observed: Observed) -> [Action] {
        guard let known = observed.aliases else { return [] }
        return known.sorted { $0.key < $1.key }.flatMap { model, aliases -> [Action] in
            guard desired.releases.entries[model] == nil else { return [] }
            return aliases.keys.filter { isVariantAlias($0) || $0.text == championAlias }.sorted().map { .removeAlias(model, $0) }
        }
    }

    private static func isVariantAlias(_ alias: Alias) -> Bool {
        alias.text.utf8.count == 1 && alias.text.first?.isUppercase == true
    }

    private static func unloads(_ desired: Desired, _ observed: Observed) -> [Action] {
        // Without a word from every gateway, nobody knows that a version is unused.
        guard observed.gateways.values.allSatisfy({ $0 != nil }) else { return [] }
        let routed = observed.gateways.values.compactMap { $0 }.joined()
        return observed.servers.sorted { $0.key < $1.key }.flatMap { address, server -> [Action] in
            guard let server else { return [] }
            let models = Set(server.ready.keys).union(server.present.keys).sorted()
            return models.flatMap { model -> [Action] in
                let there = (server.ready[model] ?? []).union(server.present[model] ?? [])
                var needed = desired.releases.entries[model]?.release.namedVersions ?? []
                needed.formUnion(desired.held[model] ?? [])
                for route in routed where route.release.model == model {
                    needed.formUnion(route.release.variants.map(\.version))
                    if let shadow = route.release.shadow { needed.insert(shadow.version) }
                }
                return there.subtracting(needed).sorted().map { .unload(model, $0, server: address) }
            }
        }
    }
}
