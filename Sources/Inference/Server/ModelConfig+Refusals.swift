import SlipwayCore
import SlipwayInference
import SlipwayInferenceMessages

extension Inference_ModelConfig {
    /// Refuses by its name whatever the server would not do: a setting is honoured or it is an error.
    ///
    /// Settings that only hint at speed on other hardware (pinned memory, priority, host policy) are let through.
    func refuseUnsupported() throws(PlatformError) {
        for (isSet, name, why) in unsupportedParts where isSet {
            throw PlatformError(.invalidArgument, "'\(name)' is not supported: \(why)", remedy: "remove it from the model's configuration")
        }
        for group in instanceGroup {
            switch group.kind {
            case .auto, .cpu: break
            case .gpu: throw Self.refusal("instance_group of kind KIND_GPU", "there is no GPU; use KIND_CPU")
            case .model: throw Self.refusal("instance_group of kind KIND_MODEL", "the model cannot place itself; use KIND_CPU")
            case .UNRECOGNIZED(let number): throw Self.refusal("instance_group of kind \(number)", "there is no such kind")
            }
            guard group.gpus.isEmpty else { throw Self.refusal("instance_group.gpus", "there is no GPU") }
            guard group.secondaryDevices.isEmpty else { throw Self.refusal("instance_group.secondary_devices", "there are none") }
            guard group.profile.isEmpty else { throw Self.refusal("instance_group.profile", "it belongs to TensorRT") }
            guard !group.passive else { throw Self.refusal("instance_group.passive", "an instance that never runs serves nobody") }
            guard group.count >= 0, group.count <= ServingLimits.instancesMax else {
                throw PlatformError(.invalidArgument, "instance_group.count is \(group.count); 1 to \(ServingLimits.instancesMax) are possible")
            }
        }
        for tensor in input {
            guard !tensor.isShapeTensor else { throw Self.refusal("is_shape_tensor of input '\(tensor.name)'", "it belongs to TensorRT") }
            guard !tensor.allowRaggedBatch else { throw Self.refusal("allow_ragged_batch of input '\(tensor.name)'", "requests of one run must have one shape") }
            guard !tensor.optional else { throw Self.refusal("optional of input '\(tensor.name)'", "every input of an ONNX graph must be given") }
            guard !tensor.isNonLinearFormatIo else { throw Self.refusal("is_non_linear_format_io of input '\(tensor.name)'", "it belongs to TensorRT") }
        }
        for tensor in output where tensor.isShapeTensor || tensor.isNonLinearFormatIo {
            throw Self.refusal("the format of output '\(tensor.name)'", "it belongs to TensorRT")
        }
        try refuseBatching()
    }

    private var unsupportedParts: [(Bool, String, String)] {
        let accelerators = optimization.executionAccelerators
        return [
            (hasEnsembleScheduling, "ensemble_scheduling", "models are served one by one"),
            (hasSequenceBatching, "sequence_batching", "requests have no state between them"),
            (responseCache.enable, "response_cache", "answers are not kept"),
            (modelTransactionPolicy.decoupled, "model_transaction_policy.decoupled", "a request has exactly one answer"),
            (!modelOperations.opLibraryFilename.isEmpty, "model_operations", "operators of one's own are not loaded"),
            (!modelRepositoryAgents.agents.isEmpty, "model_repository_agents", "there are none"),
            (!batchInput.isEmpty, "batch_input", "a run's inputs are the requests' alone"),
            (!batchOutput.isEmpty, "batch_output", "a run's outputs are the requests' alone"),
            (!ccModelFilenames.isEmpty, "cc_model_filenames", "there is no GPU"),
            (!modelMetrics.metricControl.isEmpty, "model_metrics", "the buckets of the histograms are fixed"),
            (
                !accelerators.gpuExecutionAccelerator.isEmpty,
                "optimization.execution_accelerators.gpu_execution_accelerator '\(accelerators.gpuExecutionAccelerator.first?.name ?? "")'",
                "there is no GPU"
            ),
            (
                !accelerators.cpuExecutionAccelerator.isEmpty,
                "optimization.execution_accelerators.cpu_execution_accelerator '\(accelerators.cpuExecutionAccelerator.first?.name ?? "")'",
                "graphs run on ONNX Runtime's own CPU provider"
            ),
            (optimization.cuda.graphs, "optimization.cuda.graphs", "there is no GPU"),
            (dynamicBatching.priorityLevels > 0, "dynamic_batching.priority_levels", "requests have no priorities"),
            (!dynamicBatching.priorityQueuePolicy.isEmpty, "dynamic_batching.priority_queue_policy", "requests have no priorities"),
        ]
    }

    private func refuseBatching() throws(PlatformError) {
        guard maxBatchSize >= 0 else {
            throw PlatformError(.invalidArgument, "'max_batch_size' must be non-negative value for \(name)")
        }
        guard hasDynamicBatching else { return }
        for size in dynamicBatching.preferredBatchSize {
            guard size > 0 else { throw PlatformError(.invalidArgument, "dynamic batching preferred size must be positive for \(name)") }
            guard maxBatchSize == 0 || size <= maxBatchSize else {
                throw PlatformError(.invalidArgument, "dynamic batching preferred size must be <= max batch size for \(name)")
            }
        }
        guard !dynamicBatching.preserveOrdering || dynamicBatching.defaultQueuePolicy.timeoutAction != .delay else {
            throw PlatformError(
                .invalidArgument,
                "Queue policy can not have DELAY as timeout action when 'preserve_ordering' is true for \(name)"
            )
        }
    }

    private static func refusal(_ name: String, _ why: String) -> PlatformError {
        PlatformError(.invalidArgument, "\(name) is not supported: \(why)", remedy: "change it in the model's configuration")
    }
}
