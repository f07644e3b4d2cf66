import NIOCore
import SlipwayCore
import Synchronization

/// The snapshot that every event loop routes by.
///
/// A swap stores the snapshot and then its generation, one atomic number. Each event loop keeps the
/// snapshot it used last and compares that number before every request, which costs one read of a cache
/// line that hardly ever changes; only after a swap it takes the lock, once. The number is the moment of
/// the swap for all loops: a client that has seen an answer by the new routes cannot get a later one by
/// the old.
final class PublishedRoutes: Sendable {
    private let generation = Atomic<Int>(0)
    private let snapshot = Mutex<RouteSnapshot>(.empty)
    private let loops: PerLoop<LoopRoutes>

    init(eventLoops: any EventLoopGroup) {
        loops = PerLoop(eventLoops) { index, loop in LoopRoutes(shard: index, loop: loop) }
    }

    /// How many shards a meter needs.
    var shardCount: Int { loops.count }

    /// For what is not on an event loop.
    var current: RouteSnapshot { snapshot.withLock { $0 } }

    /// The routes of this event loop, as new as the last swap; `nil` for a loop of another group.
    @inline(__always)
    func onLoop(_ loop: any EventLoop) -> LoopRoutes? {
        guard let routes = loops.value(on: loop) else { return nil }
        if generation.load(ordering: .acquiring) != routes.snapshot.generation { routes.snapshot = current }
        return routes
    }

    /// A loop to answer on for a request that came in on one of another group.
    var anyLoop: any EventLoop { loops.loops[0] }

    /// Swaps the routes, then waits until no event loop is in the middle of choosing by the old ones.
    ///
    /// After it returns, what is in flight on a version that the new routes do not name can only fall.
    func publish(_ next: RouteSnapshot) async throws {
        snapshot.withLock { $0 = next }
        generation.store(next.generation, ordering: .releasing)
        for loop in loops.loops { try await loop.submit {}.get() }
    }
}

/// What one event loop knows: only touched on it.
final class LoopRoutes {
    let shard: Int
    let loop: any EventLoop
    var snapshot: RouteSnapshot = .empty
    private var random: UInt64 = .random(in: .min ... .max)

    init(shard: Int, loop: any EventLoop) {
        self.shard = shard
        self.loop = loop
    }

    /// 64 random bits for a request without a client id: SplitMix64, as the system's generator is a call
    /// into the kernel.
    func nextRandom() -> UInt64 {
        random &+= 0x9E37_79B9_7F4A_7C15
        var mixed = random
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
