import SlipwayCore
import SlipwayInference
import SlipwayInferenceMessages

extension Inference_ModelConfig {
    var hasDynamicBatching: Bool {
        if case .dynamicBatching = schedulingChoice { true } else { false }
    }

    var hasSequenceBatching: Bool {
        if case .sequenceBatching = schedulingChoice { true } else { false }
    }

    var hasEnsembleScheduling: Bool {
        if case .ensembleScheduling = schedulingChoice { true } else { false }
    }

    /// How the version's requests are gathered and run.
    var batchingPolicy: BatchingPolicy {
        var policy = BatchingPolicy()
        policy.rowsMax = Int(maxBatchSize)
        policy.instances = max(1, instanceGroup.reduce(0) { $0 + max(1, Int($1.count)) })
        guard hasDynamicBatching else { return policy }
        let queue = dynamicBatching.defaultQueuePolicy
        policy.queueMax = Int(queue.maxQueueSize)
        policy.timeoutMicroseconds = Int(clamping: queue.defaultTimeoutMicroseconds)
        policy.timeoutAction = queue.timeoutAction == .delay ? .delay : .reject
        policy.allowsTimeoutOverride = queue.allowTimeoutOverride
        guard maxBatchSize > 0 else { return policy }
        var gathering = BatchingPolicy.Gathering()
        gathering.preferredRows = dynamicBatching.preferredBatchSize.map(Int.init)
        gathering.delayMicroseconds = Int(clamping: dynamicBatching.maxQueueDelayMicroseconds)
        gathering.preservesOrder = dynamicBatching.preserveOrdering
        policy.gathering = gathering
        return policy
    }

    /// How the graph is opened, out of `optimization.graph` and the parameters of Triton's ONNX Runtime backend.
    ///
    /// Parameters that are none of its own belong to the model's users and are only shown.
    var sessionOptions: SessionOptions {
        get throws(PlatformError) {
            var options = SessionOptions()
            switch optimization.graph.level {
            case 0: options.graphOptimization = .all
            case -1: options.graphOptimization = .basic
            case 1: options.graphOptimization = .extended
            case 2: options.graphOptimization = .none
            default:
                throw PlatformError(
                    .invalidArgument,
                    "optimization.graph.level \(optimization.graph.level) is none of -1 (basic), 0 (all), 1 (extended), 2 (none)"
                )
            }
            options.intraOpThreads = try threads("intra_op_thread_count")
            options.interOpThreads = try threads("inter_op_thread_count")
            options.keepsArena = try flag("enable_mem_arena") ?? true
            options.usesMemoryPattern = try flag("enable_mem_pattern") ?? true
            if let mode = parameters["execution_mode"]?.stringValue {
                guard mode == "0" || mode == "1" else {
                    throw PlatformError(.invalidArgument, "parameter 'execution_mode' is '\(mode.prefix(40))'; 0 and 1 are possible")
                }
                options.runsOperatorsInParallel = mode == "1"
            }
            for (key, value) in parameters where key.hasPrefix("session.") { options.entries[key] = value.stringValue }
            options.instances = batchingPolicy.instances
            options.parameters = parameters.mapValues(\.stringValue)
            return options
        }
    }

    /// - Returns: `nil` when it is absent or 0: the server's own setting.
    private func threads(_ key: String) throws(PlatformError) -> Int? {
        guard let text = parameters[key]?.stringValue else { return nil }
        guard let count = Int(text), count >= 0, count <= ServingLimits.sessionThreadsMax else {
            throw PlatformError(
                .invalidArgument,
                "parameter '\(key)' is '\(text.prefix(40))'; 0 to \(ServingLimits.sessionThreadsMax) are possible"
            )
        }
        return count == 0 ? nil : count
    }

    private func flag(_ key: String) throws(PlatformError) -> Bool? {
        switch parameters[key]?.stringValue.lowercased() {
        case nil: return nil
        case "1", "true": return true
        case "0", "false": return false
        case .some(let text): throw PlatformError(.invalidArgument, "parameter '\(key)' is '\(text.prefix(40))'; 0 and 1 are possible")
        }
    }

    /// Which of the repository's versions a load makes ready, lowest first.
    ///
    /// - Throws: `invalid_argument` when a specific one is not there.
    func chosenVersions(of available: [ModelVersion]) throws(PlatformError) -> [ModelVersion] {
        switch versionPolicy.policyChoice {
        case nil: return Array(available.suffix(1))
        case .latest(let latest): return Array(available.suffix(max(1, Int(latest.numVersions))))
        case .all: return available
        case .specific(let specific):
            var chosen: Set<ModelVersion> = []
            for number in specific.versions {
                let version = try ModelVersion(Int(clamping: number))
                guard available.contains(version) else {
                    throw PlatformError(.invalidArgument, "version \(number) is asked for by 'version_policy' but is not in the repository")
                }
                chosen.insert(version)
            }
            return chosen.sorted()
        }
    }
}

extension Inference_DataType {
    /// The protocol's word for a configuration's type; `nil` for none.
    var dataType: DataType? {
        switch self {
        case .typeBool: .bool
        case .typeUint8: .uint8
        case .typeUint16: .uint16
        case .typeUint32: .uint32
        case .typeUint64: .uint64
        case .typeInt8: .int8
        case .typeInt16: .int16
        case .typeInt32: .int32
        case .typeInt64: .int64
        case .typeFp16: .fp16
        case .typeFp32: .fp32
        case .typeFp64: .fp64
        case .typeString: .bytes
        case .typeBf16: .bf16
        case .typeInvalid, .UNRECOGNIZED: nil
        }
    }

    init(_ type: DataType) {
        self = Self.allCases.first { $0.dataType == type } ?? .typeInvalid
    }

    /// As a configuration spells it: `TYPE_FP32`, `TYPE_STRING`.
    var text: String {
        guard let dataType else { return "TYPE_INVALID" }
        return dataType == .bytes ? "TYPE_STRING" : "TYPE_\(dataType.rawValue)"
    }
}
