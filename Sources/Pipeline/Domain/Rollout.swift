public import SlipwayCore

/// The way of a candidate from no traffic to all of it, or back.
///
/// A value with no clock, no Git and no sockets: each event answers what is to be done next. Everything
/// that can go wrong in a rollout can therefore be tested without running one.
public struct Rollout: Sendable, Hashable {
    public enum State: Sendable, Hashable {
        case idle
        case attaching
        case shifting(Int)
        case observing(Int)
        case promoting
        case rollingBack
        case promoted
        case rolledBack
    }

    public enum Action: Sendable, Hashable {
        /// Put the candidate beside the champion with weight 0, or alone with 100 when there is none.
        case attach
        case shift(Percent)
        case observe(Percent)
        /// Make the candidate the champion.
        case promote
        case rollBack
        case finish(isPromoted: Bool)
    }

    public enum Event: Sendable, Hashable {
        /// The action asked for is done, on every replica.
        case done
        /// What `observe` saw; `isOverdue` once the policy's timeout is over.
        case judged(Verdict, isOverdue: Bool)
        /// The action asked for could not be done, or the run was cancelled.
        case broke
    }

    public private(set) var state: State = .idle
    private let weights: [Percent]
    private let hasChampion: Bool
    private let onInconclusive: ObservePolicy.Inconclusive

    /// - Parameter policy: Its weights grow and end with 100.
    public init(_ policy: RolloutPolicy, hasChampion: Bool) {
        precondition(policy.weights.last == Percent(whole: 100))
        precondition(zip(policy.weights, policy.weights.dropFirst()).allSatisfy { $0 < $1 })
        self.weights = policy.weights
        self.hasChampion = hasChampion
        self.onInconclusive = policy.observe.onInconclusive
    }

    public mutating func start() -> Action {
        guard state == .idle else { return action }
        state = .attaching
        return action
    }

    /// Takes in what happened; an event that does not fit the state changes nothing.
    public mutating func take(_ event: Event) -> Action {
        switch (state, event) {
        case (.attaching, .done): state = hasChampion ? .shifting(0) : .promoted
        case (.shifting(let index), .done): state = .observing(index)
        case (.observing(let index), .judged(let verdict, let isOverdue)):
            state = judged(verdict, isOverdue: isOverdue, index)
        case (.promoting, .done): state = .promoted
        case (.rollingBack, .done): state = .rolledBack
        case (.attaching, .broke), (.shifting, .broke), (.observing, .broke), (.promoting, .broke):
            state = .rollingBack
        default: break
        }
        return action
    }

    private func judged(_ verdict: Verdict, isOverdue: Bool, _ index: Int) -> State {
        switch verdict {
        case .pass: index + 1 < weights.count ? .shifting(index + 1) : .promoting
        case .fail: .rollingBack
        case .inconclusive: isOverdue || onInconclusive == .rollback ? .rollingBack : .observing(index)
        }
    }

    /// What the state asks for.
    public var action: Action {
        switch state {
        case .idle, .attaching: .attach
        case .shifting(let index): .shift(weights[index])
        case .observing(let index): .observe(weights[index])
        case .promoting: .promote
        case .rollingBack: .rollBack
        case .promoted: .finish(isPromoted: true)
        case .rolledBack: .finish(isPromoted: false)
        }
    }

    /// The candidate's share that the state allows at most; what a test holds against Git.
    public var weightMax: Percent {
        switch state {
        case .idle, .rolledBack: Percent(whole: 0)
        case .attaching: hasChampion ? Percent(whole: 0) : Percent(whole: 100)
        case .shifting(let index), .observing(let index): weights[index]
        case .promoting, .promoted, .rollingBack: Percent(whole: 100)
        }
    }
}
