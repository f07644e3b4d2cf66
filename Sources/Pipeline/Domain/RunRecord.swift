public import SlipwayCore

/// How a run stands or ended.
public enum RunState: String, Sendable, Hashable, Codable, CaseIterable {
    case queued
    case running
    /// All six success conditions hold, or the pipeline ended where its `until` says.
    case succeeded
    /// A gate refused the candidate before it took traffic; nothing in Git or in traffic changed.
    case refused
    /// Something broke before the candidate took traffic; nothing in Git or in traffic changed. Or, and
    /// then the summary says so, what was promoted stays in service but the run's end could not be
    /// reached: its notification never went out, or Git was changed by somebody else.
    case failed
    /// The candidate had been attached; a commit restored the last good release.
    case rolledBack = "rolled-back"
    /// Healthy and in service, but the notification is not out yet.
    case pendingNotify = "pending-notify"
    case cancelled

    public var isFinal: Bool {
        switch self {
        case .queued, .running, .pendingNotify: false
        case .succeeded, .refused, .failed, .rolledBack, .cancelled: true
        }
    }
}

public enum StepState: String, Sendable, Hashable, Codable, CaseIterable {
    case waiting
    case running
    case passed
    /// A gate's verdict was `fail`.
    case refused
    case failed
    /// Not declared, or nothing to do (no champion to compare with).
    case skipped
    case cancelled
}

/// The six that must hold, each with its own proof.
public enum SuccessCondition: String, Sendable, Hashable, Codable, CaseIterable {
    case registered
    case ready
    case loaded
    case smokePassed = "smoke-passed"
    case gatewayReloaded = "gateway-reloaded"
    case notified
}

/// What is kept of a run. Durable after each change.
public struct RunRecord: Sendable, Hashable, Codable {
    public let id: RunID
    public let model: ModelName
    /// The folder of the training project, absolute.
    public let project: String
    /// The project's Git commit; `nil` where it is in no repository.
    public let projectCommit: String?
    /// Values of `--set key=value`, handed to the user's steps.
    public let parameters: [String: String]
    public let created: Timestamp
    public var state: RunState
    public var finished: Timestamp?
    /// One sentence: how it ended and why, with the numbers.
    public var summary: String
    public var steps: [StepRecord]
    /// The MLflow run that belongs to it.
    public var trackingRunID: String?
    public var candidate: ModelVersion?
    /// The champion when the run began; what a rollback restores.
    public var champion: ModelVersion?
    /// The release text that was in Git before `attach`, and its commit.
    public var releaseBefore: String?
    public var releaseBeforeCommit: CommitID?
    public var conditions: Set<SuccessCondition>
    /// Digests of this run's proofs, in order.
    public var proofs: [String]

    /// The text of `pipeline.yaml` when the run was accepted: later edits do not touch a run under way.
    public var pipeline: String
    /// Where the version comes from, when it is promoted from another environment instead of trained.
    public var promotion: PromotionSource?
    /// Artifact path → `sha256:…`, of every file of the candidate.
    public var digests: [String: String]
    /// Where the graph is among the artifacts.
    public var graph: String?
    /// The digest of the graph that a process of its own has loaded.
    public var probedGraph: String?
    /// The release text that this run means to have in Git: kept before each commit, so that a restart
    /// recognises its own commit.
    public var releaseIntended: String?
    /// The last commit this run made or found made, and the text it left there.
    public var releaseCommit: CommitID?
    public var releaseLeft: String?
    /// Why it is going back; from then on nothing else is done.
    public var rollbackReason: String?
    /// How often a restart of the platform has picked it up.
    public var recoveries: Int
    public var isCancelRequested: Bool
    /// What the champion did in the last window in which it had traffic.
    public var championWindow: ObservedVariant?

    public init(
        id: RunID,
        model: ModelName,
        project: String,
        projectCommit: String?,
        parameters: [String: String],
        created: Timestamp,
        steps: [StepRecord]
    ) {
        self.id = id
        self.model = model
        self.project = project
        self.projectCommit = projectCommit
        self.parameters = parameters
        self.created = created
        self.state = .queued
        self.summary = ""
        self.steps = steps
        self.conditions = []
        self.proofs = []
        self.pipeline = ""
        self.digests = [:]
        self.recoveries = 0
        self.isCancelRequested = false
    }
}

/// A version that serves in another environment.
public struct PromotionSource: Sendable, Hashable, Codable {
    public let environment: EnvironmentName
    public let version: ModelVersion

    public init(environment: EnvironmentName, version: ModelVersion) {
        self.environment = environment
        self.version = version
    }
}

/// One step of a run. `shift` and `observe` come once for each weight.
public struct StepRecord: Sendable, Hashable, Codable {
    public let name: StepName
    /// For `shift` and `observe`: the candidate's weight in percent, as text; `promote` for the last
    /// commit. For `command`: its name in `pipeline.yaml`.
    public let part: String?
    public var state: StepState
    public var attempt: Int
    public var started: Timestamp?
    public var finished: Timestamp?
    public var verdict: Verdict?
    /// What was compared or done, with numbers: one line each.
    public var details: [String]

    public init(name: StepName, part: String? = nil) {
        self.name = name
        self.part = part
        self.state = .waiting
        self.attempt = 0
        self.details = []
    }

    /// `shift 10`, `train`.
    public var title: String { part.map { "\(name.rawValue) \($0)" } ?? name.rawValue }
}

/// What a watcher of a run is told, in order.
public enum RunEvent: Sendable, Hashable, Codable {
    /// The run as it now stands; always the first event and the last.
    case run(RunRecord)
    /// A line that a user's step wrote.
    case output(step: StepName, line: String)
    /// Something under way that a watcher wants to see, such as "weight 10 %: 412 requests".
    case progress(step: StepName, text: String)
}
