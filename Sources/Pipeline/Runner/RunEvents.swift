import SlipwayCore
import SlipwayPipeline
import Synchronization

/// Tells watchers what happens to the runs under way.
///
/// Publishing never waits: a step's output comes from a reading thread. A watcher that is slower than the
/// run loses its oldest events, never the last.
final class RunEvents: Sendable {
    static let watchersMax = 64
    static let bufferedMax = 4_096

    private struct Channel {
        var latest: RunRecord
        var watchers: [Int: AsyncStream<RunEvent>.Continuation] = [:]
        var next = 0
    }

    private let channels = Mutex<[RunID: Channel]>([:])
    private let ended = Mutex(RunTally())

    /// Of the runs under way, and of those that have ended since the process started.
    var tally: RunTally {
        var tally = ended.withLock { $0 }
        tally.open = channels.withLock { channels in
            channels.values.reduce(into: [:]) { $0[$1.latest.state, default: 0] += 1 }
        }
        return tally
    }

    /// Tells how a run stands now; the first time opens it for watchers, a final state closes it.
    func publish(_ run: RunRecord) {
        let (watchers, isKnown) = channels.withLock { channels in
            let isKnown = channels[run.id] != nil
            channels[run.id, default: Channel(latest: run)].latest = run
            let watchers = channels[run.id]?.watchers ?? [:]
            if run.state.isFinal { channels[run.id] = nil }
            return (watchers, isKnown)
        }
        // Told twice that it has ended, a run is counted once.
        if run.state.isFinal, isKnown { ended.withLock { $0.end(run) } }
        for watcher in watchers.values {
            watcher.yield(.run(run))
            if run.state.isFinal { watcher.finish() }
        }
    }

    func publish(_ event: RunEvent, of run: RunID) {
        let watchers = channels.withLock { $0[run]?.watchers ?? [:] }
        for watcher in watchers.values { watcher.yield(event) }
    }

    /// `nil` when the run is not under way.
    func latest(_ run: RunID) -> RunRecord? {
        channels.withLock { $0[run]?.latest }
    }

    /// The run as it stands, then everything that happens to it; `nil` when it is not under way.
    ///
    /// - Throws: `exhausted` when too many watch it already.
    func watch(_ run: RunID) throws(PlatformError) -> AsyncStream<RunEvent>? {
        let (stream, continuation) = AsyncStream.makeStream(
            of: RunEvent.self,
            bufferingPolicy: .bufferingNewest(Self.bufferedMax)
        )
        enum Answer {
            case absent, full
            case at(Int)
        }
        let answer: Answer = channels.withLock { channels in
            guard let channel = channels[run] else { return .absent }
            guard channel.watchers.count < Self.watchersMax else { return .full }
            // Under the lock, so that nothing is told before the first event.
            continuation.yield(.run(channel.latest))
            channels[run]?.watchers[channel.next] = continuation
            channels[run]?.next += 1
            return .at(channel.next)
        }
        switch answer {
        case .absent: return nil
        case .full:
            throw PlatformError(.exhausted, "run '\(run)' is watched by \(Self.watchersMax) already")
        case .at(let number):
            continuation.onTermination = { [weak self] _ in
                self?.channels.withLock { _ = $0[run]?.watchers.removeValue(forKey: number) }
            }
            return stream
        }
    }
}
