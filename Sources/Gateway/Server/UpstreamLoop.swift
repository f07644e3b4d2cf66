import NIOCore
import SlipwayCore
import SlipwayRouting
import Synchronization

/// What one event loop has: a pool a replica, the balancer between them and the breaker before them.
///
/// Only touched on that loop. Decides nothing itself: it tells the values what happened and does what they
/// say.
final class UpstreamLoop: UpstreamExchangeOwner {
    private var pools: [UpstreamEndpoint: UpstreamPool] = [:]
    private var balancer: ReplicaBalancer<UpstreamEndpoint>
    private var breaker: CircuitBreaker
    private var absences: ReplicaAbsences<UpstreamEndpoint>
    private let limits: UpstreamLimits
    private let counts: UpstreamCounts
    private let loop: any EventLoop
    /// Pools of replicas that are no more, until their last answer is out.
    private var leaving: [UpstreamPool] = []

    init(
        endpoints: [UpstreamEndpoint],
        first: Int,
        limits: UpstreamLimits,
        counts: UpstreamCounts,
        loop: any EventLoop
    ) {
        self.limits = limits
        self.counts = counts
        self.loop = loop
        balancer = ReplicaBalancer(limits: limits.ejection, first: first)
        breaker = CircuitBreaker(limits: limits.breaker)
        absences = ReplicaAbsences(limits: limits.absence)
        update(endpoints)
    }

    private var now: Int { Int(truncatingIfNeeded: NIODeadline.now().uptimeNanoseconds) }

    func update(_ endpoints: [UpstreamEndpoint]) {
        balancer.update(endpoints)
        counts.replicas.store(endpoints.count, ordering: .relaxed)
        for endpoint in endpoints where pools[endpoint] == nil {
            pools[endpoint] = UpstreamPool(endpoint: endpoint, limits: limits, counts: counts, loop: loop, owner: self)
        }
        let gone = pools.filter { !endpoints.contains($0.key) }
        for endpoint in gone.keys { pools[endpoint] = nil }
        leaving.removeAll { $0.isEmpty }
        leaving += gone.values
        for pool in gone.values { pool.leave() }
    }

    func send(_ exchange: UpstreamExchange) {
        if !exchange.request.isShadow, case .refused(let wait) = breaker.admit(now: now) {
            counts.broken.wrappingAdd(1, ordering: .relaxed)
            let seconds = max(1, Int((Double(wait) / 1e9).rounded(.up)))
            exchange.finish(
                .failure(
                    PlatformError(
                        .unavailable,
                        "the model server has not answered lately and is not asked for \(seconds) s",
                        cause: UpstreamTrouble.open(retryAfterSeconds: seconds)
                    )
                )
            )
            return
        }
        guard sendElsewhere(exchange) else {
            exchange.finish(.failure(PlatformError(.unavailable, "the model server has no address", remedy: "check '--upstream'")))
            return
        }
    }

    /// Sends it to a replica that has not refused it, rather to one that has what it asks for.
    ///
    /// - Returns: False when there is no replica left.
    func sendElsewhere(_ exchange: UpstreamExchange) -> Bool {
        if let refusing = exchange.replica {
            balancer.end(refusing)
            exchange.replica = nil
            exchange.refusals.append(refusing)
        }
        guard let endpoint = pick(for: exchange), let pool = pools[endpoint] else { return false }
        exchange.replica = endpoint
        pool.send(exchange)
        return true
    }

    private func pick(for exchange: UpstreamExchange) -> UpstreamEndpoint? {
        if !absences.isEmpty {
            let lacking = absences.keys(path: exchange.request.path, now: now)
            if !lacking.isEmpty, let endpoint = balancer.pick(now: now, tried: exchange.refusals + lacking) { return endpoint }
        }
        return balancer.pick(now: now, tried: exchange.refusals)
    }

    // MARK: What happened

    /// A replica answered that it does not have the version: nothing was done, so another one may be asked.
    ///
    /// - Returns: Whether one is.
    func lacks(_ exchange: UpstreamExchange, at endpoint: UpstreamEndpoint) -> Bool {
        guard balancer.keys.count > 1 else { return false }
        absences.add(endpoint, path: exchange.request.path, now: now)
        guard sendElsewhere(exchange) else { return false }
        counts.absences.wrappingAdd(1, ordering: .relaxed)
        return true
    }

    func ended(_ exchange: UpstreamExchange, hasAnswer: Bool) {
        guard let replica = exchange.replica else { return }
        balancer.end(replica)
        exchange.replica = nil
        guard hasAnswer, !exchange.request.isShadow else { return }
        balancer.succeeded(replica)
        breaker.answered(now: now)
    }

    func abandoned(_ exchange: UpstreamExchange) {
        counts.abandoned.wrappingAdd(1, ordering: .relaxed)
    }

    /// A replica took a request and did not answer it. A shadow may be slow or broken: that says nothing
    /// about the replica.
    func faulted(_ exchange: UpstreamExchange, at endpoint: UpstreamEndpoint) {
        guard !exchange.request.isShadow else { return }
        eject(endpoint, refused: false)
        fail()
    }

    /// A replica did not take a connection.
    func refused(by endpoint: UpstreamEndpoint) {
        eject(endpoint, refused: true)
        // With others left, the request is not lost by this.
        if balancer.keys.count == 1 { fail() }
    }

    private func eject(_ endpoint: UpstreamEndpoint, refused: Bool) {
        if balancer.failed(endpoint, refused: refused, now: now) { counts.ejections.wrappingAdd(1, ordering: .relaxed) }
    }

    private func fail() {
        if breaker.failed(now: now) { counts.openings.wrappingAdd(1, ordering: .relaxed) }
    }

    func close() {
        for pool in pools.values { pool.close() }
        for pool in leaving { pool.close() }
    }
}
