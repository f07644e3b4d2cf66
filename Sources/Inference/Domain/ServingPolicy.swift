/// How a session of a model is opened.
public struct SessionOptions: Sendable, Hashable {
    /// How far the runtime rewrites the graph before it runs it.
    public enum GraphOptimization: String, Sendable, Hashable, CaseIterable {
        case none, basic, extended, all
    }

    /// Threads that one run may use within an operator; `nil`: the runtime's own setting.
    public var intraOpThreads: Int?
    /// Threads that run operators side by side; `nil`: one after the other.
    public var interOpThreads: Int?
    public var graphOptimization = GraphOptimization.all
    /// Whether freed memory is kept for the next run.
    public var keepsArena = true
    /// Whether the memory of a run is laid out ahead, by what an earlier one of the same shapes needed.
    public var usesMemoryPattern = true
    /// Whether operators that do not depend on one another run side by side, on ``interOpThreads``.
    public var runsOperatorsInParallel = false
    /// The runtime's own settings by their names: `session.…`.
    public var entries: [String: String] = [:]
    /// Runs of the session at the same time: what a runtime that keeps processes must provide for.
    public var instances = 1
    /// All that the model's configuration has under `parameters`.
    public var parameters: [String: String] = [:]

    public init() {}
}

/// How the requests of one version are gathered and run.
///
/// A value: it says what is wanted; the scheduler carries it out.
public struct BatchingPolicy: Sendable, Hashable {
    /// What happens to a request that has waited for longer than its time.
    public enum TimeoutAction: String, Sendable, Hashable { case reject, delay }

    /// Triton's `dynamic_batching`.
    public struct Gathering: Sendable, Hashable {
        /// Row counts worth waiting for; empty: ``BatchingPolicy/rowsMax``.
        public var preferredRows: [Int] = []
        /// The longest that the oldest request waits for company, in microseconds.
        public var delayMicroseconds = 0
        /// Whether answers leave in the order of their requests.
        public var preservesOrder = false

        public init() {}
    }

    /// Rows that one run may have; 0: the first dimension is no batch dimension, requests are not gathered.
    public var rowsMax = 0
    /// `nil`: each request is a run of its own.
    public var gathering: Gathering?
    /// Runs of this version at the same time.
    public var instances = 1
    /// Requests that may wait; 0: the server's own limit.
    public var queueMax = 0
    /// How long a request may wait unless it says otherwise, in microseconds; 0: as long as it takes.
    public var timeoutMicroseconds = 0
    public var timeoutAction = TimeoutAction.reject
    /// Whether a request's own `timeout` counts.
    public var allowsTimeoutOverride = false

    public init() {}
}
