import Atomics
import Foundation
public import SlipwayCore
public import SlipwayInference

/// The model server inside this process: sessions of a ``ModelRuntime``, one a version, side by side.
///
/// Requests read one pointer; loads and unloads go through ``ModelControl`` one at a time a version and
/// swap that pointer. Small models run on the caller's event loop, large ones in a pool of threads; what
/// a model costs is measured at warm-up and followed afterwards. Requests that wait are gathered as the
/// version's ``BatchingPolicy`` says.
public final class EmbeddedModelServer: InferenceDataPlane, ModelServer {
    public let address = "embedded"
    let table: ManagedAtomic<ServingTable>
    let control: ModelControl
    let started = Timestamp(Date())
    private let pools: RunPools
    private let draining = ManagedAtomic<Bool>(false)

    /// - Parameters:
    ///   - runtime: For ONNX graphs.
    ///   - backends: For models of other kinds.
    ///   - memoryBytesMax: Resident memory of the process over which no version is loaded; `nil`: no cap.
    ///   - poolThreads: Threads for large models.
    public init(
        repository: ModelRepository,
        runtime: any ModelRuntime,
        backends: [ModelBackend] = [],
        memoryBytesMax: Int? = nil,
        poolThreads: Int = 2
    ) {
        let table = ManagedAtomic(ServingTable([]))
        let pools = RunPools(computeThreads: poolThreads)
        self.table = table
        self.pools = pools
        self.control = ModelControl(
            repository: repository,
            backends: [.onnx(runtime)] + backends,
            budget: MemoryBudget(bytesMax: memoryBytesMax),
            table: table,
            pools: pools
        )
    }

    /// From now on the server says that it is not ready; it goes on answering.
    public func startDraining() {
        draining.store(true, ordering: .relaxed)
    }

    public var isDraining: Bool { draining.load(ordering: .relaxed) }

    /// Loads models of the repository by name, each by its version policy; `*` is all of them.
    ///
    /// - Parameter onFailure: Gets what could not be loaded, and the rest is loaded all the same; `nil`: the
    ///   first failure is thrown.
    public func loadAtStart(
        _ names: [String],
        onFailure: (@Sendable (String, PlatformError) -> Void)? = nil
    ) async throws {
        let models = names.contains("*") ? try await control.repository.names() : names
        for model in models {
            do {
                try await control.load(model: model, try LoadRequest(model: model))
            } catch {
                guard let onFailure else { throw error }
                onFailure(model, .wrapping(error, doing: "load '\(model)'"))
            }
        }
    }

    /// Ends the pool's threads. Nothing may be asked of the server afterwards.
    public func stop() async {
        await pools.stop()
    }

    // MARK: Data plane

    public func rowsMax(model: String, version: ModelVersion?) -> Int {
        (try? table.load(ordering: .acquiring).version(version, of: model))?.policy.rowsMax ?? 0
    }

    public func signature(model: String, version: ModelVersion?) throws(PlatformError) -> ModelSignature {
        try table.load(ordering: .acquiring).version(version, of: model).signature
    }

    public func infer(
        _ request: InferenceRequest,
        completion: @escaping @Sendable (Result<InferenceResponse, PlatformError>) -> Void
    ) {
        let loaded: LoadedVersion
        do {
            loaded = try table.load(ordering: .acquiring).version(request.version, of: request.model)
            try TensorCheck.check(request, against: loaded.signature, rowsMax: loaded.policy.rowsMax)
        } catch {
            if let known = try? table.load(ordering: .acquiring).version(request.version, of: request.model) {
                known.counters.clientFailures.wrappingIncrement(ordering: .relaxed)
            }
            return completion(.failure(error))
        }
        let rows = request.inputs.first?.shape.first ?? 1
        let outputs = request.outputs.isEmpty ? loaded.outputNames : request.outputs
        loaded.inFlight.wrappingIncrement(ordering: .relaxed)
        // Sorting an output may take longer than its run, and nobody has measured it.
        let cost = request.classes.isEmpty ? loaded.inlineCost(request.inputs) : .max
        if cost <= ServingLimits.eventLoopNanosecondsMax {
            guard loaded.gathers(request.inputs, cost: cost) else {
                return completion(loaded.run(request, outputs: outputs, rows: rows, queued: 0))
            }
            // Alone, a request is as fast as without gathering; who comes meanwhile waits, and is gathered.
            if loaded.scheduler.startAtOnce(client: request.client) {
                let result = loaded.run(request, outputs: outputs, rows: rows, queued: 0)
                loaded.scheduler.finished(on: loaded)
                return completion(result)
            }
        }
        let entry = QueuedInference(
            request: request,
            outputs: outputs,
            rows: rows,
            arrived: VersionScheduler.now,
            completion: completion
        )
        loaded.scheduler.add(entry, on: loaded)
    }

    // MARK: Control

    public func load(_ version: ModelVersion, of model: ModelName, files: [String: String]) async throws {
        try await control.load(version, of: model.text, files: files)
    }

    public func unload(_ version: ModelVersion, of model: ModelName) async throws {
        try await control.unload(version, of: model.text)
        await control.forget(version, of: model.text)
    }

    /// Whether a version is ready now.
    public func isReady(_ version: ModelVersion, of model: ModelName) -> Bool {
        table.load(ordering: .acquiring).models[model.text]?.versions[version] != nil
    }

    public func index() async throws -> [ServedVersion] {
        await control.index().compactMap { entry in
            guard let name = try? ModelName(entry.model) else { return nil }
            return ServedVersion(model: name, version: entry.version, state: entry.state, reason: entry.reason)
        }
    }

    public func infer(
        _ request: InferenceRequest,
        version: ModelVersion,
        of model: ModelName
    ) async throws -> InferenceResponse {
        var request = request
        request.model = model.text
        request.version = version
        return try await infer(request)
    }
}
