public import SlipwayCore

/// Holds a request's tensors against a graph's signature.
public enum TensorCheck {
    /// - Throws: `invalid_argument` that names the input and says what the graph declares.
    public static func check(
        _ request: InferenceRequest,
        against signature: ModelSignature
    ) throws(PlatformError) {
        guard request.inputs.count == signature.inputs.count else {
            throw wrongCount(request, signature)
        }
        for (index, spec) in signature.inputs.enumerated() {
            // Clients nearly always send the graph's order.
            if request.inputs[index].name == spec.name {
                try check(request.inputs[index], against: spec)
            } else {
                guard let input = request.inputs.first(where: { $0.name == spec.name }) else {
                    throw wrongCount(request, signature)
                }
                try check(input, against: spec)
            }
        }
        for name in request.outputs where !signature.outputs.contains(where: { $0.name == name }) {
            throw PlatformError(
                .invalidArgument,
                "unexpected inference output '\(name)' for model '\(request.model)'; it has \(names(signature.outputs))"
            )
        }
    }

    private static func check(_ input: Tensor, against spec: TensorSpec) throws(PlatformError) {
        guard input.type == spec.type else {
            throw PlatformError(
                .invalidArgument,
                "input '\(spec.name)' is \(input.type.rawValue); the model declares \(spec.type.rawValue)"
            )
        }
        guard input.shape.count == spec.shape.count,
            zip(input.shape, spec.shape).allSatisfy({ $1 < 0 || $0 == $1 })
        else {
            throw PlatformError(
                .invalidArgument,
                "unexpected shape for input '\(spec.name)': expected \(spec.shape), got \(input.shape)"
            )
        }
    }

    private static func wrongCount(_ request: InferenceRequest, _ signature: ModelSignature) -> PlatformError {
        let given = Set(request.inputs.map(\.name))
        let declared = Set(signature.inputs.map(\.name))
        if let unknown = request.inputs.first(where: { !declared.contains($0.name) }) {
            return PlatformError(
                .invalidArgument,
                "unexpected inference input '\(unknown.name)' for model '\(request.model)'; it has \(names(signature.inputs))"
            )
        }
        if let missing = signature.inputs.first(where: { !given.contains($0.name) }) {
            return PlatformError(.invalidArgument, "input '\(missing.name)' of model '\(request.model)' is missing")
        }
        return PlatformError(.invalidArgument, "an input of model '\(request.model)' is given twice")
    }

    private static func names(_ specs: [TensorSpec]) -> String {
        specs.map { "'\($0.name)'" }.joined(separator: ", ")
    }
}
