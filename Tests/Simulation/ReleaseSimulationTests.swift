import Foundation
import Logging
import SlipwayCore
import SlipwayReconciler
import SlipwayRelease
import SlipwayTesting
import Testing

/// Rollouts, bad files, restarts and hand-made changes, while every I/O may fail or kill the reconciler.
@Suite("Simulation of rollout and reconcile")
struct ReleaseSimulationTests {
    /// One seed alone: `SIMULATION_SEED=17 swift test --skip-build --filter ReleaseSimulation`.
    private var seeds: [UInt64] {
        if let text = ProcessInfo.processInfo.environment["SIMULATION_SEED"], let seed = UInt64(text) { return [seed] }
        return Array(0..<200)
    }

    @Test("Through faults, crashes and meddling, what serves is what Git says, and nothing else ever was")
    func seeds() async throws {
        try await withScratchFolder { folder in
            var rollouts = 0
            for seed in seeds {
                var simulation = try ReleaseSimulation(seed: seed, folder: folder.appending(path: "\(seed)"))
                try await simulation.play(steps: 60)
                try await simulation.settle()
                rollouts += simulation.releasesMade
                let problems = simulation.problems
                #expect(
                    problems.isEmpty,
                    "seed \(seed): \(problems.prefix(3).joined(separator: "; ")). Repeat: SIMULATION_SEED=\(seed) swift test --skip-build --filter ReleaseSimulation"
                )
            }
            // Otherwise nothing was tried.
            #expect(rollouts > seeds.count * 10)
        }
    }
}

struct ReleaseSimulation {
    private let world: SimulatedWorld
    private let folder: URL
    private let environment: EnvironmentName
    private let models: [ModelName]
    private var reconciler: Reconciler
    private var settled: [String] = []
    private(set) var releasesMade = 0

    init(seed: UInt64, folder: URL) throws {
        world = try SimulatedWorld(seed: seed)
        self.folder = folder
        environment = try EnvironmentName("dev")
        models = [try ModelName("tumor"), try ModelName("churn")]
        reconciler = Self.reconciler(world, environment, folder)
    }

    var problems: [String] { world.violations + settled }

    private static func reconciler(_ world: SimulatedWorld, _ environment: EnvironmentName, _ folder: URL) -> Reconciler {
        let registry = SimulatedRegistry(world: world)
        var logger = Logger(label: "simulation")
        logger.logLevel = .critical
        return Reconciler(
            environment: environment,
            ports: Reconciler.Ports(
                repository: SimulatedRepository(world: world),
                registry: registry,
                fetcher: VersionFetcher(registry: registry, folder: folder),
                servers: world.servers.keys.sorted().map { SimulatedServer(world: world, address: $0) },
                gateways: world.routes.keys.sorted().map { SimulatedGateway(world: world, address: $0) },
                holds: NoHolds(),
                state: AcceptedState(load: { world.saved }, save: { try world.save($0) }),
                proofs: nil
            ),
            clock: ImmediateClock(),
            logger: logger
        )
    }

    mutating func play(steps: Int) async throws {
        for _ in 0..<steps {
            try act()
            await reconciler.pass()
            guard world.isKilled else { continue }
            world.isKilled = false
            reconciler = Self.reconciler(world, environment, folder)
        }
    }

    /// One thing that people, a rollout or bad luck do.
    private mutating func act() throws {
        guard let model = models.randomElement(using: &world.random) else { return }
        switch Int.random(in: 0..<20, using: &world.random) {
        case 0..<11: try nextRelease(of: model)
        case 11: try commit(model, "kind: Release\nspec: nonsense\n")
        case 12: try commit(model, "apiVersion: slipway.dev/v1\nkind: Release\nmetadata: { name: \(model) }\nspec:\n  variants:\n    A: { version: 999, weight: 100 }\n")
        case 13: world.takeAwayVersion()
        case 14: world.restartServerEmpty()
        case 15: world.restartGatewayEmpty()
        case 16: world.moveAlias()
        case 17: try world.changeWeight()
        default: break
        }
    }

    /// The next turn of a rollout: attach, shift, promote, or go back.
    private mutating func nextRelease(of model: ModelName) throws {
        let path = ReleaseFile.path(of: model, in: environment)
        let text = world.commits[world.head]?[path]
        let current = text.flatMap { try? ReleaseFile.parse($0, path: path) }
        let next: Release
        switch current {
        case nil:
            // A file that was refused is replaced by what was accepted last, or the model is new.
            if let accepted = world.saved.entries[model]?.release {
                next = accepted
            } else {
                next = try Release.attaching(try register(model), of: model, to: nil)
            }
        case let release? where release.requiredVersions.contains(where: { $0.number > world.registered[model] ?? 0 }):
            guard let accepted = world.saved.entries[model]?.release else { return }
            next = accepted
        case let release? where release.variants.count == 1:
            next = try Release.attaching(try register(model), of: model, to: release)
        case let release?:
            guard let candidate = release.variants.map(\.version).max() else { return }
            switch Int.random(in: 0..<4, using: &world.random) {
            case 0: next = try release.promoting(candidate)
            case 1: next = try release.rollingBack()
            default: next = try release.shifting(candidate, to: try Weight(percent: Double(Int.random(in: 0...100, using: &world.random))))
            }
        }
        releasesMade += 1
        try commit(model, ReleaseFile.text(next))
    }

    private func register(_ model: ModelName) throws -> ModelVersion {
        world.registered[model, default: 0] += 1
        return try ModelVersion(world.registered[model] ?? 1)
    }

    private func commit(_ model: ModelName, _ text: String) throws {
        _ = try world.commit([ReleaseFile.path(of: model, in: environment): text], on: world.head)
    }

    /// Ends the faults, and looks whether everything comes to rest where Git says.
    mutating func settle() async throws {
        world.faultsAreOn = false
        for _ in 0..<4 { await reconciler.pass() }
        for (model, entry) in world.saved.entries {
            for (gateway, routes) in world.routes where routes[model]?.release != entry.release {
                settled.append("\(gateway) does not serve what Git says for \(model)")
            }
            for (server, ready) in world.servers {
                let there = ready[model] ?? []
                if there != entry.release.requiredVersions {
                    settled.append("\(server) has versions \(there.sorted()) of \(model), Git needs \(entry.release.requiredVersions.sorted())")
                }
            }
            if world.aliases[model] != ReconcilePlan.aliases(of: entry.release) { settled.append("the aliases of \(model) do not follow Git") }
            let path = ReleaseFile.path(of: model, in: environment)
            if let text = world.commits[world.head]?[path], let release = try? ReleaseFile.parse(text, path: path),
                release.requiredVersions.allSatisfy({ $0.number <= world.registered[model] ?? 0 }), release != entry.release
            {
                settled.append("a good release of \(model) was not accepted")
            }
        }
        let before = world.effects
        for _ in 0..<2 { await reconciler.pass() }
        if world.effects != before { settled.append("passes after convergence still changed something") }
    }
}

/// A clock whose sleeps are over at once.
struct ImmediateClock: Clock {
    struct Instant: InstantProtocol {
        var offset: Duration = .zero
        func advanced(by duration: Duration) -> Instant { Instant(offset: offset + duration) }
        func duration(to other: Instant) -> Duration { other.offset - offset }
        static func < (left: Instant, right: Instant) -> Bool { left.offset < right.offset }
    }

    var now: Instant { Instant() }
    var minimumResolution: Duration { .zero }
    func sleep(until deadline: Instant, tolerance: Duration?) async throws { try Task.checkCancellation() }
}
