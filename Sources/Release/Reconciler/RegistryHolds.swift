public import SlipwayCore
import SlipwayInference
public import SlipwayRelease
public import SlipwayTracking

/// What runs of other processes keep loaded, as the registry's tags say: ``VersionTag/held``.
public actor RegistryHolds: CandidateHolds {
    public enum Bound {
        /// How long an answer is believed. A run says that it holds a version before it loads it.
        public static let freshness = Duration.seconds(20)
        /// More loaded versions than these are not asked about, and so kept.
        static let versionsMax = 1_000
    }

    private struct Key: Hashable {
        let model: ModelName
        let version: ModelVersion
    }

    private let registry: any ModelRegistry
    private let replicas: ReplicaSource
    private let wallClock: WallClock
    /// What was answered, and when: the moment until which it is held, if it is.
    private var known: [Key: (until: Timestamp?, asked: Timestamp)] = [:]

    public init(registry: any ModelRegistry, replicas: @escaping ReplicaSource, wallClock: WallClock = .system) {
        self.registry = registry
        self.replicas = replicas
        self.wallClock = wallClock
    }

    /// Of the loaded versions those that a run holds. One of which the registry cannot be asked counts as
    /// held: nothing is unloaded on a guess.
    public func held() async throws -> [ModelName: Set<ModelVersion>] {
        var loaded: Set<Key> = []
        for server in try await replicas().servers {
            guard let index = try? await server.index() else { continue }
            loaded.formUnion(index.map { Key(model: $0.model, version: $0.version) })
        }
        known = known.filter { loaded.contains($0.key) }
        var held: [ModelName: Set<ModelVersion>] = [:]
        for (number, key) in loaded.sorted(by: { ($0.model, $0.version) < ($1.model, $1.version) }).enumerated() {
            var isKept = true
            if number < Bound.versionsMax { isKept = await isHeld(key) }
            if isKept { held[key.model, default: []].insert(key.version) }
        }
        return held
    }

    private func isHeld(_ key: Key) async -> Bool {
        let now = wallClock.now
        if let answer = known[key], now.since(answer.asked) < Bound.freshness {
            return answer.until.map { $0 > now } ?? false
        }
        do {
            let tags = try await registry.version(key.version, of: key.model).tags
            let until = tags[VersionTag.held].flatMap { try? Timestamp($0) }
            known[key] = (until, now)
            return until.map { $0 > now } ?? false
        } catch let error as PlatformError where error.code == .notFound {
            known[key] = (nil, now)
            return false
        } catch {
            return true
        }
    }
}
