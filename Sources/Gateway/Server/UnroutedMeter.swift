import SlipwayCore
import Synchronization

/// Counts requests that ended before a variant was chosen: broken bodies, unknown models, nothing released.
///
/// Shared by all event loops, as it is off the path of good requests.
final class UnroutedMeter: Sendable {
    private let invalid = Atomic<Int>(0)
    private let notFound = Atomic<Int>(0)
    private let unavailable = Atomic<Int>(0)

    func count(_ code: PlatformError.Code) {
        switch code {
        case .notFound: notFound.wrappingAdd(1, ordering: .relaxed)
        case .unavailable: unavailable.wrappingAdd(1, ordering: .relaxed)
        default: invalid.wrappingAdd(1, ordering: .relaxed)
        }
    }

    /// By reason, a closed set.
    var counts: [(reason: String, count: Int)] {
        [
            ("invalid", invalid.load(ordering: .relaxed)),
            ("not_found", notFound.load(ordering: .relaxed)),
            ("unavailable", unavailable.load(ordering: .relaxed)),
        ]
    }
}
