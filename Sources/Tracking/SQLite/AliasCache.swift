import SlipwayTracking
import Synchronization

/// Versions that were looked up by alias, for as long as nothing is written that could change one.
///
/// Gates, gateways and clients ask for the same few aliases all day.
final class AliasCache: Sendable {
    struct Key: Hashable, Sendable {
        let model: String
        let alias: String
    }

    private struct State {
        /// How often it was emptied.
        var generation = 0
        var versions: [Key: ModelVersionRecord] = [:]
    }

    private let state = Mutex(State())

    /// What is kept for `key`; else what `read` finds, which is kept unless something was written meanwhile.
    func version(_ key: Key, read: () throws -> ModelVersionRecord) rethrows -> ModelVersionRecord {
        let (kept, generation) = state.withLock { ($0.versions[key], $0.generation) }
        if let kept { return kept }
        let version = try read()
        state.withLock { state in
            guard state.generation == generation else { return }
            if state.versions.count >= StoreLimits.aliasesKept { state.versions.removeAll() }
            state.versions[key] = version
        }
        return version
    }

    /// To be called when a write is on disk and before its writer is answered: nobody who has seen the answer then gets
    /// what was before it.
    func empty() {
        state.withLock { $0 = State(generation: $0.generation + 1) }
    }
}
