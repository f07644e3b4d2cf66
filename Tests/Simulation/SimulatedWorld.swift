import Foundation
import SlipwayCore
import SlipwayInference
import SlipwayRelease
import SlipwayTesting
import SlipwayTracking

/// Git, registry, model servers and gateways in memory, with a fault at every I/O.
///
/// One task drives it, so it needs no lock and a seed gives the same history each time.
final class SimulatedWorld: @unchecked Sendable {
    struct Violation: Error, CustomStringConvertible {
        let description: String
    }

    /// The reconciler was killed: nothing of it has an effect any more.
    struct Killed: Error {}

    var random: SeededGenerator
    var faultsAreOn = true
    var isKilled = false
    /// After so many effects the reconciler is killed, faults or not.
    var isKilledAfter: Int?
    /// Effects so far: two passes that change nothing leave it alone.
    private(set) var effects = 0
    private(set) var violations: [String] = []

    // Git
    var commits: [CommitID: [String: String]] = [:]
    var head: CommitID
    private var commitCount = 0
    // Registry
    var registered: [ModelName: Int] = [:]
    var aliases: [ModelName: [Alias: ModelVersion]] = [:]
    /// What the reconciler said of each alias that it moved.
    var aliasOrigins: [(alias: Alias, origin: ChangeOrigin)] = []
    // Replicas
    var servers: [String: [ModelName: Set<ModelVersion>]] = ["server-1": [:], "server-2": [:]]
    var routes: [String: [ModelName: ServingRoute]] = ["gateway-1": [:], "gateway-2": [:]]
    private var generation = 0
    /// What a person or a restart took away, until it is repaired.
    var damaged: Set<String> = []
    // What the reconciler keeps over a restart
    var saved = AcceptedReleases()
    private var everAccepted: Set<Release> = []

    init(seed: UInt64) throws {
        random = SeededGenerator(seed: seed)
        head = try Self.commitID(0)
        commits[head] = [:]
    }

    private static func commitID(_ number: Int) throws -> CommitID {
        let digits = String(number, radix: 16)
        return try CommitID(String(repeating: "0", count: 40 - digits.count) + digits)
    }

    // MARK: Faults

    /// One I/O: it may fail before its effect or after it, and the caller may be killed at either.
    func io<Result>(isEffect: Bool = true, _ effect: () throws -> Result) throws -> Result {
        guard !isKilled else { throw Killed() }
        try fault()
        let result = try effect()
        if isEffect {
            effects += 1
            checkRoutes()
            if effects == isKilledAfter {
                isKilled = true
                throw Killed()
            }
        }
        try fault()
        return result
    }

    private func fault() throws {
        guard faultsAreOn else { return }
        switch Int.random(in: 0..<1000, using: &random) {
        case 0..<30: throw PlatformError(.unavailable, "a simulated fault")
        case 30..<40:
            isKilled = true
            throw Killed()
        default: return
        }
    }

    func violation(_ text: String) {
        violations.append(text)
    }

    /// No gateway routes to a version that is not ready everywhere, except where somebody took it away; and
    /// only releases that were accepted are routed.
    private func checkRoutes() {
        for (gateway, models) in routes {
            for (model, route) in models {
                for variant in route.release.variants where variant.weight != .zero {
                    for (server, ready) in servers where ready[model]?.contains(variant.version) != true {
                        guard !damaged.contains("\(server)/\(model)/\(variant.version)") else { continue }
                        violation("\(gateway) routes \(model) to version \(variant.version), which \(server) does not have")
                    }
                }
                if !everAccepted.contains(route.release), !damaged.contains("\(gateway)/\(model)") {
                    violation("\(gateway) serves a release of \(model) that was never accepted")
                }
            }
        }
    }

    // MARK: What the reconciler's ports do

    func save(_ releases: AcceptedReleases) throws {
        try io {
            saved = releases
            for entry in releases.entries.values { everAccepted.insert(entry.release) }
        }
    }

    func load(_ version: ModelVersion, _ model: ModelName, on server: String) throws {
        try io {
            servers[server, default: [:]][model, default: []].insert(version)
            damaged.remove("\(server)/\(model)/\(version)")
        }
    }

    func unload(_ version: ModelVersion, _ model: ModelName, on server: String) throws {
        for (gateway, models) in routes where models[model]?.release.variants.contains(where: { $0.version == version }) == true {
            violation("version \(version) of \(model) is unloaded from \(server) while \(gateway) routes to it")
        }
        try io { _ = servers[server, default: [:]][model]?.remove(version) }
    }

    /// As the real gateway does: Git and the model servers are asked before anything changes.
    func reload(_ release: Release, _ commit: CommitID, on gateway: String) throws -> Int {
        guard saved.entries[release.model]?.release == release else {
            throw PlatformError(.failedPrecondition, "Git says otherwise")
        }
        for (server, ready) in servers {
            guard Set(release.variants.map(\.version)).isSubset(of: ready[release.model] ?? []) else {
                throw PlatformError(.failedPrecondition, "\(server) does not have every version")
            }
        }
        return try io {
            generation += 1
            damaged.remove("\(gateway)/\(release.model)")
            routes[gateway, default: [:]][release.model] = ServingRoute(release: release, commit: commit, generation: generation)
            return generation
        }
    }

    // MARK: What people do

    func commit(_ files: [String: String?], on parent: CommitID) throws -> CommitID {
        guard parent == head else { throw PlatformError(.failedPrecondition, "the branch has moved on") }
        commitCount += 1
        let id = try Self.commitID(commitCount)
        var tree = commits[head] ?? [:]
        for (path, text) in files { tree[path] = text }
        commits[id] = tree
        head = id
        return id
    }

    func takeAwayVersion() {
        guard let server = servers.keys.sorted().randomElement(using: &random),
            let model = servers[server]?.keys.sorted().randomElement(using: &random),
            let version = servers[server]?[model]?.sorted().randomElement(using: &random)
        else { return }
        servers[server]?[model]?.remove(version)
        damaged.insert("\(server)/\(model)/\(version)")
    }

    func restartServerEmpty() {
        guard let server = servers.keys.sorted().randomElement(using: &random) else { return }
        for (model, versions) in servers[server] ?? [:] {
            for version in versions { damaged.insert("\(server)/\(model)/\(version)") }
        }
        servers[server] = [:]
    }

    func restartGatewayEmpty() {
        guard let gateway = routes.keys.sorted().randomElement(using: &random) else { return }
        routes[gateway] = [:]
    }

    func moveAlias() {
        guard let model = aliases.keys.sorted().randomElement(using: &random),
            let alias = aliases[model]?.keys.sorted().randomElement(using: &random),
            let version = try? ModelVersion(Int.random(in: 1...max(1, registered[model] ?? 1), using: &random))
        else { return }
        aliases[model]?[alias] = version
    }

    func changeWeight() throws {
        guard let gateway = routes.keys.sorted().randomElement(using: &random),
            let model = routes[gateway]?.keys.sorted().randomElement(using: &random),
            let route = routes[gateway]?[model], route.release.variants.count == 2
        else { return }
        let candidate = route.release.variants[1].version
        let changed = try route.release.shifting(candidate, to: try Weight(percent: 37))
        routes[gateway]?[model] = ServingRoute(release: changed, commit: route.commit, generation: route.generation)
        damaged.insert("\(gateway)/\(model)")
    }
}
