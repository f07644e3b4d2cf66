import Foundation
import Logging
import SlipwayCore
import SlipwayHTTP
import SlipwayProof
import SlipwayReconciler
import SlipwayRelease
import SlipwayTesting
import SlipwayTracking
import Synchronization
import Testing

/// What the reconciler tells the registry of its moves, and how it takes up the platform file; without faults.
@Suite("Reconciler")
struct ReconcilerTests {
    @Test("Aliases move with the release's path, its commit and the proof that it serves")
    func origin() async throws {
        try await withReconciler { bench in
            let commit = try bench.release([("A", 1, 100)])
            await bench.reconciler.pass()
            let origins = bench.world.aliasOrigins
            #expect(origins.map(\.alias.text) == ["A", "champion"])
            let proof = try #require(bench.proofs.digests.first)
            #expect(bench.proofs.digests.count == 1)
            for (_, origin) in origins {
                #expect(origin == ChangeOrigin(actor: .reconciler, reason: "follows envs/dev/models/tumor.yaml", commit: commit, proof: proof))
            }
            let transition = try #require(bench.proofs.transitions.first)
            #expect(transition.kind == "released" && transition.commit == commit)
        }
    }

    @Test("An alias that a hand moved is put back, and the ledger is told so")
    func repair() async throws {
        try await withReconciler { bench in
            let commit = try bench.release([("A", 1, 60), ("B", 2, 40)])
            await bench.reconciler.pass()
            bench.world.aliasOrigins = []
            bench.world.aliases[bench.model]?[try Alias("A")] = try ModelVersion(2)
            await bench.reconciler.pass()
            #expect(bench.world.aliasOrigins.map(\.alias.text) == ["A"])
            let origin = try #require(bench.world.aliasOrigins.first?.origin)
            #expect(origin.reason == "put back: it had left envs/dev/models/tumor.yaml")
            #expect(origin.commit == commit && origin.proof == bench.proofs.digests.first)
            #expect(bench.proofs.digests.count == 1)
        }
    }

    @Test("Metrics tell a hand's change from a release, say what was done, and when Git's word was last reached")
    func metrics() async throws {
        try await withReconciler { bench in
            var page = await bench.reconciler.metricsPage().text
            #expect(page.contains("slipway_reconciler_last_success_timestamp_seconds 0.0\n"))
            #expect(page.contains("slipway_reconciler_generation 0\n"))
            try bench.release([("A", 1, 60), ("B", 2, 40)])
            await bench.reconciler.pass()
            await bench.reconciler.pass()
            page = await bench.reconciler.metricsPage().text
            #expect(page.contains("slipway_reconciler_generation 1\n"))
            #expect(page.contains(#"slipway_reconciler_drift_total{action="set_alias"} 0"#))
            #expect(page.contains(#"slipway_reconciler_drift_total{action="load"} 0"#))
            #expect(!page.contains(#"slipway_reconciler_actions_total{action="load",outcome="done"} 0"#))
            #expect(!page.contains("slipway_reconciler_last_success_timestamp_seconds 0.0\n"))
            bench.world.aliases[bench.model]?[try Alias("A")] = try ModelVersion(2)
            await bench.reconciler.pass()
            let mended = await bench.reconciler.metricsPage().text
            #expect(mended.contains(#"slipway_reconciler_drift_total{action="set_alias"} 1"#))
            #expect(mended.contains(#"slipway_reconciler_drift_total{action="load"} 0"#))
            #expect(mended.contains(#"slipway_reconciler_actions_total{action="set_alias",outcome="failed"} 0"#))
        }
    }

    @Test("A release that is gone takes its aliases along, and says by which commit")
    func gone() async throws {
        try await withReconciler { bench in
            try bench.release([("A", 1, 100)])
            await bench.reconciler.pass()
            bench.world.aliasOrigins = []
            let commit = try bench.commit([ReleaseFile.path(of: bench.model, in: bench.environment): nil])
            await bench.reconciler.pass()
            #expect(bench.world.aliasOrigins.map(\.alias.text) == ["A", "champion"])
            #expect(bench.world.aliases[bench.model] == [:])
            for (_, origin) in bench.world.aliasOrigins {
                #expect(origin == ChangeOrigin(actor: .reconciler, reason: "envs/dev/models/tumor.yaml is gone", commit: commit))
            }
        }
    }

    @Test("Aliases of a release that is gone go even when the reconciler is killed at any point on the way", arguments: 1...5)
    func killedWhileGone(effects: Int) async throws {
        try await withScratchFolder { folder in
            let bench = try Bench(folder: folder)
            try bench.release([("A", 1, 60), ("B", 2, 40)])
            await bench.reconciler.pass()
            #expect(bench.world.aliases[bench.model]?.count == 3)
            // The first effect is that the release is taken out of what is accepted; then its aliases go, one by one.
            _ = try bench.commit([ReleaseFile.path(of: bench.model, in: bench.environment): nil])
            bench.world.isKilledAfter = bench.world.effects + effects
            await bench.reconciler.pass()
            #expect(bench.world.isKilled)
            #expect(bench.world.saved.entries.isEmpty)

            bench.world.isKilled = false
            bench.world.isKilledAfter = nil
            let restarted = try Bench(folder: folder, world: bench.world)
            for _ in 0..<2 { await restarted.reconciler.pass() }
            #expect(bench.world.aliases[bench.model] == [:])
            #expect(bench.world.saved == AcceptedReleases(), "what is done is not looked for again")
            let effects = bench.world.effects
            await restarted.reconciler.pass()
            #expect(bench.world.effects == effects)
        }
    }

    @Test("A model that the registry has lost with its release keeps nothing from being in agreement")
    func lostModel() async throws {
        try await withReconciler { bench in
            try bench.release([("A", 1, 100)])
            await bench.reconciler.pass()
            bench.world.registered[bench.model] = nil
            _ = try bench.commit([ReleaseFile.path(of: bench.model, in: bench.environment): nil])
            for _ in 0..<2 { await bench.reconciler.pass() }
            let problem = await bench.reconciler.currentProblem
            #expect(problem == "")
            #expect(bench.world.saved.withdrawn.isEmpty)
        }
    }

    @Test("Two models of one commit have a proof each")
    func twoModels() async throws {
        try await withReconciler { bench in
            let churn = try ModelName("churn")
            bench.world.registered[churn] = 1
            _ = try bench.commit([
                ReleaseFile.path(of: bench.model, in: bench.environment): ReleaseFile.text(try bench.release(of: bench.model, [("A", 1, 100)])),
                ReleaseFile.path(of: churn, in: bench.environment): ReleaseFile.text(try bench.release(of: churn, [("A", 1, 100)])),
            ])
            for _ in 0..<3 { await bench.reconciler.pass() }
            #expect(bench.proofs.transitions.map(\.model.text).sorted() == ["churn", "tumor"])
        }
    }

    @Test("The platform file is taken up, changed and taken away with its commits")
    func platformFile() async throws {
        try await withReconciler { bench in
            await bench.reconciler.pass()
            #expect(bench.saved.isEmpty)
            try bench.platform("spec: { registry: { protectedAliases: [champion, A] } }\n")
            for _ in 0..<2 { await bench.reconciler.pass() }
            try bench.platform("spec: { registry: { protectedAliases: [A] } }\n")
            await bench.reconciler.pass()
            _ = try bench.commit([PlatformFile.path(in: bench.environment): nil])
            await bench.reconciler.pass()
            #expect(bench.saved.map { $0.protectedAliases.map(\.text) } == [["A", "champion"], ["A"], []])
            let problem = await bench.reconciler.currentProblem
            #expect(problem == "")
        }
    }

    @Test("A refused platform file changes nothing, is told with its line at every pass, and keeps no release from serving")
    func refusedPlatformFile() async throws {
        try await withReconciler { bench in
            try bench.platform("spec: { registry: { protectedAliases: [champion] } }\n")
            await bench.reconciler.pass()
            try bench.platform("spec:\n  registry:\n    protectedAlias: []\n")
            try bench.release([("A", 1, 100)])
            for _ in 0..<2 {
                await bench.reconciler.pass()
                let problem = await bench.reconciler.currentProblem
                #expect(problem == "envs/dev/platform.yaml:6: unknown key 'protectedAlias' under 'spec.registry'")
            }
            #expect(bench.saved.map { $0.protectedAliases.map(\.text) } == [["champion"]])
            #expect(bench.world.aliases[bench.model]?[try Alias("champion")] == (try ModelVersion(1)))
            try bench.platform("")
            await bench.reconciler.pass()
            let problem = await bench.reconciler.currentProblem
            #expect(problem == "")
            #expect(bench.saved.last == PlatformFile())
        }
    }

    private func withReconciler(_ body: (Bench) async throws -> Void) async throws {
        try await withScratchFolder { try await body(try Bench(folder: $0)) }
    }
}

/// A reconciler in a world without faults, with two versions of one model.
private struct Bench {
    let world: SimulatedWorld
    let environment: EnvironmentName
    let model: ModelName
    let reconciler: Reconciler
    let proofs = RememberedProofs()
    private let files = SavedFiles()

    var saved: [PlatformFile] { files.all }

    /// - Parameter old: The world as another reconciler has left it.
    init(folder: URL, world old: SimulatedWorld? = nil) throws {
        model = try ModelName("tumor")
        let world = try old ?? SimulatedWorld(seed: 1)
        if old == nil {
            world.faultsAreOn = false
            world.registered[model] = 2
        }
        self.world = world
        environment = try EnvironmentName("dev")
        let registry = SimulatedRegistry(world: world)
        let files = files
        reconciler = Reconciler(
            environment: environment,
            ports: Reconciler.Ports(
                repository: SimulatedRepository(world: world),
                registry: registry,
                fetcher: VersionFetcher(registry: registry, folder: folder),
                servers: world.servers.keys.sorted().map { SimulatedServer(world: world, address: $0) },
                gateways: world.routes.keys.sorted().map { SimulatedGateway(world: world, address: $0) },
                holds: NoHolds(),
                state: AcceptedState(load: { world.saved }, save: { try world.save($0) }),
                proofs: proofs,
                platform: PlatformState(load: { files.all.last ?? PlatformFile() }, save: { files.add($0) })
            ),
            clock: ImmediateClock(),
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        )
    }

    @discardableResult
    func commit(_ files: [String: String?]) throws -> CommitID {
        try world.commit(files, on: world.head)
    }

    @discardableResult
    func release(_ variants: [(alias: String, version: Int, percent: Double)]) throws -> CommitID {
        try commit([ReleaseFile.path(of: model, in: environment): ReleaseFile.text(try release(of: model, variants))])
    }

    func release(of model: ModelName, _ variants: [(alias: String, version: Int, percent: Double)]) throws -> Release {
        try Release(
            model: model,
            variants: try variants.map {
                Release.Variant(alias: try Alias($0.alias), version: try ModelVersion($0.version), weight: try Weight(percent: $0.percent))
            },
            lastGood: nil
        )
    }

    func platform(_ spec: String) throws {
        try commit([PlatformFile.path(in: environment): "apiVersion: slipway.dev/v1\nkind: Platform\nmetadata: { name: dev }\n\(spec)"])
    }
}

private final class SavedFiles: Sendable {
    private let files = Mutex<[PlatformFile]>([])

    var all: [PlatformFile] { files.withLock { $0 } }
    func add(_ file: PlatformFile) { files.withLock { $0.append(file) } }
}

private final class RememberedProofs: ProofLog {
    private let appended = Mutex<[Transition]>([])

    var transitions: [Transition] { appended.withLock { $0 } }
    var digests: [Digest] { transitions.indices.map { Self.digest($0) } }

    func append(_ transition: Transition) async throws -> Digest {
        appended.withLock { list in
            list.append(transition)
            return Self.digest(list.count - 1)
        }
    }

    private static func digest(_ index: Int) -> Digest { Digest(of: "proof \(index)".utf8) }
}
