/// A token bucket: `perSecond` requests in the long run, `burst` at once.
///
/// A value: the clock's nanoseconds are passed in. Exact enough for rates up to a thousand million.
public struct TokenBucket: Sendable, Hashable {
    private var tokens: Double
    private var filledAt: Int

    public init(burst: Double, now: Int) {
        tokens = burst
        filledAt = now
    }

    /// Takes one token.
    ///
    /// - Returns: `nil` when there was one; otherwise the nanoseconds until there is.
    public mutating func take(perSecond: Double, burst: Double, now: Int) -> Int? {
        fill(perSecond: perSecond, burst: burst, now: now)
        guard tokens >= 1 else { return Int(((1 - tokens) / perSecond * 1e9).rounded(.up)) }
        tokens -= 1
        return nil
    }

    mutating func fill(perSecond: Double, burst: Double, now: Int) {
        // A clock that is read on another core may be a little behind.
        let elapsed = max(0, now - filledAt)
        tokens = min(burst, tokens + Double(elapsed) / 1e9 * perSecond)
        filledAt = max(now, filledAt)
    }

    func isFull(burst: Double) -> Bool { tokens >= burst }
}

/// How many requests each client may send and have under way. A value; one a shard of the gateway.
///
/// Memory is bounded: clients about whom there is nothing to remember are forgotten, and when there are
/// more than fit, the newcomers share one account.
public struct ClientGate: Sendable {
    public struct Limits: Sendable, Hashable {
        /// Requests a second and client in the long run; `nil`: any.
        public var ratePerSecond: Double?
        /// Requests at once, after a pause.
        public var burst: Double = 1
        /// Requests of one client under way; `nil`: any.
        public var concurrencyMax: Int?
        /// Clients that are remembered.
        public var clientsMax = 10_000

        public init() {}

        public var isOff: Bool { ratePerSecond == nil && concurrencyMax == nil }
    }

    public enum Decision: Sendable, Hashable {
        case admitted
        /// - Parameter retryAfter: Nanoseconds until the next request would be admitted.
        case tooFast(retryAfter: Int)
        case tooMany
    }

    private struct Account: Sendable {
        var bucket: TokenBucket
        var underWay = 0
    }

    private let limits: Limits
    private var accounts: [UInt64: Account] = [:]
    private var sweptAt = Int.min / 2
    private static let sharedAccount = UInt64.max
    /// Going through all accounts is not for every request of a newcomer.
    private static let sweepNanoseconds = 100_000_000

    public init(limits: Limits) {
        self.limits = limits
    }

    var count: Int { accounts.count }

    /// Admits a request, which is under way until ``leave(_:)``, or refuses it.
    ///
    /// - Parameter client: A hash of who asks. Two clients with one hash share an account.
    public mutating func enter(_ client: UInt64, now: Int) -> Decision {
        let key = account(client, now: now)
        var account = accounts[key] ?? Account(bucket: TokenBucket(burst: limits.burst, now: now))
        if let concurrencyMax = limits.concurrencyMax, account.underWay >= concurrencyMax { return .tooMany }
        if let rate = limits.ratePerSecond, let wait = account.bucket.take(perSecond: rate, burst: limits.burst, now: now) {
            accounts[key] = account
            return .tooFast(retryAfter: wait)
        }
        account.underWay += 1
        accounts[key] = account
        return .admitted
    }

    public mutating func leave(_ client: UInt64) {
        // A client that came when there was no room has used the shared account.
        let key = accounts[client].map { $0.underWay > 0 } == true ? client : Self.sharedAccount
        guard let underWay = accounts[key]?.underWay, underWay > 0 else { return }
        accounts[key]?.underWay = underWay - 1
        if limits.ratePerSecond == nil, underWay == 1 { accounts[key] = nil }
    }

    private mutating func account(_ client: UInt64, now: Int) -> UInt64 {
        if accounts[client] != nil || accounts.count < limits.clientsMax { return client }
        if now - sweptAt >= Self.sweepNanoseconds {
            sweptAt = now
            forget(now: now)
        }
        return accounts.count < limits.clientsMax ? client : Self.sharedAccount
    }

    /// Lets go of accounts that are as good as new.
    private mutating func forget(now: Int) {
        accounts = accounts.filter { _, account in
            var bucket = account.bucket
            guard account.underWay == 0 else { return true }
            guard let rate = limits.ratePerSecond else { return false }
            bucket.fill(perSecond: rate, burst: limits.burst, now: now)
            return !bucket.isFull(burst: limits.burst)
        }
    }
}
