public import Logging
public import ServiceLifecycle
import SlipwayApps
public import SlipwayCore
public import SlipwayInference
public import SlipwayProof
public import SlipwayRelease
public import SlipwayTracking

/// Makes what serves equal to what Git says: at each commit, every few seconds, and when asked.
///
/// It decides nothing itself: ``ReleaseAcceptance`` says what Git's word is, ``ReconcilePlan`` what is to
/// be done; this carries the plan out, one action after another, and looks again. A failing action ends
/// the pass, and the next pass plans anew from what it then sees.
public actor Reconciler: ReleaseSync, ReleaseSource, Service {
    /// Everything the reconciler reaches out to.
    public struct Ports: Sendable {
        public var repository: any ReleaseRepository
        public var registry: any ModelRegistry
        public var fetcher: VersionFetcher
        public var servers: [any ModelServer]
        public var gateways: [any GatewayControl]
        public var holds: any CandidateHolds
        public var state: AcceptedState
        public var proofs: (any ProofLog)?
        /// `nil`: nobody follows `envs/<env>/platform.yaml`.
        public var platform: PlatformState?
        /// Asked before each pass where replicas come and go; `nil`: `servers` and `gateways` are all.
        public var replicas: ReplicaSource?

        public init(
            repository: any ReleaseRepository,
            registry: any ModelRegistry,
            fetcher: VersionFetcher,
            servers: [any ModelServer],
            gateways: [any GatewayControl],
            holds: any CandidateHolds,
            state: AcceptedState,
            proofs: (any ProofLog)?,
            platform: PlatformState? = nil,
            replicas: ReplicaSource? = nil
        ) {
            self.repository = repository
            self.registry = registry
            self.fetcher = fetcher
            self.servers = servers
            self.gateways = gateways
            self.holds = holds
            self.state = state
            self.proofs = proofs
            self.platform = platform
            self.replicas = replicas
        }
    }

    public enum Bound {
        /// How often it looks without being asked.
        public static let interval = Duration.seconds(3)
        static let pollInterval = Duration.milliseconds(50)
        /// Rounds of plan and action in one pass; a pass that needs more goes on with the next.
        static let roundsMax = 8
        static let drainPollsMax = 200
        static let drainPoll = Duration.milliseconds(10)
    }

    let environment: EnvironmentName
    var ports: Ports
    let clock: any Clock<Duration>
    let wallClock: WallClock
    let logger: Logger
    private let interval: Duration

    var accepted: AcceptedReleases?
    var head: CommitID?
    var refusals: [ReleaseAcceptance.Refusal] = []
    /// Why the last pass did not end in agreement; empty when it did.
    var problem = ""
    /// Why Git's word could not be had in the last pass; empty when it could.
    var gitProblem = ""
    /// Passes that have ended, and those of them that did not end in agreement.
    public private(set) var passes = 0
    public private(set) var failedPasses = 0
    /// What it did and found so far.
    private(set) var tally = ReconcilerTally()
    private var isReconciling = false
    private var waiting: [CheckedContinuation<Void, Never>] = []
    private var wakes = AsyncStream<Void>.makeStream(bufferingPolicy: .bufferingNewest(1))
    /// Each model's release that was proven last.
    var proven: [ModelName: (commit: CommitID, proof: Digest)] = [:]
    /// Each model's release whose aliases the registry showed: what differs later was moved by a hand.
    var mirrored: [ModelName: CommitID] = [:]
    /// The head at which fetched versions were last looked through.
    private var prunedHead: CommitID?
    /// The head whose platform file was looked at, and what is wrong with it.
    var platformHead: CommitID?
    var platformRefusal: PlatformError?

    public init(
        environment: EnvironmentName,
        ports: Ports,
        interval: Duration = Bound.interval,
        clock: any Clock<Duration> = ContinuousClock(),
        wallClock: WallClock = .system,
        logger: Logger
    ) {
        self.environment = environment
        self.ports = ports
        self.interval = interval
        self.clock = clock
        self.wallClock = wallClock
        self.logger = logger
    }

    // MARK: The loop

    /// Reconciles until the task is cancelled or a graceful shutdown begins.
    public func run() async throws {
        await cancelWhenGracefulShutdown {
            while !Task.isCancelled {
                await self.pass()
                await self.sleepOrWake()
            }
        }
    }

    /// Makes the loop look now.
    public func wake() {
        wakes.continuation.yield()
    }

    private func sleepOrWake() async {
        let stream = wakes.stream
        let clock = clock
        let interval = interval
        await withTaskGroup(of: Void.self) { group in
            group.addTask { try? await clock.sleep(for: interval) }
            group.addTask {
                var iterator = stream.makeAsyncIterator()
                _ = await iterator.next()
            }
            await group.next()
            group.cancelAll()
        }
        // A cancelled iterator ends its stream: the next wait needs a new one.
        wakes = AsyncStream<Void>.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    /// One pass, never two at once: whoever comes meanwhile waits for its turn.
    public func pass() async {
        while isReconciling { await withCheckedContinuation { waiting.append($0) } }
        isReconciling = true
        defer {
            isReconciling = false
            let others = waiting
            waiting = []
            for other in others { other.resume() }
        }
        gitProblem = await Self.problem { try await accept() }
        let platform = await Self.problem { if let head { try await acceptPlatformFile(at: head) } }
        // Repairs go on without Git, towards what was accepted last.
        let serving = await Self.problem {
            try await findReplicas()
            try await converge()
        }
        passes += 1
        if serving.isEmpty, gitProblem.isEmpty, platform.isEmpty { tally.lastSuccess = wallClock.now }
        if !serving.isEmpty || !gitProblem.isEmpty || !platform.isEmpty { failedPasses += 1 }
        let text = [gitProblem, platform, serving].filter { !$0.isEmpty }.joined(separator: "; ")
        if text != problem, !text.isEmpty { logger.warning("out of sync", metadata: ["reason": .string(text)]) }
        problem = text
    }

    /// Why the work failed; empty when it did not.
    private static func problem(_ work: () async throws -> Void) async -> String {
        do {
            try await work()
            return ""
        } catch {
            return text(error)
        }
    }

    private static func text(_ error: any Error) -> String {
        guard let known = error as? PlatformError else { return "\(error)" }
        return known.message
    }

    /// A pass over a part of the replicas would unload what the others still need to be asked about.
    private func findReplicas() async throws {
        guard let replicas = try await ports.replicas?() else { return }
        ports.servers = replicas.servers
        ports.gateways = replicas.gateways
    }

    // MARK: What Git says

    public func accepted() async throws -> AcceptedReleases {
        if let accepted { return accepted }
        let loaded = try ports.state.load()
        accepted = loaded
        return loaded
    }

    /// Takes in the head. When Git does not answer, what was accepted before stays.
    private func accept() async throws {
        let previous = try await accepted()
        let head = try await ports.repository.head()
        let files = try await ports.repository.releaseFiles(of: environment, at: head)
        let known = await knownVersions(files, previous)
        let hasFeatures = ReleaseFile.mayTakeFeatures(files) ? try await hasFeatures(at: head) : nil
        let next = ReleaseAcceptance(files: files, commit: head, previous: previous, hasFeatures: hasFeatures) { model, version in
            known[model].map { $0.contains(version) }
        }
        if next.accepted != previous { try ports.state.save(next.accepted) }
        accepted = next.accepted
        if next.refusals != refusals {
            for refusal in next.refusals {
                logger.warning(
                    "release refused",
                    metadata: [
                        "path": .string(refusal.path), "reason": .string(refusal.reason),
                        LogKey.modelName.rawValue: .string(refusal.model?.text ?? ""), LogKey.releaseCommit.rawValue: .string(head.text),
                    ]
                )
            }
        }
        refusals = next.refusals
        if self.head != head { tally.generation += 1 }
        self.head = head
    }

    /// Whether Git says that Optional is attached.
    private func hasFeatures(at head: CommitID) async throws -> Bool {
        guard let text = try await ports.repository.file(OptionalSwitch.path(in: environment), at: head) else { return false }
        return try OptionalSwitch.isAttached(text, in: environment)
    }

    /// Which of the versions that files name, and that were not accepted before, the registry has; no entry
    /// for a model about which it does not answer.
    private func knownVersions(
        _ files: [String: String],
        _ previous: AcceptedReleases
    ) async -> [ModelName: Set<ModelVersion>] {
        var known: [ModelName: Set<ModelVersion>] = [:]
        for (path, text) in files {
            guard let release = try? ReleaseFile.parse(text, path: path) else { continue }
            let before = previous.entries[release.model]?.release.namedVersions ?? []
            guard !release.namedVersions.isSubset(of: before) else { continue }
            known[release.model] = try? await knownVersions(release.namedVersions.subtracting(before), of: release.model)
        }
        return known
    }

    /// Those of `versions` that the registry has; asks for each, as a model may have thousands.
    private func knownVersions(_ versions: Set<ModelVersion>, of model: ModelName) async throws -> Set<ModelVersion> {
        var known: Set<ModelVersion> = []
        for version in versions.sorted() {
            do {
                known.insert(try await ports.registry.version(version, of: model).version)
            } catch let error as PlatformError where error.code == .notFound {
                continue
            }
        }
        return known
    }

    // MARK: What serves

    private func converge() async throws {
        for round in 0..<Bound.roundsMax {
            let desired = ReconcilePlan.Desired(releases: try await accepted(), held: try await ports.holds.held())
            let observed = await observe(desired)
            let plan = ReconcilePlan(desired: desired, observed: observed)
            guard !plan.isEmpty else {
                try unanswered(observed)
                mirrored = desired.releases.entries.mapValues(\.commit)
                try forgetWithdrawn(desired.releases)
                pruneVersions(desired)
                return try await prove()
            }
            if round == 0 { tally.found(plan.actions) { isBroughtAbout($0, desired.releases) } }
            var failure: (any Error)?
            var isAnythingDone = false
            var blocked: Set<ModelName> = []
            for action in plan.actions where !blocked.contains(action.model) {
                do {
                    if try await carryOut(action) {
                        isAnythingDone = true
                        tally.count(done: action)
                    }
                } catch {
                    tally.count(failed: action)
                    // One model's trouble must not keep the others from what Git says.
                    blocked.insert(action.model)
                    failure = failure ?? error
                }
            }
            if let failure { throw failure }
            // Only unloads were left, and all of them are still in use: the next pass looks again.
            guard isAnythingDone else { return try await prove() }
        }
    }

    /// Nothing of theirs was left in what was observed: the next start need not look for it.
    private func forgetWithdrawn(_ releases: AcceptedReleases) throws {
        guard !releases.withdrawn.isEmpty else { return }
        let rest = AcceptedReleases(entries: releases.entries)
        try ports.state.save(rest)
        accepted = rest
    }

    /// Removes fetched versions that nothing names any more, once for each head that serves.
    private func pruneVersions(_ desired: ReconcilePlan.Desired) {
        guard prunedHead != head else { return }
        prunedHead = head
        let named = desired.releases.entries.mapValues(\.release.namedVersions).merging(desired.held) { $0.union($1) }
        do {
            try ports.fetcher.prune(keeping: named)
        } catch {
            logger.warning("fetched versions could not be removed", metadata: ["error": .string(Self.text(error))])
        }
    }

    /// Whether the model's release was seen to serve before: what differs from it now was changed by something else.
    private func isBroughtAbout(_ model: ModelName, _ releases: AcceptedReleases) -> Bool {
        guard let commit = releases.entries[model]?.commit else { return false }
        return mirrored[model] == commit
    }

    private func unanswered(_ observed: ReconcilePlan.Observed) throws {
        let silent = observed.servers.filter { $0.value == nil }.keys.sorted() + observed.gateways.filter { $0.value == nil }.keys.sorted()
        guard silent.isEmpty else {
            throw PlatformError(.unavailable, "no answer from \(silent.joined(separator: ", "))")
        }
        guard observed.aliases != nil else {
            throw PlatformError(.unavailable, "the registry does not answer: its aliases may differ")
        }
    }

    func observe(_ desired: ReconcilePlan.Desired) async -> ReconcilePlan.Observed {
        var observed = ReconcilePlan.Observed(servers: [:], gateways: [:], aliases: [:])
        for server in ports.servers {
            guard let index = try? await server.index() else {
                observed.servers[server.address] = .some(nil)
                continue
            }
            var seen = ReconcilePlan.Observed.Server()
            for entry in index {
                switch entry.state {
                case .ready: seen.ready[entry.model, default: []].insert(entry.version)
                case .loading: seen.present[entry.model, default: []].insert(entry.version)
                case .unloading, .unavailable: break
                }
            }
            observed.servers[server.address] = seen
        }
        for gateway in ports.gateways {
            observed.gateways[gateway.address] = .some(try? await gateway.routes())
        }
        for model in desired.releases.withdrawn.union(desired.releases.entries.keys).sorted() {
            guard let aliases = await aliases(of: model) else {
                observed.aliases = nil
                break
            }
            observed.aliases?[model] = aliases
        }
        return observed
    }

    /// `nil` when the registry does not answer. A model that it does not have any more has no aliases either.
    private func aliases(of model: ModelName) async -> [Alias: ModelVersion]? {
        do {
            return try await ports.registry.aliases(of: model)
        } catch let error as PlatformError where error.code == .notFound {
            return [:]
        } catch {
            return nil
        }
    }

    /// - Returns: Whether something was done.
    private func carryOut(_ action: ReconcilePlan.Action) async throws -> Bool {
        switch action {
        case .load(let model, let version, let address):
            let files = try await ports.fetcher.files(of: version, model: model)
            try await server(address).load(version, of: model, files: files)
        case .reload(let release, let commit, let address):
            _ = try await gateway(address).reload(release, commit: commit)
        case .setAlias(let model, let alias, let version):
            try await mirror(model) { try await $0.setAlias(alias, to: version, of: model) }
        case .removeAlias(let model, let alias):
            try await mirror(model) { try await $0.removeAlias(alias, of: model) }
        case .unload(let model, let version, let address):
            guard try await isDrained(model, version) else { return false }
            try await server(address).unload(version, of: model)
        }
        logger.info("reconciled", metadata: action.logMetadata.merging(["action": .string("\(action)")]) { $1 })
        return true
    }

    /// Waits a moment for what is in flight; a version still in use is left for the next pass.
    private func isDrained(_ model: ModelName, _ version: ModelVersion) async throws -> Bool {
        for _ in 0..<Bound.drainPollsMax {
            var inFlight = 0
            for gateway in ports.gateways { inFlight += try await gateway.inFlight(model: model, version: version) }
            if inFlight == 0 { return true }
            try await clock.sleep(for: Bound.drainPoll)
        }
        return false
    }

    private func server(_ address: String) throws -> any ModelServer {
        guard let server = ports.servers.first(where: { $0.address == address }) else {
            throw PlatformError(.unexpected, "there is no model server '\(address)'")
        }
        return server
    }

    private func gateway(_ address: String) throws -> any GatewayControl {
        guard let gateway = ports.gateways.first(where: { $0.address == address }) else {
            throw PlatformError(.unexpected, "there is no gateway '\(address)'")
        }
        return gateway
    }
}

extension ReconcilePlan.Action {
    var model: ModelName {
        switch self {
        case .load(let model, _, _), .setAlias(let model, _, _), .removeAlias(let model, _), .unload(let model, _, _): model
        case .reload(let release, _, _): release.model
        }
    }
}
