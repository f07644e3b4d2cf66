import SlipwayCore
import SlipwayFeatures

/// What came of joining features to one request.
enum FeatureOutcome: String, CaseIterable {
    case fresh
    /// Some value is older than allowed, or from an earlier answer; none is missing.
    case stale
    /// Some value was never known, and its default stands in.
    case missing
    /// The release's policy takes no such values.
    case refused
    /// The feature store did not answer, and what was known did not do.
    case unavailable

    init(_ join: FeatureJoin) {
        self = !join.missing.isEmpty ? .missing : join.stale.isEmpty ? .fresh : .stale
    }

    init(_ error: any Error) {
        self = (error as? PlatformError)?.code == .failedPrecondition ? .refused : .unavailable
    }
}
