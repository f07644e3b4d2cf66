import Atomics
import Foundation
import SlipwayCore
import SlipwayInference

extension LoadedVersion {
    /// Runs one request on this thread and counts it; `inFlight` was raised by whoever took it.
    ///
    /// - Parameter queued: Nanoseconds that it waited.
    func run(_ request: InferenceRequest, outputs: [String], rows: Int, queued: Int) -> Result<InferenceResponse, PlatformError> {
        defer { inFlight.wrappingDecrement(ordering: .releasing) }
        let start = VersionScheduler.now
        do {
            let tensors = try session.run(inputs: request.inputs, outputs: outputs)
            let nanoseconds = Int(VersionScheduler.now - start)
            cost.saw(nanoseconds: nanoseconds, elements: RunCost.elements(of: request.inputs))
            counters.ran(rows: counted(rows), computeNanoseconds: nanoseconds)
            counters.answered(
                rows: counted(rows),
                queueNanoseconds: queued,
                computeNanoseconds: nanoseconds,
                now: Timestamp(Date()).milliseconds
            )
            return response(to: request, tensors)
        } catch {
            let nanoseconds = Int(VersionScheduler.now - start)
            counters.modelFailures.wrappingIncrement(ordering: .relaxed)
            counters.failureNanoseconds.wrappingIncrement(by: nanoseconds + queued, ordering: .relaxed)
            return .failure(.wrapping(error, doing: "run model '\(model)' version \(version)"))
        }
    }

    /// Runs a batch on this thread: together if there are several, and one by one if together fails, so
    /// that one bad request spoils nobody else's answer.
    ///
    /// - Returns: A result for each, in order.
    func run(_ batch: [QueuedInference]) -> [Result<InferenceResponse, PlatformError>] {
        if batch.count > 1 {
            if let results = runTogether(batch) { return results }
            scheduler.counters.brokenBatches.wrappingIncrement(ordering: .relaxed)
        }
        return batch.map { entry in
            // Those before it in a broken batch took their time.
            let queued = Int(VersionScheduler.now - min(entry.arrived, VersionScheduler.now))
            return run(entry.request, outputs: entry.outputs, rows: entry.rows, queued: queued)
        }
    }

    private func runTogether(_ batch: [QueuedInference]) -> [Result<InferenceResponse, PlatformError>]? {
        let start = VersionScheduler.now
        let inputs = TensorBatch.joined(batch.map(\.request.inputs))
        let joined = VersionScheduler.now
        guard let outputs = try? session.run(inputs: inputs, outputs: batch[0].outputs) else { return nil }
        let computed = VersionScheduler.now
        let rows = batch.map(\.rows)
        guard let parts = TensorBatch.split(outputs, rows: rows) else {
            scheduler.stopGathering()
            return nil
        }
        let split = VersionScheduler.now
        let (gathering, computing, splitting) = (Int(joined - start), Int(computed - joined), Int(split - computed))
        cost.saw(nanoseconds: computing, elements: RunCost.elements(of: inputs))
        counters.ran(
            rows: rows.reduce(0, +),
            inputNanoseconds: gathering,
            computeNanoseconds: computing,
            outputNanoseconds: splitting
        )
        let milliseconds = Timestamp(Date()).milliseconds
        return zip(batch, parts).map { entry, tensors in
            counters.answered(
                rows: entry.rows,
                queueNanoseconds: Int(start - min(entry.arrived, start)),
                inputNanoseconds: gathering,
                computeNanoseconds: computing,
                outputNanoseconds: splitting,
                now: milliseconds
            )
            inFlight.wrappingDecrement(ordering: .releasing)
            return response(to: entry.request, tensors)
        }
    }

    /// What a request counts in statistics: its rows, where the model has a batch dimension.
    private func counted(_ rows: Int) -> Int { policy.rowsMax > 0 ? rows : 1 }

    private func response(to request: InferenceRequest, _ outputs: [Tensor]) -> Result<InferenceResponse, PlatformError> {
        guard !request.classes.isEmpty else {
            return .success(InferenceResponse(model: model, version: version, id: request.id, outputs: outputs))
        }
        return Result { () throws(PlatformError) in
            let outputs = try classification.classified(outputs, classes: request.classes)
            return InferenceResponse(model: model, version: version, id: request.id, outputs: outputs)
        }
    }
}
