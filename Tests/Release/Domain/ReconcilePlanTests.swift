import SlipwayCore
import SlipwayRelease
import SlipwayTesting
import Testing

@Suite("Reconcile plan")
struct ReconcilePlanTests {
    private typealias Plan = ReconcilePlan

    private func desired(_ releases: Release..., held: [ModelName: Set<ModelVersion>] = [:]) throws -> Plan.Desired {
        var accepted = AcceptedReleases()
        for release in releases { accepted.entries[release.model] = .init(release: release, commit: try commitID("a")) }
        return Plan.Desired(releases: accepted, held: held)
    }

    /// Everything as `release` wants it, on one server and one gateway.
    private func settled(_ release: Release) throws -> Plan.Observed {
        Plan.Observed(
            servers: ["s": .init(ready: [release.model: release.requiredVersions])],
            gateways: ["g": [ServingRoute(release: release, commit: try commitID("a"), generation: 1)]],
            aliases: [release.model: Plan.aliases(of: release)]
        )
    }

    private var two: Release {
        get throws { try release("tumor", [("A", 1, 90), ("B", 2, 10)], lastGood: 1) }
    }

    @Test("When everything agrees, nothing is planned")
    func agrees() throws {
        #expect(try Plan(desired: desired(two), observed: settled(two)).isEmpty)
    }

    @Test("From nothing: load everywhere, then route everywhere, then the aliases")
    func fromNothing() throws {
        let release = try two
        let observed = Plan.Observed(servers: ["s1": .init(), "s2": .init()], gateways: ["g1": [], "g2": []], aliases: [:])
        let (one, second) = (try ModelVersion(1), try ModelVersion(2))
        let commit = try commitID("a")
        #expect(
            try Plan(desired: desired(release), observed: observed).actions == [
                .load(release.model, one, server: "s1"), .load(release.model, second, server: "s1"),
                .load(release.model, one, server: "s2"), .load(release.model, second, server: "s2"),
                .reload(release, commit: commit, gateway: "g1"), .reload(release, commit: commit, gateway: "g2"),
                .setAlias(release.model, try Alias("A"), one), .setAlias(release.model, try Alias("B"), second),
                .setAlias(release.model, try Alias("champion"), one),
            ]
        )
    }

    @Test("A version that is only present is loaded again: it may have failed")
    func present() throws {
        var observed = try settled(two)
        observed.servers["s"] = .init(ready: [try two.model: try versions(1)], present: [try two.model: try versions(2)])
        #expect(try Plan(desired: desired(two), observed: observed).actions == [.load(two.model, ModelVersion(2), server: "s")])
    }

    @Test("Another weight is a reload and nothing else")
    func weight() throws {
        let shifted = try two.shifting(try ModelVersion(2), to: try Weight(percent: 20))
        #expect(try Plan(desired: desired(shifted), observed: settled(two)).actions == [.reload(shifted, commit: commitID("a"), gateway: "g")])
    }

    @Test("A model server that does not answer keeps routes as they are and gets no load; the others do")
    func serverSilent() throws {
        let release = try two
        let observed = Plan.Observed(servers: ["s1": nil, "s2": .init()], gateways: ["g": []], aliases: nil)
        #expect(
            try Plan(desired: desired(release), observed: observed).actions == [
                .load(release.model, ModelVersion(1), server: "s2"), .load(release.model, ModelVersion(2), server: "s2"),
            ]
        )
    }

    @Test("A gateway that does not answer gets no reload, and nobody unloads what it might use")
    func gatewaySilent() throws {
        var observed = try settled(two)
        observed.gateways["quiet"] = .some(nil)
        observed.servers["s"] = .init(ready: [try two.model: try versions(1, 2, 9)])
        #expect(try Plan(desired: desired(two), observed: observed).isEmpty)
    }

    @Test("A registry that does not answer keeps its aliases")
    func registrySilent() throws {
        var observed = try settled(two)
        observed.aliases = nil
        #expect(try Plan(desired: desired(two), observed: observed).isEmpty)
    }

    @Test("Aliases follow Git: moved back, stale variants taken away, people's own left alone")
    func aliases() throws {
        var observed = try settled(two)
        let model = try two.model
        observed.aliases?[model]?[try Alias("A")] = try ModelVersion(2)
        observed.aliases?[model]?[try Alias("C")] = try ModelVersion(1)
        observed.aliases?[model]?[try Alias("staging")] = try ModelVersion(1)
        #expect(
            try Plan(desired: desired(two), observed: observed).actions == [
                .setAlias(model, Alias("A"), ModelVersion(1)), .removeAlias(model, Alias("C")),
            ]
        )
    }

    @Test("What nothing names is unloaded; what Git, a run or a gateway names is not")
    func unload() throws {
        let model = try two.model
        var observed = try settled(two)
        observed.servers["s"] = .init(ready: [model: try versions(1, 2, 5, 6, 7)], present: [model: try versions(8)])
        let routed = try release("tumor", [("A", 5, 100)])
        observed.gateways["old"] = [ServingRoute(release: routed, commit: try commitID("c"), generation: 1)]
        let plan = try Plan(desired: desired(two, held: [model: versions(6)]), observed: observed)
        #expect(
            try plan.actions == [
                .reload(two, commit: commitID("a"), gateway: "old"),
                .unload(model, ModelVersion(7), server: "s"), .unload(model, ModelVersion(8), server: "s"),
            ]
        )
    }

    @Test("A model that Git no longer names loses its aliases; versions stay while a gateway routes to them")
    func gone() throws {
        let model = try two.model
        let plan = try Plan(desired: desired(), observed: settled(two))
        #expect(try plan.actions == [.removeAlias(model, Alias("A")), .removeAlias(model, Alias("B")), .removeAlias(model, Alias("champion"))])
    }

    @Test("After carrying out the plan, planning again is empty, whatever was there before")
    func convergence() throws {
        var random = SeededGenerator(seed: 4)
        for _ in 0..<500 {
            let desired = try self.desired(try Self.random("tumor", &random), try Self.random("churn", &random))
            var world = try Self.world(&random)
            var rounds = 0
            while rounds < 3 {
                let plan = Plan(desired: desired, observed: world)
                guard !plan.isEmpty else { break }
                for action in plan.actions { Self.carryOut(action, &world) }
                rounds += 1
            }
            // A second round unloads what a gateway still named in the first.
            #expect(rounds <= 2)
            #expect(Plan(desired: desired, observed: world).isEmpty)
        }
    }

    private static func random(_ model: String, _ random: inout SeededGenerator) throws -> Release {
        let first = Int.random(in: 1...4, using: &random)
        let lastGood = Bool.random(using: &random) ? Int.random(in: 1...6, using: &random) : nil
        guard Bool.random(using: &random) else { return try release(model, [("A", first, 100)], lastGood: lastGood) }
        let share = Double(Int.random(in: 0...100, using: &random))
        return try release(model, [("A", first, 100 - share), ("B", first + 1, share)], lastGood: lastGood)
    }

    private static func world(_ random: inout SeededGenerator) throws -> Plan.Observed {
        var observed = Plan.Observed(servers: [:], gateways: [:], aliases: [:])
        let models = [try ModelName("tumor"), try ModelName("churn"), try ModelName("old")]
        for address in ["s1", "s2"] {
            var server = Plan.Observed.Server()
            for model in models.dropLast() {
                for number in 1...7 where Bool.random(using: &random) { server.ready[model, default: []].insert(try ModelVersion(number)) }
            }
            observed.servers[address] = server
        }
        for address in ["g1", "g2"] {
            let route = ServingRoute(release: try Self.random("tumor", &random), commit: try commitID("c"), generation: 1)
            observed.gateways[address] = Bool.random(using: &random) ? [route] : []
        }
        for model in models {
            for alias in ["A", "B", "C", "champion", "mine"] where Bool.random(using: &random) {
                observed.aliases?[model, default: [:]][try Alias(alias)] = try ModelVersion(Int.random(in: 1...4, using: &random))
            }
        }
        return observed
    }

    private static func carryOut(_ action: Plan.Action, _ world: inout Plan.Observed) {
        switch action {
        case .load(let model, let version, let address): world.servers[address]??.ready[model, default: []].insert(version)
        case .unload(let model, let version, let address): world.servers[address]??.ready[model]?.remove(version)
        case .setAlias(let model, let alias, let version): world.aliases?[model, default: [:]][alias] = version
        case .removeAlias(let model, let alias): world.aliases?[model]?[alias] = nil
        case .reload(let release, let commit, let address):
            var routes = (world.gateways[address] ?? nil) ?? []
            routes.removeAll { $0.release.model == release.model }
            routes.append(ServingRoute(release: release, commit: commit, generation: 2))
            world.gateways[address] = routes
        }
    }

    @Test("A shadow is loaded last: routes and aliases do not wait for it, and it is kept while it is named")
    func shadow() throws {
        let shadow = Release.Shadow(version: try ModelVersion(9), percent: try Weight(percent: 10))
        let shadowed = try two.shadowing(shadow)
        let commit = try commitID("a")
        #expect(
            try Plan(desired: desired(shadowed), observed: settled(two)).actions == [
                .reload(shadowed, commit: commit, gateway: "g"), .load(shadowed.model, shadow.version, server: "s"),
            ]
        )
        var observed = try settled(shadowed)
        #expect(try Plan(desired: desired(shadowed), observed: observed).actions == [.load(shadowed.model, shadow.version, server: "s")])
        observed.servers["s"] = .init(ready: [shadowed.model: shadowed.namedVersions])
        #expect(try Plan(desired: desired(shadowed), observed: observed).isEmpty)
        // While a gateway still mirrors to it, it is not unloaded.
        #expect(try Plan(desired: desired(two), observed: observed).actions == [.reload(two, commit: commit, gateway: "g")])
        observed.gateways["g"] = .some([ServingRoute(release: try two, commit: commit, generation: 2)])
        #expect(try Plan(desired: desired(two), observed: observed).actions == [.unload(two.model, shadow.version, server: "s")])
    }
}
