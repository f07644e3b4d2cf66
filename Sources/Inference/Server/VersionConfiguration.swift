import SlipwayCore
import SlipwayInference
import SlipwayInferenceMessages

/// A version's configuration, completed from its graph and held against it.
///
/// What the configuration leaves out is taken from the graph; what contradicts the graph is an error that
/// names the tensor.
struct VersionConfiguration: Sendable {
    let config: Inference_ModelConfig
    let platform: String
    let policy: BatchingPolicy
    /// As clients see it: with the batch dimension, before any reshape.
    let signature: ModelSignature
    var isBatching: Bool { config.maxBatchSize > 0 }
    private let reshapes: [String: TensorReshape]

    /// - Parameters:
    ///   - written: What the user wrote; empty is fine.
    ///   - graph: What the session declares.
    init(
        _ written: Inference_ModelConfig,
        graph: ModelSignature,
        model: String,
        backend: ModelBackend,
        filename: String
    ) throws(PlatformError) {
        var config = written
        config.name = model
        config.backend = backend.name
        config.platform = backend.platform
        config.defaultModelFilename = filename
        if config.versionPolicy.policyChoice == nil { config.versionPolicy.latest.numVersions = 1 }
        if config.instanceGroup.isEmpty { config.instanceGroup.append(Inference_ModelInstanceGroup()) }
        for index in config.instanceGroup.indices {
            if config.instanceGroup[index].name.isEmpty { config.instanceGroup[index].name = "\(model)_\(index)" }
            config.instanceGroup[index].kind = .cpu
            config.instanceGroup[index].count = max(1, config.instanceGroup[index].count)
        }
        let completion = TensorCompletion(model: model, isBatching: config.maxBatchSize > 0)
        config.input = try completion.inputs(config.input, graph: graph.inputs)
        config.output = try completion.outputs(config.output, graph: graph.outputs)

        self.config = config
        platform = backend.platform
        policy = config.batchingPolicy
        let batch = config.maxBatchSize > 0 ? [-1] : []
        func spec(_ name: String, _ type: Inference_DataType, _ dims: [Int64]) -> TensorSpec {
            TensorSpec(name: name, type: type.dataType ?? .bytes, shape: batch + dims.map(Int.init))
        }
        signature = ModelSignature(
            inputs: config.input.map { spec($0.name, $0.dataType, $0.dims) },
            outputs: config.output.map { spec($0.name, $0.dataType, $0.dims) }
        )
        var reshapes: [String: TensorReshape] = [:]
        // A graph's scalar may have dimensions of 1 for clients.
        let scalars = Set((graph.inputs + graph.outputs).filter(\.shape.isEmpty).map(\.name))
        func isReshaped(_ name: String, _ dims: [Int64]) -> Bool { !dims.isEmpty && scalars.contains(name) }
        for tensor in config.input where tensor.hasReshape || isReshaped(tensor.name, tensor.dims) {
            reshapes[tensor.name] = TensorReshape(from: tensor.dims, to: tensor.reshape.shape, isBatching: !batch.isEmpty)
        }
        for tensor in config.output where tensor.hasReshape || isReshaped(tensor.name, tensor.dims) {
            reshapes[tensor.name] = TensorReshape(from: tensor.reshape.shape, to: tensor.dims, isBatching: !batch.isEmpty)
        }
        self.reshapes = reshapes
    }

    /// The session as clients see it: itself, unless the configuration reshapes tensors.
    func seen(_ session: any ModelSession) -> any ModelSession {
        reshapes.isEmpty ? session : ReshapingSession(session, signature: signature, reshapes: reshapes)
    }
}

/// Fills a configuration's tensors from the graph's, and compares them.
private struct TensorCompletion {
    let model: String
    let isBatching: Bool

    func inputs(_ written: [Inference_ModelInput], graph: [TensorSpec]) throws(PlatformError) -> [Inference_ModelInput] {
        guard !written.isEmpty else {
            var made: [Inference_ModelInput] = []
            for spec in graph {
                var tensor = Inference_ModelInput()
                tensor.name = spec.name
                (tensor.dataType, tensor.dims) = (Inference_DataType(spec.type), try dims(of: spec))
                made.append(tensor)
            }
            return made
        }
        guard written.count == graph.count else {
            throw PlatformError(
                .invalidArgument,
                "unable to load model '\(model)', configuration expects \(written.count) inputs, model provides \(graph.count): \(list(graph))"
            )
        }
        var completed = written
        for index in written.indices {
            let spec = try find(written[index].name, in: graph, what: "input", twice: written.count { $0.name == written[index].name } > 1)
            let tensor = written[index]
            (completed[index].dataType, completed[index].dims) = try merged(
                spec, type: tensor.dataType, dims: tensor.dims, reshape: tensor.hasReshape ? tensor.reshape.shape : nil, what: "input"
            )
        }
        return completed
    }

    func outputs(_ written: [Inference_ModelOutput], graph: [TensorSpec]) throws(PlatformError) -> [Inference_ModelOutput] {
        guard !written.isEmpty else {
            var made: [Inference_ModelOutput] = []
            for spec in graph {
                var tensor = Inference_ModelOutput()
                tensor.name = spec.name
                (tensor.dataType, tensor.dims) = (Inference_DataType(spec.type), try dims(of: spec))
                made.append(tensor)
            }
            return made
        }
        var completed = written
        for index in written.indices {
            let spec = try find(written[index].name, in: graph, what: "output", twice: written.count { $0.name == written[index].name } > 1)
            let tensor = written[index]
            (completed[index].dataType, completed[index].dims) = try merged(
                spec, type: tensor.dataType, dims: tensor.dims, reshape: tensor.hasReshape ? tensor.reshape.shape : nil, what: "output"
            )
        }
        return completed
    }

    private func find(_ name: String, in graph: [TensorSpec], what: String, twice: Bool) throws(PlatformError) -> TensorSpec {
        guard !twice else {
            throw PlatformError(.invalidArgument, "unable to load model '\(model)', the configuration has \(what) '\(name)' twice")
        }
        guard let spec = graph.first(where: { $0.name == name }) else {
            throw PlatformError(
                .invalidArgument,
                "unable to load model '\(model)', unexpected inference \(what) '\(name)', allowed \(what)s are: \(list(graph))"
            )
        }
        return spec
    }

    /// The graph's own dimensions, without the batch dimension where the model batches.
    private func dims(of spec: TensorSpec) throws(PlatformError) -> [Int64] {
        guard isBatching else { return spec.shape.map(Int64.init) }
        try requireBatchDimension(spec)
        return spec.shape.dropFirst().map(Int64.init)
    }

    private func requireBatchDimension(_ spec: TensorSpec) throws(PlatformError) {
        guard spec.shape.first == -1 else {
            throw PlatformError(
                .invalidArgument,
                "model '\(model)', tensor '\(spec.name)': for the model to support batching the shape should have at least 1 "
                    + "dimension and the first dimension must be -1; but shape expected by the model is \(text(spec.shape))",
                remedy: "export the graph with a dynamic first dimension, or set max_batch_size to 0"
            )
        }
    }

    private func merged(
        _ spec: TensorSpec,
        type: Inference_DataType,
        dims: [Int64],
        reshape: [Int64]?,
        what: String
    ) throws(PlatformError) -> (Inference_DataType, [Int64]) {
        guard type == .typeInvalid || type.dataType == spec.type else {
            throw PlatformError(
                .invalidArgument,
                "unable to load model '\(model)', configuration expects datatype \(type.text) for \(what) '\(spec.name)', "
                    + "model provides \(Inference_DataType(spec.type).text)"
            )
        }
        if isBatching { try requireBatchDimension(spec) }
        guard !dims.isEmpty || reshape != nil else { return (Inference_DataType(spec.type), try self.dims(of: spec)) }
        guard (dims + (reshape ?? [])).allSatisfy({ $0 >= 1 || $0 == -1 }) else {
            throw PlatformError(.invalidArgument, "model \(what) '\(spec.name)' dimension must be integer >= 1, or -1 to indicate a variable-size dimension")
        }
        if let reshape { try check(reshape, against: dims, name: spec.name, what: what) }
        let isScalar = !isBatching && spec.shape.isEmpty && reshape == nil && dims.allSatisfy { $0 == 1 }
        guard !isScalar else { return (Inference_DataType(spec.type), dims) }
        let full = (isBatching ? [-1] : []) + (reshape ?? dims).map(Int.init)
        guard full.count == spec.shape.count, zip(spec.shape, full).allSatisfy({ $0 == -1 || $0 == $1 }) else {
            let note = isBatching
                ? " (an initial batch dimension because max_batch_size > 0 followed by the explicit tensor shape, making complete shape \(text(full)))"
                : " (shape \(text(full)))"
            throw PlatformError(
                .invalidArgument,
                "model '\(model)', tensor '\(spec.name)': the model expects \(spec.shape.count) dimensions (shape \(text(spec.shape))) "
                    + "but the model configuration specifies \(full.count) dimensions\(note)"
            )
        }
        return (Inference_DataType(spec.type), dims)
    }

    /// A reshape moves no element: as many of them, and as many variable dimensions.
    private func check(_ reshape: [Int64], against dims: [Int64], name: String, what: String) throws(PlatformError) {
        func variable(_ dims: [Int64]) -> Int { dims.count { $0 == -1 } }
        func fixed(_ dims: [Int64]) -> Int64 { dims.filter { $0 > 0 }.reduce(1) { $0.multipliedReportingOverflow(by: $1).partialValue } }
        guard variable(dims) == variable(reshape) else {
            throw PlatformError(.invalidArgument, "model \(what) '\(name)' has different number of variable-size dimensions for dims and reshape")
        }
        guard fixed(dims) == fixed(reshape) else {
            throw PlatformError(.invalidArgument, "model \(what) '\(name)' has different size for dims and reshape")
        }
    }

    private func list(_ specs: [TensorSpec]) -> String { specs.map(\.name).joined(separator: ", ") }
    private func text(_ shape: [Int]) -> String { "[\(shape.map(String.init).joined(separator: ","))]" }
}
