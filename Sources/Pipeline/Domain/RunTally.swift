import SlipwayCore

/// How many runs there are in each state, and how long those that ended took.
public struct RunTally: Sendable, Hashable {
    /// The longest that a run is expected to take is a day.
    public static let boundsSeconds: [Double] = [1, 5, 15, 60, 300, 900, 1_800, 3_600, 7_200, 14_400, 43_200, 86_400]

    /// Runs that have not ended.
    public var open: [RunState: Int] = [:]
    /// Since the process started.
    public private(set) var ended: [RunState: Int] = [:]
    /// One a bound, and one for what took longer.
    public private(set) var durationCounts = Array(repeating: 0, count: boundsSeconds.count + 1)
    public private(set) var durationSeconds = 0.0

    public init() {}

    /// Counts a run that has ended.
    public mutating func end(_ run: RunRecord) {
        ended[run.state, default: 0] += 1
        guard let finished = run.finished else { return }
        let seconds = max(0, Double(finished.milliseconds - run.created.milliseconds) / 1_000)
        durationSeconds += seconds
        durationCounts[Self.boundsSeconds.firstIndex { seconds <= $0 } ?? Self.boundsSeconds.count] += 1
    }
}
