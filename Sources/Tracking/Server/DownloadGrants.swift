import SlipwayCore
import SlipwayTracking
import Synchronization

/// URLs that let whoever has them read one file for some minutes.
///
/// Kept in memory: after a restart clients ask for others.
final class DownloadGrants: Sendable {
    /// MLflow's own lifetime of such a URL.
    static let lifetime = Duration.seconds(300)
    static let grantsMax = 10_000

    private struct Grant {
        let path: ArtifactPath
        let until: Timestamp
    }

    private struct State {
        var grants: [String: Grant] = [:]
        /// Tokens by age; the oldest first.
        var order: [String] = []
        var first = 0
    }

    private let clock: WallClock
    private let state = Mutex(State())

    init(clock: WallClock = .system) {
        self.clock = clock
    }

    func grant(_ path: ArtifactPath) -> String {
        let token = UploadID.random().text
        let now = clock.now
        state.withLock { state in
            // All live equally long, so the oldest expires first.
            while state.first < state.order.count {
                let oldest = state.order[state.first]
                guard state.grants.count >= Self.grantsMax || (state.grants[oldest]?.until ?? now) <= now else { break }
                state.grants[oldest] = nil
                state.first += 1
            }
            if state.first > Self.grantsMax {
                state.order.removeFirst(state.first)
                state.first = 0
            }
            state.grants[token] = Grant(path: path, until: now.advanced(by: Self.lifetime))
            state.order.append(token)
        }
        return token
    }

    func path(_ token: String) -> ArtifactPath? {
        let now = clock.now
        return state.withLock { state in
            guard let grant = state.grants[token], grant.until > now else { return nil }
            return grant.path
        }
    }
}
