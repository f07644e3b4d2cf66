/// A value of a metric, and whose.
public struct RunMetric: Sendable, Hashable {
    public let metric: Metric
    public let runID: String

    public init(metric: Metric, runID: String) {
        self.metric = metric
        self.runID = runID
    }
}

/// A dataset that runs of an experiment were given.
public struct DatasetSummary: Sendable, Hashable {
    public let experimentID: Int64
    public let name: String
    public let digest: String
    /// What for, when the run said: training, evaluation…
    public let context: String?

    public init(experimentID: Int64, name: String, digest: String, context: String?) {
        self.experimentID = experimentID
        self.name = name
        self.digest = digest
        self.context = context
    }
}
