/// The keys of structured log lines that say what a line is about: the API's words.
///
/// `baseline/alloy/config.alloy` makes structured metadata of exactly these, and never labels: a label a run
/// would be a stream a run. A test compares the two.
public enum LogKey: String, Sendable, CaseIterable {
    case runID = "run.id"
    case stepName = "step.name"
    case releaseCommit = "release.commit"
    case modelName = "model.name"
    case modelVersion = "model.version"
    case variant
    case requestID = "request.id"
}
