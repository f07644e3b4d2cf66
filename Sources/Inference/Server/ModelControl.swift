import Atomics
import Foundation
import SlipwayCore
import SlipwayInference

/// Loads and unloads versions; the only writer of the serving table.
actor ModelControl {
    struct Key: Hashable {
        let model: String
        let version: ModelVersion
    }

    struct IndexEntry: Sendable {
        let model: String
        let version: ModelVersion
        let state: ServedVersion.State
        let reason: String
    }

    /// What became of a load.
    enum Outcome: Sendable {
        /// It was ready already.
        case kept
        /// It was not there, and is ready now.
        case opened
        /// It serves in place of what had its number.
        case replaced
    }

    let repository: ModelRepository
    let backends: [ModelBackend]
    private let budget: MemoryBudget
    private let table: ManagedAtomic<ServingTable>
    private let pools: RunPools
    private var lifecycles: [Key: VersionLifecycle] = [:]
    private var loaded: [Key: LoadedVersion] = [:]
    /// Bytes that loads under way are expected to need.
    private var pendingBytes = 0
    /// Those who wait for a version's load or unload to end.
    private var waiting: [Key: [CheckedContinuation<Void, Never>]] = [:]

    init(repository: ModelRepository, backends: [ModelBackend], budget: MemoryBudget, table: ManagedAtomic<ServingTable>, pools: RunPools) {
        self.repository = repository
        self.backends = backends
        self.budget = budget
        self.table = table
        self.pools = pools
    }

    func index() -> [IndexEntry] {
        lifecycles.map { key, lifecycle in
            let (state, reason) = lifecycle.served
            return IndexEntry(model: key.model, version: key.version, state: state, reason: reason)
        }.sorted { ($0.model, $0.version) < ($1.model, $1.version) }
    }

    /// Versions that serve and came by one way.
    func versions(of model: String, from origin: VersionSource.Origin) -> [ModelVersion] {
        loaded.values.filter { $0.model == model && $0.origin == origin }.map(\.version).sorted()
    }

    /// Loads one version by its number; with `files`, those are put into the repository first. What is ready stays.
    func load(_ version: ModelVersion, of model: String, files: [String: String] = [:]) async throws {
        let source = VersionSource(folder: repository.model(model), config: nil, isOverride: false, origin: .number)
        _ = try await load(version, of: model, from: source, files: files)
    }

    func load(
        _ version: ModelVersion,
        of model: String,
        from source: VersionSource,
        files: [String: String] = [:]
    ) async throws -> Outcome {
        let key = Key(model: model, version: version)
        while true {
            guard lifecycles.count < ServingLimits.versionsMax || lifecycles[key] != nil else {
                throw PlatformError(.exhausted, "the server holds \(ServingLimits.versionsMax) versions", remedy: "unload some first")
            }
            let isSame = loaded[key].map { source.isSame(as: $0) } ?? true
            var lifecycle = lifecycles[key, default: VersionLifecycle()]
            switch lifecycle.load(isSame: isSame) {
            case .none, .drain:
                return .kept
            case .wait: await change(of: key)
            case .open:
                lifecycles[key] = lifecycle
                return try await open(key, from: source, files: files)
            }
        }
    }

    private func open(_ key: Key, from source: VersionSource, files: [String: String]) async throws -> Outcome {
        defer { wake(key) }
        let replaced: LoadedVersion?
        do {
            let repository = repository
            let backends = backends
            let needed = try await offActor {
                if !files.isEmpty { try repository.put(files, version: key.version, model: key.model) }
                return source.folder.bytes(of: key.version)
            }
            try budget.admit(needed, of: "version \(key.version) of '\(key.model)'", pending: pendingBytes, loaded: Array(loaded.values))
            pendingBytes += needed
            defer { pendingBytes -= needed }
            let (budget, pools) = (budget, pools)
            // What the platform loaded stays the platform's, with whatever configuration.
            let origin = loaded[key]?.origin ?? source.origin
            let version = try await offActor {
                try VersionOpening(key: key, source: source, origin: origin, backends: backends, budget: budget, pools: pools)
                    .open(bytes: needed)
            }
            lifecycles[key]?.opened()
            replaced = loaded.updateValue(version, forKey: key)
            publish()
        } catch {
            let failure = PlatformError.wrapping(error, doing: "load version \(key.version) of '\(key.model)'")
            lifecycles[key]?.failed(failure.message)
            throw failure
        }
        guard let replaced else { return .opened }
        await idle(replaced)
        return .replaced
    }

    /// Unloads one version once nothing is in flight on it.
    func unload(_ version: ModelVersion, of model: String) async throws {
        let key = Key(model: model, version: version)
        while true {
            guard lifecycles[key] != nil else { return }
            switch lifecycles[key]?.unload() ?? .none {
            case .none, .open:
                lifecycles[key] = nil
                return
            case .wait: await change(of: key)
            case .drain: return await drain(key)
            }
        }
    }

    /// Drops what is left of a version that is not loaded: its entry and its files. Whoever loads it
    /// again brings the files.
    func forget(_ version: ModelVersion, of model: String) {
        let key = Key(model: model, version: version)
        guard loaded[key] == nil, waiting[key] == nil, case .unavailable = lifecycles[key, default: VersionLifecycle()].state else { return }
        lifecycles[key] = nil
        repository.remove(version, model: model)
    }

    private func drain(_ key: Key) async {
        defer { wake(key) }
        let version = loaded.removeValue(forKey: key)
        publish()
        if let version { await idle(version) }
        lifecycles[key]?.drained()
    }

    /// Waits until nothing is in flight on a version that the table no longer has, at most
    /// ``ServingLimits/drainSecondsMax``.
    private func idle(_ version: LoadedVersion) async {
        let deadline = ContinuousClock.now + .seconds(ServingLimits.drainSecondsMax)
        while version.inFlight.load(ordering: .acquiring) > 0, ContinuousClock.now < deadline {
            // Sleeping ends early only when the caller is cancelled; the session then closes with its
            // last request, as every request holds it.
            do { try await Task.sleep(for: .milliseconds(1)) } catch { break }
        }
    }

    private func publish() {
        table.store(ServingTable(Array(loaded.values)), ordering: .releasing)
    }

    private func change(of key: Key) async {
        await withCheckedContinuation { waiting[key, default: []].append($0) }
    }

    private func wake(_ key: Key) {
        for continuation in waiting.removeValue(forKey: key) ?? [] { continuation.resume() }
    }

    /// Runs blocking work on a thread that is nobody's event loop.
    private func offActor<Result: Sendable>(_ work: @escaping @Sendable () throws -> Result) async throws -> Result {
        try await withCheckedThrowingContinuation { continuation in
            DispatchQueue.global(qos: .userInitiated).async {
                continuation.resume(with: Swift.Result { try work() })
            }
        }
    }
}
