/// The steps of the road, in order, under the names they have in Airflow too.
public enum StepName: String, Sendable, Hashable, Codable, CaseIterable {
    // Commands of the user's project; all but `train` are optional.
    case extract
    /// Any other command of the project; its name is the step's part.
    case command
    case validateData = "validate_data"
    case buildFeatures = "build_features"
    case driftGate = "drift_gate"
    case train
    case evaluate
    case register
    case ready
    case load
    case smoke
    case attach
    case shift
    case observe
    case notify
    /// From anywhere after `register`, and only on failure.
    case rollback

    /// Whether the user's `pipeline.yaml` gives the command.
    public var isUserStep: Bool {
        switch self {
        case .extract, .command, .validateData, .buildFeatures, .train: true
        default: false
        }
    }

    /// Whether the step can refuse the candidate.
    public var isGate: Bool {
        switch self {
        case .driftGate, .evaluate, .ready, .smoke, .observe: true
        default: false
        }
    }
}
