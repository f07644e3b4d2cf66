/// Which replica of a model server gets the next request: of those in service, the one with the fewest
/// requests outstanding.
///
/// A value without clock or socket, one an event loop: it counts what that loop has under way, so that no
/// loop waits for another. Replicas are told apart by the caller's key. Never are all of them ejected:
/// the last one in service stays, whatever it answers.
public struct ReplicaBalancer<Key: Hashable & Sendable>: Sendable {
    private struct Replica: Sendable {
        let key: Key
        var outstanding = 0
        var health: ReplicaHealth
    }

    private let limits: ReplicaHealth.Limits
    private var replicas: [Replica] = []
    /// Where ties are looked for first; moves on with each pick.
    private var turn: Int

    /// - Parameter first: At which replica the first request goes, so that loops begin at different ones.
    public init(keys: [Key] = [], limits: ReplicaHealth.Limits = .init(), first: Int = 0) {
        self.limits = limits
        turn = first
        update(keys)
    }

    public var keys: [Key] { replicas.map(\.key) }

    public func outstanding(_ key: Key) -> Int { replicas.first { $0.key == key }?.outstanding ?? 0 }

    public func ejectedCount(now: Int) -> Int { replicas.count { $0.health.isEjected(now: now) } }

    /// Takes these replicas from now on; what is known of those that stay is kept.
    public mutating func update(_ keys: some Sequence<Key>) {
        var seen: Set<Key> = []
        replicas = keys.filter { seen.insert($0).inserted }.map { key in
            replicas.first { $0.key == key } ?? Replica(key: key, health: ReplicaHealth(limits: limits))
        }
    }

    /// The replica for the next request, which counts as outstanding there until ``end(_:)``.
    ///
    /// - Parameter tried: Replicas that this request has failed to reach already.
    /// - Returns: `nil` when every replica is among `tried`. An ejected one only when no other is left.
    public mutating func pick(now: Int, tried: [Key] = []) -> Key? {
        let count = replicas.count
        guard count > 0 else { return nil }
        turn = (turn &+ 1) % count
        var best: Int?
        var bestEjected: Int?
        for offset in 0..<count {
            let index = (turn + offset) % count
            let replica = replicas[index]
            if !tried.isEmpty, tried.contains(replica.key) { continue }
            if replica.health.isEjected(now: now) {
                // The one that would be back first.
                if let known = bestEjected, replicas[known].health.ejectedUntil <= replica.health.ejectedUntil { continue }
                bestEjected = index
            } else if best.map({ replica.outstanding < replicas[$0].outstanding }) ?? true {
                best = index
            }
        }
        guard let chosen = best ?? bestEjected else { return nil }
        replicas[chosen].outstanding += 1
        return replicas[chosen].key
    }

    /// The request is no longer under way at the replica.
    public mutating func end(_ key: Key) {
        guard let index = replicas.firstIndex(where: { $0.key == key }) else { return }
        replicas[index].outstanding = max(0, replicas[index].outstanding - 1)
    }

    public mutating func succeeded(_ key: Key) {
        guard let index = replicas.firstIndex(where: { $0.key == key }) else { return }
        replicas[index].health.succeeded()
    }

    /// - Parameter refused: It did not even take the connection.
    /// - Returns: Whether it was ejected by this.
    public mutating func failed(_ key: Key, refused: Bool, now: Int) -> Bool {
        guard let index = replicas.firstIndex(where: { $0.key == key }) else { return false }
        guard replicas[index].health.failed(refused: refused), !replicas[index].health.isEjected(now: now) else { return false }
        let inService = replicas.count { !$0.health.isEjected(now: now) }
        guard inService > 1 else { return false }
        replicas[index].health.eject(now: now)
        return true
    }
}
