import Foundation
import SlipwayCore
import SlipwayInferenceMessages

extension Inference_ModelStatistics {
    init(_ statistics: VersionStatistics) {
        self.init()
        name = statistics.model
        version = statistics.version
        lastInference = UInt64(clamping: statistics.lastInference)
        inferenceCount = UInt64(clamping: statistics.inferenceCount)
        executionCount = UInt64(clamping: statistics.executionCount)
        inferenceStats.success = .init(statistics.success)
        inferenceStats.fail = .init(statistics.fail)
        inferenceStats.queue = .init(statistics.queue)
        inferenceStats.computeInput = .init(statistics.computeInput)
        inferenceStats.computeInfer = .init(statistics.computeInfer)
        inferenceStats.computeOutput = .init(statistics.computeOutput)
        inferenceStats.cacheHit = .init()
        inferenceStats.cacheMiss = .init()
        batchStats = statistics.batches.map { batch in
            var entry = Inference_InferBatchStatistics()
            entry.batchSize = UInt64(clamping: batch.rows)
            entry.computeInput = .init(batch.computeInput)
            entry.computeInfer = .init(batch.computeInfer)
            entry.computeOutput = .init(batch.computeOutput)
            return entry
        }
    }
}

extension Inference_StatisticDuration {
    fileprivate init(_ duration: VersionStatistics.Duration) {
        self.init()
        count = UInt64(clamping: duration.count)
        ns = UInt64(clamping: duration.nanoseconds)
    }
}

/// The parameters of a load.
enum LoadParameters {
    /// - Throws: `invalid_argument` for a parameter of the wrong type, or one that is not known.
    static func read(
        _ parameters: [String: Inference_ModelRepositoryParameter],
        model: String
    ) throws(PlatformError) -> (config: String?, files: [String: Data]) {
        var config: String?
        var files: [String: Data] = [:]
        for (name, value) in parameters {
            switch value.parameterChoice {
            case .stringParam(let text) where name == "config": config = text
            case .bytesParam(let bytes) where name.hasPrefix("file:"): files[name] = bytes
            case _ where name == "config" || name.hasPrefix("file:"):
                let wanted = name == "config" ? "string_param" : "bytes_param"
                throw PlatformError(
                    .invalidArgument,
                    "failed to load '\(model)': invalid value type for load parameter '\(name.prefix(200))', expected \(wanted)."
                )
            default:
                throw PlatformError(.invalidArgument, "failed to load '\(model)': unrecognized load parameter '\(name.prefix(200))'.")
            }
        }
        return (config, files)
    }
}
