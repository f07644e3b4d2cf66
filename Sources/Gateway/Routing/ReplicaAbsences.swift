/// Which replicas lately did not have what they were asked for: those that came back empty, or have yet to load it.
///
/// A value: the clock's nanoseconds are passed in. Such a replica is well and answers other requests, so it is not
/// ejected; it is only not asked for this for a while.
public struct ReplicaAbsences<Key: Hashable & Sendable>: Sendable {
    public struct Limits: Sendable, Hashable {
        /// How long a replica is not asked again.
        public var duration = 1_000_000_000
        /// Paths that are remembered; beyond them nothing is until some have passed.
        public var pathsMax = 10_000

        public init() {}
    }

    private let limits: Limits
    /// Path → replica → until when.
    private var until: [String: [Key: Int]] = [:]

    public init(limits: Limits = Limits()) {
        self.limits = limits
    }

    public var isEmpty: Bool { until.isEmpty }

    public mutating func add(_ key: Key, path: String, now: Int) {
        if until.count >= limits.pathsMax, until[path] == nil { forgetPast(now: now) }
        guard until.count < limits.pathsMax || until[path] != nil else { return }
        until[path, default: [:]][key] = now + limits.duration
    }

    /// The replicas that are not to be asked for this now.
    public mutating func keys(path: String, now: Int) -> [Key] {
        guard let known = until[path] else { return [] }
        let current = known.filter { $0.value > now }
        until[path] = current.isEmpty ? nil : current
        return Array(current.keys)
    }

    private mutating func forgetPast(now: Int) {
        until = until.compactMapValues { replicas in
            let current = replicas.filter { $0.value > now }
            return current.isEmpty ? nil : current
        }
    }
}
