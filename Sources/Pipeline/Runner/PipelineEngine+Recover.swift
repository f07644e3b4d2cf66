public import SlipwayCore
import SlipwayPipeline

extension PipelineEngine {
    /// Takes up every run that a stop or a crash of the platform has left unfinished.
    ///
    /// Call it once, before ``run()``. A run is finished from where it stood: what passed is not done
    /// again, what lives only in memory (a loaded candidate) is. One that was rolling back goes on doing so.
    /// One that has been taken up too often is ended: rolled back when its candidate may be in Git, because
    /// then the candidate itself may be what stops the platform.
    ///
    /// - Returns: The runs taken up, oldest first.
    public func recover() async throws -> [RunID] {
        var taken: [RunID] = []
        for var record in try await ports.store.unfinished() {
            _ = await ports.commands.endLeftovers(key: "SLIPWAY_RUN_ID", value: record.id.text)
            if record.state != .queued, record.state != .pendingNotify { prepare(&record) }
            try await ports.store.save(record)
            enqueue(record)
            taken.append(record.id)
        }
        return taken
    }

    private func prepare(_ record: inout RunRecord) {
        record.recoveries += 1
        for index in record.steps.indices
        where record.steps[index].state == .running && record.steps[index].name != .notify {
            record.steps[index].state = .waiting
        }
        let isInTraffic = record.mayBeInGit && record.step(.shift, "promote")?.state != .passed
        if !record.mayBeInGit {
            // The model server has forgotten it.
            for name in [StepName.load, .smoke] {
                guard let index = record.index(name, nil), record.steps[index].state == .passed else {
                    continue
                }
                record.steps[index].state = .waiting
            }
        }
        let limit = isInTraffic ? settings.recoveriesInTrafficMax : settings.recoveriesMax
        guard record.recoveries > limit, record.rollbackReason == nil else { return }
        guard isInTraffic || !record.mayBeInGit else { return }
        record.rollbackReason = "the platform stopped \(record.recoveries) times while this run was under way"
    }
}
