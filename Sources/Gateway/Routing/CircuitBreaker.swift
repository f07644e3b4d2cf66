/// Whether a model server is asked at all.
///
/// Closed, it counts answers and failures in windows; when at least half of enough requests failed, it
/// opens: requests are refused at once instead of waiting for a deadline each. After a while a few probes
/// go through; all of them answered, it closes, and one failure opens it again for twice as long. Only
/// failures to get an answer count: what a model answers, an error included, is an answer.
///
/// A value: the clock's nanoseconds are passed in.
public struct CircuitBreaker: Sendable, Hashable {
    public struct Limits: Sendable, Hashable {
        /// Requests in a window before it is judged.
        public var requestsMin = 20
        public var failureRatio = 0.5
        public var window = 10_000_000_000
        public var openFirst = 1_000_000_000
        public var openMax = 30_000_000_000
        /// Requests that go through when it half opens.
        public var probes = 3

        public init() {}
    }

    public enum Admission: Sendable, Hashable {
        case admitted
        /// - Parameter retryAfter: Nanoseconds after which it may be tried again.
        case refused(retryAfter: Int)
    }

    private enum State: Sendable, Hashable {
        case closed(since: Int, requests: Int, failures: Int)
        case open(until: Int)
        /// - Parameter until: When probes that never came back are given up for new ones.
        case halfOpen(until: Int, left: Int, answered: Int)
    }

    private let limits: Limits
    private var state = State.closed(since: 0, requests: 0, failures: 0)
    private var openings = 0

    public init(limits: Limits = Limits()) {
        self.limits = limits
    }

    public var isClosed: Bool {
        if case .closed = state { return true }
        return false
    }

    public mutating func admit(now: Int) -> Admission {
        switch state {
        case .closed: return .admitted
        case .open(let until):
            guard now >= until else { return .refused(retryAfter: until - now) }
            state = .halfOpen(until: now + duration, left: limits.probes - 1, answered: 0)
            return .admitted
        case .halfOpen(let until, let left, let answered):
            if left > 0 {
                state = .halfOpen(until: until, left: left - 1, answered: answered)
                return .admitted
            }
            guard now >= until else { return .refused(retryAfter: until - now) }
            state = .halfOpen(until: now + duration, left: limits.probes - 1, answered: 0)
            return .admitted
        }
    }

    public mutating func answered(now: Int) {
        switch state {
        case .closed(let since, let requests, let failures):
            let isOver = now - since > limits.window
            state = isOver ? .closed(since: now, requests: 1, failures: 0) : .closed(since: since, requests: requests + 1, failures: failures)
        case .open: break  // An answer from before it opened.
        case .halfOpen(let until, let left, let answered):
            guard answered + 1 >= limits.probes else {
                state = .halfOpen(until: until, left: left, answered: answered + 1)
                return
            }
            openings = 0
            state = .closed(since: now, requests: 0, failures: 0)
        }
    }

    /// - Returns: Whether it opened by this.
    public mutating func failed(now: Int) -> Bool {
        switch state {
        case .closed(let since, let requests, let failures):
            guard now - since <= limits.window else {
                state = .closed(since: now, requests: 1, failures: 1)
                return false
            }
            state = .closed(since: since, requests: requests + 1, failures: failures + 1)
            guard requests + 1 >= limits.requestsMin,
                Double(failures + 1) >= limits.failureRatio * Double(requests + 1)
            else { return false }
        case .open: return false
        case .halfOpen: break
        }
        openings += 1
        state = .open(until: now + duration)
        return true
    }

    private var duration: Int { min(limits.openMax, limits.openFirst << min(max(openings - 1, 0), 30)) }
}
