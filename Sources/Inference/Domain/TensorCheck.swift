public import SlipwayCore

/// Holds a request's tensors against a graph's signature.
public enum TensorCheck {
    /// - Parameter rowsMax: Rows that one request may have; 0: the first dimension is no batch dimension.
    /// - Throws: `invalid_argument` in Triton's words, naming the input and what the model expects.
    public static func check(
        _ request: InferenceRequest,
        against signature: ModelSignature,
        rowsMax: Int = 0
    ) throws(PlatformError) {
        for name in request.outputs where !signature.outputs.contains(where: { $0.name == name }) {
            throw PlatformError(
                .invalidArgument,
                "unexpected inference output '\(name)' for model '\(request.model)'",
                remedy: "it has \(names(signature.outputs))"
            )
        }
        for (index, name) in request.outputs.enumerated() where request.outputs[..<index].contains(name) {
            throw PlatformError(.invalidArgument, "output '\(name)' already exists in request")
        }
        guard request.inputs.count == signature.inputs.count else { throw wrongCount(request, signature) }
        for (index, spec) in signature.inputs.enumerated() {
            // Clients nearly always send the graph's order.
            if request.inputs[index].name == spec.name {
                try check(request.inputs[index], against: spec, request: request, rowsMax: rowsMax)
            } else {
                guard let input = request.inputs.first(where: { $0.name == spec.name }) else {
                    throw wrongCount(request, signature)
                }
                try check(input, against: spec, request: request, rowsMax: rowsMax)
            }
        }
    }

    private static func check(
        _ input: Tensor,
        against spec: TensorSpec,
        request: InferenceRequest,
        rowsMax: Int
    ) throws(PlatformError) {
        if rowsMax > 0 { try checkRows(of: input, request: request, rowsMax: rowsMax) }
        guard input.type == spec.type else {
            throw PlatformError(
                .invalidArgument,
                "inference input '\(spec.name)' data-type is '\(input.type.rawValue)', but model '\(request.model)' expects '\(spec.type.rawValue)'"
            )
        }
        guard input.shape.count == spec.shape.count,
            zip(input.shape, spec.shape).allSatisfy({ $1 < 0 || $0 == $1 })
        else {
            throw PlatformError(
                .invalidArgument,
                "unexpected shape for input '\(spec.name)' for model '\(request.model)'. Expected \(text(spec.shape)), got \(text(input.shape))."
            )
        }
    }

    private static func checkRows(of input: Tensor, request: InferenceRequest, rowsMax: Int) throws(PlatformError) {
        guard let rows = input.shape.first else {
            throw PlatformError(
                .invalidArgument,
                "input '\(input.name)' has no shape but model requires batch dimension for '\(request.model)'"
            )
        }
        guard rows == request.inputs[0].shape.first else {
            throw PlatformError(
                .invalidArgument,
                "input '\(input.name)' batch size does not match other inputs for '\(request.model)'"
            )
        }
        guard rows <= rowsMax else {
            throw PlatformError(
                .invalidArgument,
                "inference request batch-size must be <= \(rowsMax) for '\(request.model)'"
            )
        }
    }

    private static func wrongCount(_ request: InferenceRequest, _ signature: ModelSignature) -> PlatformError {
        let given = request.inputs.map(\.name)
        let declared = signature.inputs.map(\.name)
        if let unknown = given.first(where: { !declared.contains($0) }) {
            return PlatformError(
                .invalidArgument,
                "unexpected inference input '\(unknown)' for model '\(request.model)'",
                remedy: "it has \(names(signature.inputs))"
            )
        }
        let missing = declared.filter { !given.contains($0) }
        guard !missing.isEmpty else {
            return PlatformError(.invalidArgument, "an input of model '\(request.model)' is given twice")
        }
        return PlatformError(
            .invalidArgument,
            "expected \(declared.count) inputs but got \(given.count) inputs for model '\(request.model)'. Got input(s) \(list(given)), "
                + "but missing required input(s) \(list(missing)). Please provide all required input(s)."
        )
    }

    private static func list(_ names: [String]) -> String {
        "[\(names.map { "'\($0)'" }.joined(separator: ","))]"
    }

    private static func text(_ shape: [Int]) -> String {
        "[\(shape.map(String.init).joined(separator: ","))]"
    }

    private static func names(_ specs: [TensorSpec]) -> String {
        specs.map { "'\($0.name)'" }.joined(separator: ", ")
    }
}
