public import Logging
public import NIOPosix
public import ServiceLifecycle
public import SlipwayCore
public import SlipwayFeatures
public import SlipwayHTTP
import SlipwayInference
public import SlipwayRelease
import SlipwayRouting
import Synchronization

/// One replica of the gateway: what it routes to, and how that changes.
///
/// Git decides what serves; the gateway reads that itself, from its ``ReleaseSource``, and asks the model
/// server itself whether a version is ready. Only when both agree do routes change, by one swap that no
/// request notices: what was in flight finishes on the version it began with.
public actor GatewayService: GatewayControl, VariantCounting, Service {
    public nonisolated let address: String
    /// For the gateway's listener: see ``server(host:port:eventLoops:)``.
    public nonisolated let fastRoutes: any FastRoutes
    nonisolated let token: String
    nonisolated let logger: Logger
    private let requestLog: RequestLog
    let unrouted: UnroutedMeter
    let admission: ClientAdmission?
    let backend: GatewayBackend
    private let source: any ReleaseSource
    private let readiness: any VersionReadiness
    let published: PublishedRoutes
    private let clock: any Clock<Duration>
    private var served: [ModelName: ServingRoute] = [:] {
        didSet { features.follow(served.values.map(\.release)) }
    }
    nonisolated let features: GatewayFeatures
    private var isDraining = false {
        didSet { if isDraining { health.withLock { $0 = false } } }
    }
    /// What followers of the gateway's health see: as fresh as the last look at Git.
    private let health = Mutex(false)
    private var meters: MeterShelf
    private var shadows = ShadowShelf()
    private var changes = ChangeQueue(waitingMax: GatewayLimits.changesWaitingMax)

    /// - Parameters:
    ///   - token: What `x-token` must be for a reload.
    ///   - features: Where the features come from that releases ask for.
    ///   - address: Where this replica is, for messages and proofs.
    ///   - eventLoops: Those of its listener.
    public init(
        backend: GatewayBackend,
        source: any ReleaseSource,
        readiness: any VersionReadiness,
        token: String,
        features: (any FeatureSource)? = nil,
        address: String = "embedded",
        admission: ClientAdmission? = nil,
        eventLoops: MultiThreadedEventLoopGroup = .singleton,
        clock: any Clock<Duration> = ContinuousClock(),
        logger: Logger
    ) {
        self.address = address
        self.token = token
        self.logger = logger
        requestLog = RequestLog(logger)
        self.backend = backend
        self.admission = admission
        self.source = source
        self.readiness = readiness
        self.clock = clock
        published = PublishedRoutes(eventLoops: eventLoops)
        meters = MeterShelf(shards: published.shardCount)
        unrouted = UnroutedMeter()
        let joining = GatewayFeatures(source: features)
        self.features = joining
        fastRoutes = GatewayFastRoutes(
            backend: backend, published: published, unrouted: unrouted, admission: admission, features: joining
        )
    }

    /// Follows Git until the task is cancelled or shuts down gracefully; then drains.
    public func run() async throws {
        await cancelWhenGracefulShutdown {
            while !Task.isCancelled {
                await self.refreshAndTell()
                await self.noteHealth()
                try? await self.clock.sleep(for: GatewayLimits.refreshInterval)
            }
        }
        isDraining = true
    }

    // MARK: What serves

    public func routes() -> [ServingRoute] {
        served.values.sorted { $0.release.model < $1.release.model }.map { route in
            guard let shadow = route.release.shadow else { return route }
            var route = route
            route.shadow = shadowReport(of: route.release.model, shadow: shadow.version)
            return route
        }
    }

    /// What came of a shadow's copies so far, all variants together.
    private func shadowReport(of model: ModelName, shadow: ModelVersion) -> ShadowReport {
        let meters = shadows.all.filter { $0.key.model == model && $0.key.shadow == shadow }
        var counts: [String: Int] = [:]
        for outcome in ShadowOutcome.allCases { counts[outcome.label] = meters.reduce(0) { $0 + $1.count(of: outcome) } }
        return ShadowReport(isMirrored: published.current.table.models[model]?.policy.shadow?.version == shadow, counts: counts)
    }

    var snapshot: RouteSnapshot { published.current }

    public func inFlight(model: ModelName, version: ModelVersion) -> Int {
        meters.inFlight(model: model, version: version) + shadows.inFlight(model: model, version: version)
    }

    public func counters(of model: ModelName) -> [ModelVersion: VariantCounters] {
        meters.counters(of: model)
    }

    func inFlightByVersion(of model: ModelName) -> [ModelVersion: Int] {
        var inFlight = meters.inFlight(of: model)
        for (key, count) in shadows.waiting where key.model == model { inFlight[key.version, default: 0] += count }
        return inFlight
    }

    var allMeters: [VariantMeter] { meters.all }

    var shadowMeters: [ShadowMeter] { shadows.all }

    var shadowsWaiting: [(key: ShadowLane.Key, inFlight: Int)] { shadows.waiting }

    // MARK: Change

    public func reload(_ release: Release, commit: CommitID) async throws -> Int {
        try await changing {
            let accepted = try await self.accepted()
            guard let entry = accepted.entries[release.model] else { throw Self.absent(release.model) }
            guard entry.release == release else {
                throw PlatformError(
                    .failedPrecondition,
                    "Git says otherwise for model '\(release.model)': \(entry.release.summary) instead of \(release.summary)"
                )
            }
            return try await self.takeUp(entry, of: accepted).generation
        }
    }

    /// Takes up what Git says for one model, if `alias` is among its variants and has the version asked for.
    ///
    /// - Parameters:
    ///   - model: `nil`: the only one that Git releases.
    ///   - version: `nil`: whatever Git says.
    /// - Throws: `not_found` for an unknown model or alias; `failed_precondition` when Git or the model
    ///   server says otherwise.
    func reload(_ alias: Alias, of model: ModelName?, version: ModelVersion?) async throws -> ReloadReport {
        try await changing {
            let accepted = try await self.accepted()
            let entry = try Self.entry(of: model, in: accepted)
            let release = entry.release
            guard let variant = release.variant(alias) else {
                throw PlatformError(.notFound, "model '\(release.model)' has no variant '\(alias)' in Git: \(release.summary)")
            }
            if let version, version != variant.version {
                throw PlatformError(
                    .failedPrecondition,
                    "Git says version \(variant.version) for variant '\(alias)' of model '\(release.model)', not \(version)"
                )
            }
            let routes = try await self.takeUp(entry, of: accepted)
            return ReloadReport(model: release.model, alias: alias, version: variant.version, generation: routes.generation)
        }
    }

    /// Takes up whatever Git says and the model server has ready, and leaves the rest as it is.
    ///
    /// - Returns: Why a model's routes stayed behind Git, by model.
    /// - Throws: `unavailable` when Git's word cannot be had: everything stays as it is.
    @discardableResult
    public func refresh() async throws -> [ModelName: PlatformError] {
        try await changing {
            let accepted = try await self.accepted()
            var behind: [ModelName: PlatformError] = [:]
            for (model, entry) in accepted.entries.sorted(by: { $0.key < $1.key }) where self.isNews(entry) {
                do {
                    _ = try await self.takeUp(entry, of: accepted)
                } catch {
                    behind[model] = .wrapping(error, doing: "take up the release of model '\(model)'")
                }
            }
            let kept = self.published.current.table.keeping(Set(accepted.entries.keys))
            if kept != self.published.current.table { try await self.install(kept, signatures: [:], accepted) }
            return behind
        }
    }

    /// Says that this replica is going: from now on it is not ready, and goes on answering.
    public func beginDraining() {
        isDraining = true
    }

    /// Waits until nothing is in flight any more.
    ///
    /// - Returns: False when `limit` passed first.
    public func drain(limit: Duration) async throws -> Bool {
        isDraining = true
        var waited = Duration.zero
        while meters.inFlight > 0 {
            guard waited < limit else { return false }
            try await clock.sleep(for: GatewayLimits.drainPoll)
            waited += GatewayLimits.drainPoll
        }
        return true
    }

    /// Whether this replica should get traffic.
    func readinessReport() async -> ReadinessReport {
        if isDraining { return ReadinessReport(isDraining: true, reason: "the gateway is draining") }
        let wanted = published.current.table.versions
        guard !wanted.isEmpty else { return ReadinessReport(reason: "no model has routes") }
        do {
            let ready = try await readyVersions(deadline: GatewayLimits.readyDeadline)
            for (model, versions) in wanted.sorted(by: { $0.key < $1.key }) {
                if let missing = versions.subtracting(ready[model] ?? []).min() { throw Self.unready(missing, model) }
            }
        } catch {
            return ReadinessReport(reason: PlatformError.wrapping(error, doing: "ask the model server", code: .unavailable).message)
        }
        return isDraining ? ReadinessReport(isDraining: true, reason: "the gateway is draining") : ReadinessReport()
    }

    nonisolated var isHealthy: Bool { health.withLock { $0 } }

    private func noteHealth() async {
        let isReady = await readinessReport().isReady
        health.withLock { $0 = isReady && !isDraining }
    }

    // MARK: How

    private func refreshAndTell() async {
        do {
            for (model, error) in try await refresh() {
                logger.debug("routes stay behind Git", metadata: ["model.name": "\(model)", "error": "\(error)"])
            }
        } catch {
            logger.warning("Git's word cannot be had; routes stay", metadata: ["error": "\(error)"])
        }
    }

    private func isNews(_ entry: AcceptedReleases.Entry) -> Bool {
        guard let known = served[entry.release.model] else { return true }
        if known.release != entry.release || known.commit != entry.commit { return true }
        // Routes do not wait for a shadow: it is taken up when it is ready.
        return entry.release.shadow?.version != published.current.table.models[entry.release.model]?.policy.shadow?.version
    }

    private func accepted() async throws -> AcceptedReleases {
        let source = source
        return try await withDeadline(GatewayLimits.changeDeadline, clock, "what Git says was not known in time") {
            try await source.accepted()
        }
    }

    private func readyVersions(deadline: Duration) async throws -> [ModelName: Set<ModelVersion>] {
        let readiness = readiness
        return try await withDeadline(deadline, clock, "the model server did not say in time what is ready") {
            try await readiness.readyVersions()
        }
    }

    /// Routes by an entry of what Git says, once the model server has all of its variants ready.
    private func takeUp(_ entry: AcceptedReleases.Entry, of accepted: AcceptedReleases) async throws -> ModelRoutes {
        let release = entry.release
        let model = release.model
        let ready = try await readyVersions(deadline: GatewayLimits.changeDeadline)[model] ?? []
        var signatures: [ModelVersion: ModelSignature] = [:]
        for variant in release.variants {
            guard ready.contains(variant.version) else { throw Self.unready(variant.version, model) }
            signatures[variant.version] = try await signature(of: model, version: variant.version)
        }
        let variants = release.variants.map {
            RoutedVariant(alias: $0.alias, version: $0.version, weightHundredths: $0.weight.hundredths)
        }
        let policy = RoutePolicy(release, ready: ready)
        let table = try published.current.table.routing(model, to: variants, policy: policy).keeping(Set(accepted.entries.keys))
        try await install(table, signatures: [model: signatures], accepted)
        guard let routes = table.models[model] else { throw Self.absent(model) }
        served[model] = ServingRoute(release: release, commit: entry.commit, generation: routes.generation)
        return routes
    }

    private func signature(of model: ModelName, version: ModelVersion) async throws -> ModelSignature {
        // A version never changes, so neither does its signature.
        let known = published.current.models[model.text]?.targets.first { $0.version == version }
        if let known { return known.signature }
        return try await backend.signature(of: model, version: version)
    }

    private func install(
        _ table: RoutingTable,
        signatures: [ModelName: [ModelVersion: ModelSignature]],
        _ accepted: AcceptedReleases
    ) async throws {
        let current = published.current
        guard table != current.table else { return }
        var models: [String: ServingModel] = [:]
        for (model, routes) in table.models {
            if let known = current.models[model.text], known.routes == routes {
                models[model.text] = known
                continue
            }
            models[model.text] = ServingModel(
                routes: routes,
                targets: routes.variants.map { variant in
                    guard let signature = signatures[model]?[variant.version] else {
                        preconditionFailure("routes of model '\(model)' changed without the signature of version \(variant.version)")
                    }
                    return target(variant, of: routes, signature)
                }
            )
        }
        try await published.publish(RouteSnapshot(table: table, models: models))
        served = served.filter { table.models[$0.key] != nil }
        meters.retire(except: table)
        shadows.retire(except: table)
        logger.info("routes changed", metadata: ["generation": "\(table.generation)", "models": "\(models.count)"])
    }

    private func target(_ variant: RoutedVariant, of routes: ModelRoutes, _ signature: ModelSignature) -> ServingTarget {
        let model = routes.model
        let mirror = routes.policy.shadow.map { shadow in
            let key = ShadowMeter.Key(model: model, alias: variant.alias, version: variant.version, shadow: shadow.version)
            let lane = shadows.lane(.init(model: model, version: shadow.version), backend, queueMax: shadow.queueMax)
            return ShadowMirror(lane: lane, meter: shadows.meter(key), shadow: shadow, signature: signature)
        }
        return ServingTarget(
            variant: variant,
            generation: routes.generation,
            signature: signature,
            meter: meters.meter(VariantMeter.Key(model: model, alias: variant.alias, version: variant.version)),
            mirror: mirror,
            log: requestLog
        )
    }

    /// Runs one change at a time, in the order in which they were asked for.
    private func changing<Result>(_ change: () async throws -> Result) async throws -> Result {
        try await withCheckedThrowingContinuation { changes.enter($0) }
        defer { changes.leave() }
        return try await change()
    }

    private static func entry(of model: ModelName?, in accepted: AcceptedReleases) throws -> AcceptedReleases.Entry {
        if let model {
            guard let entry = accepted.entries[model] else {
                throw PlatformError(.notFound, "Git has no release of model '\(model)'")
            }
            return entry
        }
        guard accepted.entries.count <= 1 else {
            throw PlatformError(
                .invalidArgument,
                "Git releases \(accepted.entries.count) models and the request names none",
                remedy: "send {\"model\":…}"
            )
        }
        guard let entry = accepted.entries.values.first else {
            throw PlatformError(.notFound, "Git has no release of any model")
        }
        return entry
    }

    private static func absent(_ model: ModelName) -> PlatformError {
        PlatformError(.failedPrecondition, "Git has no release of model '\(model)'")
    }

    private static func unready(_ version: ModelVersion, _ model: ModelName) -> PlatformError {
        PlatformError(.failedPrecondition, "version \(version) of model '\(model)' is not ready at the model server")
    }
}
