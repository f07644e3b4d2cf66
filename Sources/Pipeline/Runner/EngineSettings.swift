public import SlipwayCore

/// What an engine is told once.
public struct EngineSettings: Sendable {
    public let environment: EnvironmentName
    /// Absolute; each run has a folder of its id in it.
    public let runsFolder: String
    /// What the user's steps get as `MLFLOW_TRACKING_URI`.
    public let trackingAddress: String
    /// The platform's own environment, of which a few variables are handed on.
    public let processEnvironment: [String: String]
    /// Makes a new run's id.
    public var newRunID: @Sendable (Timestamp) throws -> RunID

    /// How many accepted runs may wait or run.
    public var queueMax = 100
    /// How many models may have a run at the same time.
    public var modelsAtOnceMax = 4
    /// How often the gateways' counters are read while observing.
    public var observePoll = Duration.milliseconds(200)
    /// How long one replica may take to load a version.
    public var loadLimit = Duration.seconds(120)
    public var probeLimit = Duration.seconds(60)
    /// How long one golden request may take before it counts as no answer.
    public var inferLimit = Duration.seconds(30)
    /// How long a commit may take to be carried out on every replica.
    public var syncLimit = Duration.seconds(120)
    /// How often a commit is tried again when somebody else was faster.
    public var commitAttemptsMax = 20
    /// How often a rollback is tried before it is given up, with a growing pause.
    public var rollbackAttemptsMax = 60
    /// The pause between two attempts to deliver a notification.
    public var notifyPause = Duration.seconds(5)
    /// How often a restart picks a run up before it is ended.
    public var recoveriesMax = 3
    /// The same while the candidate takes traffic: it may be what stops the platform.
    public var recoveriesInTrafficMax = 1
    /// What one step may log.
    public var logBytesMax = 64 << 20
    /// The largest holdout that is kept with the version.
    public var evidenceBytesMax = 64 << 20
    /// How long a loaded candidate is kept from a reconciler in another process; `nil` where the reconciler
    /// asks the engine itself.
    public var holdLimit: Duration?

    public init(
        environment: EnvironmentName,
        runsFolder: String,
        trackingAddress: String,
        processEnvironment: [String: String]
    ) {
        self.environment = environment
        self.runsFolder = runsFolder
        self.trackingAddress = trackingAddress
        self.processEnvironment = processEnvironment
        self.newRunID = { try Self.randomID(at: $0) }
    }

    /// `r20260131-120000-3fa2c1`: sorts by time.
    static func randomID(at time: Timestamp) throws -> RunID {
        let digits = time.description.utf8.filter { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
        let stamp = String(decoding: digits, as: UTF8.self)
        let tail = (0..<3).map { _ in UInt8.random(in: 0...255) }.hexText
        return try RunID("r\(stamp.prefix(8))-\(stamp.dropFirst(8).prefix(6))-\(tail)")
    }
}
