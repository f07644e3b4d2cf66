public import SlipwayCore

/// Where runs are kept. A returned `save` has reached the disk.
public protocol RunStore: Sendable {
    func save(_ run: RunRecord) async throws
    func run(_ id: RunID) async throws -> RunRecord?
    /// Newest first.
    func runs(limit: Int) async throws -> [RunRecord]
    /// Every run that is not final, oldest first: what a restart must finish or roll back.
    func unfinished() async throws -> [RunRecord]
}

/// Runs a user's command as a process group.
public protocol CommandRunner: Sendable {
    /// Runs to the end, or until `timeout` or cancellation, when the whole group is ended: TERM, then KILL.
    ///
    /// - Parameter onLine: Gets each line of standard output and standard error as it comes; lines are
    ///   cut at a limit, and invalid UTF-8 is repaired.
    func run(_ command: Command, onLine: @escaping @Sendable (String) -> Void) async throws -> CommandResult
    /// Ends processes that a platform killed in the middle has left behind: those whose environment has
    /// `key` with exactly this value. Answers how many there were.
    func endLeftovers(key: String, value: String) async -> Int
}

/// Opens a model file in a process of its own, so that a graph that kills its runtime kills nobody else.
public protocol ModelProbe: Sendable {
    /// - Throws: `invalid_argument` with the runtime's reason when it does not load, `exhausted` when it
    ///   took longer than `timeout`.
    func probe(file: String, timeout: Duration) async throws -> ModelProbeReport
}

/// What a graph declares, as a probe saw it.
public struct ModelProbeReport: Sendable, Hashable, Codable {
    /// `name TYPE[shape]`, one an input.
    public let inputs: [String]
    public let outputs: [String]

    public init(inputs: [String], outputs: [String]) {
        self.inputs = inputs
        self.outputs = outputs
    }
}

public struct Command: Sendable, Hashable {
    /// Program and arguments; found through `PATH` of `environment`.
    public let arguments: [String]
    public let directory: String
    /// The whole environment of the process.
    public let environment: [String: String]
    public let timeout: Duration

    public init(arguments: [String], directory: String, environment: [String: String], timeout: Duration) {
        self.arguments = arguments
        self.directory = directory
        self.environment = environment
        self.timeout = timeout
    }
}

public enum CommandResult: Sendable, Hashable {
    case exited(Int32)
    case signalled(Int32)
    case timedOut
}

/// Tells people. An outbox stands behind it: what was handed over once is delivered at most once.
public protocol Notifier: Sendable {
    /// Tries to deliver, and answers how far it came. Calling again with the same `key` never sends twice.
    func notify(_ notification: Notification) async throws -> DeliveryReceipt
    /// How far a notification handed over before has come.
    func receipt(key: String) async throws -> DeliveryReceipt?
}

public struct Notification: Sendable, Hashable, Codable {
    /// Unique for what is told: `<run>/<event>`.
    public let key: String
    /// One line.
    public let title: String
    public let lines: [String]

    public init(key: String, title: String, lines: [String]) {
        self.key = key
        self.title = title
        self.lines = lines
    }
}

/// How far a notification came, from best to worst.
public struct DeliveryReceipt: Sendable, Hashable, Codable {
    public enum State: String, Sendable, Hashable, Codable, CaseIterable {
        /// A message id is stored.
        case delivered
        /// The webhook said ok, which names no message; or no Slack is configured and it is in the outbox on disk.
        case accepted
        /// It waits in the outbox for its next attempt.
        case pending
        /// It will never go out: refused, or out of attempts.
        case failed
    }

    public let state: State
    /// `slack:<channel>/<ts>`, `slack-webhook`, `outbox:<file>`.
    public let channel: String
    /// The message id, or why it failed.
    public let detail: String
    public let attempts: Int

    public init(state: State, channel: String, detail: String, attempts: Int) {
        self.state = state
        self.channel = channel
        self.detail = detail
        self.attempts = attempts
    }
}
