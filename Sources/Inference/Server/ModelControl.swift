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

    let repository: ModelRepository
    private let runtime: any ModelRuntime
    private let table: ManagedAtomic<ServingTable>
    private let pools: RunPools
    private var lifecycles: [Key: VersionLifecycle] = [:]
    private var loaded: [Key: LoadedVersion] = [:]
    /// Those who wait for a version's load or unload to end.
    private var waiting: [Key: [CheckedContinuation<Void, Never>]] = [:]

    init(repository: ModelRepository, runtime: any ModelRuntime, table: ManagedAtomic<ServingTable>, pools: RunPools) {
        self.repository = repository
        self.runtime = runtime
        self.table = table
        self.pools = pools
    }

    func index() -> [IndexEntry] {
        lifecycles.map { key, lifecycle in
            let (state, reason) = lifecycle.served
            return IndexEntry(model: key.model, version: key.version, state: state, reason: reason)
        }.sorted { ($0.model, $0.version) < ($1.model, $1.version) }
    }

    /// Loads one version; with `files`, those are put into the repository first.
    func load(_ version: ModelVersion, of model: String, files: [String: String] = [:]) async throws {
        let key = Key(model: model, version: version)
        while true {
            guard lifecycles.count < ServingLimits.versionsMax || lifecycles[key] != nil else {
                throw PlatformError(.exhausted, "the server holds \(ServingLimits.versionsMax) versions", remedy: "unload some first")
            }
            switch lifecycles[key, default: VersionLifecycle()].load() {
            case .none, .drain: return
            case .wait: await change(of: key)
            case .open:
                var lifecycle = VersionLifecycle()
                _ = lifecycle.load()
                lifecycles[key] = lifecycle
                return try await open(key, files: files)
            }
        }
    }

    private func open(_ key: Key, files: [String: String]) async throws {
        defer { wake(key) }
        do {
            let repository = repository
            let runtime = runtime
            let pools = pools
            let version = try await offActor {
                if !files.isEmpty { try repository.put(files, version: key.version, model: key.model) }
                let session = try runtime.open(file: repository.graph(of: key.version, model: key.model).path)
                let cost = WarmUp.rowNanoseconds(of: session)
                return LoadedVersion(model: key.model, version: key.version, session: session, rowNanoseconds: cost, pools: pools)
            }
            lifecycles[key]?.opened()
            loaded[key] = version
            publish()
        } catch {
            let failure = PlatformError.wrapping(error, doing: "load version \(key.version) of '\(key.model)'")
            lifecycles[key]?.failed(failure.message)
            throw failure
        }
    }

    /// Unloads one version once nothing is in flight on it.
    ///
    /// - Parameter waits: When false, answers at once and drains in the background of the call's caller;
    ///   Triton's unload answers so.
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
        let deadline = ContinuousClock.now + .seconds(ServingLimits.drainSecondsMax)
        while let version, version.inFlight.load(ordering: .acquiring) > 0, ContinuousClock.now < deadline {
            // Sleeping ends early only when the caller is cancelled; the session then closes with its
            // last request, as every request holds it.
            do { try await Task.sleep(for: .milliseconds(1)) } catch { break }
        }
        lifecycles[key]?.drained()
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

/// Runs a new session on zeros, so that the first request pays for nothing, and times it.
enum WarmUp {
    /// - Returns: Nanoseconds a row, the smallest of a few runs; a graph that cannot run on zeros counts
    ///   as too slow for an event loop.
    static func rowNanoseconds(of session: any ModelSession) -> Int {
        let inputs = session.signature.inputs.map(zeros)
        let outputs = session.signature.outputs.map(\.name)
        var best = Int.max
        for _ in 0..<ServingLimits.warmUpRuns {
            let start = DispatchTime.now().uptimeNanoseconds
            guard (try? session.run(inputs: inputs, outputs: outputs)) != nil else {
                return ServingLimits.eventLoopNanosecondsMax + 1
            }
            best = min(best, Int(DispatchTime.now().uptimeNanoseconds - start))
            if best > ServingLimits.eventLoopNanosecondsMax { break }
        }
        return best
    }

    private static func zeros(_ spec: TensorSpec) -> Tensor {
        let shape = spec.shape.map { $0 < 0 ? 1 : $0 }
        let count = shape.reduce(1, *)
        guard let width = spec.type.width else {
            return Tensor(name: spec.name, type: spec.type, shape: shape, storage: .strings(Array(repeating: [], count: count)))
        }
        let bytes = TensorBytes(count: count * width)
        bytes.pointer.initializeMemory(as: UInt8.self, repeating: 0, count: count * width)
        return Tensor(name: spec.name, type: spec.type, shape: shape, storage: .fixed(bytes))
    }
}
