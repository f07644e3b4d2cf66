import SlipwayInference

/// The life of one model version in a server, as a value: which command is allowed when, and what follows.
///
/// Truthful: a failed load stays `unavailable` with its reason, and a second load tries again. Idempotent:
/// loading what is ready and unloading what is gone do nothing.
struct VersionLifecycle: Equatable {
    enum State: Equatable {
        case loading
        case ready
        /// Serves, while what shall take its place is opened.
        case replacing
        /// Takes no new request; those in flight finish.
        case unloading
        case unavailable(reason: String)
    }

    enum Action: Equatable {
        case none
        /// Open a session.
        case open
        /// Take it off the table, wait for what is in flight, close the session.
        case drain
        /// Somebody else is at it; ask again when that has ended.
        case wait
    }

    private(set) var state: State = .unavailable(reason: "")

    /// - Parameter isSame: Whether what is asked for is what is ready.
    mutating func load(isSame: Bool = true) -> Action {
        switch state {
        case .ready where isSame: return .none
        case .ready:
            state = .replacing
            return .open
        case .loading, .replacing, .unloading: return .wait
        case .unavailable:
            state = .loading
            return .open
        }
    }

    mutating func opened() {
        precondition(state == .loading || state == .replacing, "opened while \(state)")
        state = .ready
    }

    /// A failed replacement leaves what serves.
    mutating func failed(_ reason: String) {
        precondition(state == .loading || state == .replacing, "failed while \(state)")
        state = state == .replacing ? .ready : .unavailable(reason: reason)
    }

    mutating func unload() -> Action {
        switch state {
        case .unavailable: return .none
        case .loading, .replacing, .unloading: return .wait
        case .ready:
            state = .unloading
            return .drain
        }
    }

    mutating func drained() {
        precondition(state == .unloading, "drained while \(state)")
        state = .unavailable(reason: "unloaded")
    }

    /// As the repository index says it.
    var served: (ServedVersion.State, reason: String) {
        switch state {
        case .loading: (.loading, "")
        case .ready, .replacing: (.ready, "")
        case .unloading: (.unloading, "")
        case .unavailable(let reason): (.unavailable, reason)
        }
    }
}
