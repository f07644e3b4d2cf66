import SlipwayInference

/// From one shape to another with the same elements; -1 stands for the sizes of the first, in order.
struct TensorReshape: Sendable {
    let from: [Int64]
    let to: [Int64]
    /// Whether a batch dimension stands before both.
    let isBatching: Bool

    init(from: [Int64], to: [Int64], isBatching: Bool) {
        self.from = from
        self.to = to
        self.isBatching = isBatching
    }

    /// `nil` when `shape` is not one of `from`'s.
    func shape(_ shape: [Int]) -> [Int]? {
        let inner = isBatching ? shape.dropFirst() : shape[...]
        guard shape.count >= (isBatching ? 1 : 0), inner.count == from.count else { return nil }
        var sizes = zip(from, inner).filter { $0.0 == -1 }.map(\.1)[...]
        var result = isBatching ? [shape[0]] : []
        for dimension in to {
            guard dimension == -1 else {
                result.append(Int(dimension))
                continue
            }
            guard let size = sizes.popFirst() else { return nil }
            result.append(size)
        }
        return result.reduce(1, *) == shape.reduce(1, *) ? result : nil
    }
}

/// A session whose tensors have other shapes for its callers than for its graph. No element moves.
struct ReshapingSession: ModelSession {
    let signature: ModelSignature
    var isComputeOnly: Bool { session.isComputeOnly }
    var restarts: Int? { session.restarts }
    private let session: any ModelSession
    private let reshapes: [String: TensorReshape]

    init(_ session: any ModelSession, signature: ModelSignature, reshapes: [String: TensorReshape]) {
        self.session = session
        self.signature = signature
        self.reshapes = reshapes
    }

    func run(inputs: [Tensor], outputs: [String]) throws -> [Tensor] {
        try session.run(inputs: inputs.map(reshaped), outputs: outputs).map(reshaped)
    }

    /// What does not fit passes as it is: for an input the graph then says so itself.
    private func reshaped(_ tensor: Tensor) -> Tensor {
        guard let shape = reshapes[tensor.name]?.shape(tensor.shape) else { return tensor }
        return Tensor(name: tensor.name, type: tensor.type, shape: shape, storage: tensor.storage)
    }
}
