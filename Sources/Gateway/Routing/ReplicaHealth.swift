/// Whether one replica of a model server gets requests: ejected for a while after failures in a row.
///
/// A value: the clock's nanoseconds are passed in.
public struct ReplicaHealth: Sendable, Hashable {
    public struct Limits: Sendable, Hashable {
        /// Failures in a row that eject; a refused connection alone does.
        public var failuresMax = 5
        /// The first ejection; each further one is twice as long.
        public var ejectionFirst = 1_000_000_000
        public var ejectionMax = 60_000_000_000

        public init() {}
    }

    private let limits: Limits
    private var failures = 0
    /// Ejections in a row, without a time as long as the longest one between them.
    private var ejections = 0
    /// 0: never ejected.
    public private(set) var ejectedUntil = 0

    public init(limits: Limits = Limits()) {
        self.limits = limits
    }

    public func isEjected(now: Int) -> Bool { ejectedUntil > now }

    public mutating func succeeded() {
        failures = 0
    }

    /// - Parameter refused: It did not even take the connection.
    /// - Returns: Whether it should be ejected now; the caller knows whether others are left.
    public mutating func failed(refused: Bool) -> Bool {
        failures += 1
        return refused || failures >= limits.failuresMax
    }

    public mutating func eject(now: Int) {
        if now - ejectedUntil > limits.ejectionMax { ejections = 0 }
        let doublings = min(ejections, 30)
        let duration = min(limits.ejectionMax, limits.ejectionFirst << doublings)
        ejections += 1
        failures = 0
        ejectedUntil = now + duration
    }
}
