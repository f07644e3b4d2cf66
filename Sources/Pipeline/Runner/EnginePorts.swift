public import SlipwayCore
public import SlipwayInference
public import SlipwayPipeline
public import SlipwayProof
public import SlipwayRelease
public import SlipwayTracking

/// Everything outside that a run touches.
public struct EnginePorts: Sendable {
    public var registry: any ModelRegistry
    /// Every replica, each by its own address.
    public var servers: [any ModelServer]
    public var runtime: any ModelRuntime
    public var probe: any ModelProbe
    public var repository: any ReleaseRepository
    public var sync: any ReleaseSync
    public var observer: any VariantObserver
    public var notifier: any Notifier
    public var proofs: any ProofLog
    public var store: any RunStore
    public var commands: any CommandRunner
    public var origins: any PromotionOrigins
    public var clock: any Clock<Duration>
    public var wallClock: WallClock

    public init(
        registry: any ModelRegistry,
        servers: [any ModelServer],
        runtime: any ModelRuntime,
        probe: any ModelProbe,
        repository: any ReleaseRepository,
        sync: any ReleaseSync,
        observer: any VariantObserver,
        notifier: any Notifier,
        proofs: any ProofLog,
        store: any RunStore,
        commands: any CommandRunner,
        origins: any PromotionOrigins,
        clock: any Clock<Duration> = ContinuousClock(),
        wallClock: WallClock = .system
    ) {
        self.registry = registry
        self.servers = servers
        self.runtime = runtime
        self.probe = probe
        self.repository = repository
        self.sync = sync
        self.observer = observer
        self.notifier = notifier
        self.proofs = proofs
        self.store = store
        self.commands = commands
        self.origins = origins
        self.clock = clock
        self.wallClock = wallClock
    }
}

/// The other environments, as far as a promotion reads them.
public protocol PromotionOrigins: Sendable {
    /// - Throws: `not_found` when there is no such environment, `unavailable` when it does not answer.
    func origin(_ environment: EnvironmentName) async throws -> PromotionOrigin
}

/// One environment that a version may be promoted from.
public struct PromotionOrigin: Sendable {
    public let registry: any ModelRegistry
    public let repository: any ReleaseRepository

    public init(registry: any ModelRegistry, repository: any ReleaseRepository) {
        self.registry = registry
        self.repository = repository
    }
}
