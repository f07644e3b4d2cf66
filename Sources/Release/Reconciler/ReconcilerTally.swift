import SlipwayCore
import SlipwayRelease

/// What a reconciler found and did since its process started.
struct ReconcilerTally: Sendable {
    /// The kinds of actions, as labels.
    enum Kind: String, Sendable, CaseIterable {
        case load, reload
        case setAlias = "set_alias"
        case removeAlias = "remove_alias"
        case unload

        init(_ action: ReconcilePlan.Action) {
            switch action {
            case .load: self = .load
            case .reload: self = .reload
            case .setAlias: self = .setAlias
            case .removeAlias: self = .removeAlias
            case .unload: self = .unload
            }
        }

        /// An unload tidies up after a release or a candidate; the others mend what Git says and is not so.
        var mends: Bool { self != .unload }
    }

    private(set) var drift: [Kind: Int] = [:]
    private(set) var done: [Kind: Int] = [:]
    private(set) var failed: [Kind: Int] = [:]
    /// Grows by one with every commit that was taken up.
    var generation = 0
    /// When a pass last ended in agreement with Git.
    var lastSuccess: Timestamp?

    /// Counts what a pass found to do first, where the model's release had been brought about before.
    mutating func found(_ actions: [ReconcilePlan.Action], isBroughtAbout: (ModelName) -> Bool) {
        for action in actions where Kind(action).mends && isBroughtAbout(action.model) { drift[Kind(action), default: 0] += 1 }
    }

    mutating func count(done action: ReconcilePlan.Action) { done[Kind(action), default: 0] += 1 }

    mutating func count(failed action: ReconcilePlan.Action) { failed[Kind(action), default: 0] += 1 }
}
