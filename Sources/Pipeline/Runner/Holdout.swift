import SlipwayCore
import SlipwayInference
import SlipwayPipeline

/// Rows with their truth, fed to a graph as it wants them.
struct Holdout: Sendable {
    /// How many rows go through a graph at once.
    static let batchRows = 4_096

    let rows: Int
    let truth: [Double]
    private let features: [CSVTable.Column]

    init(_ table: CSVTable, policy: EvaluatePolicy) throws(PlatformError) {
        guard let label = table.column(policy.label) else {
            let names = table.columns.prefix(5).map { "'\($0.name)'" }.joined(separator: ", ")
            throw PlatformError(
                .invalidArgument,
                "'\(policy.data)' has no column '\(policy.label)'",
                remedy: "its columns begin with \(names)"
            )
        }
        guard case .numbers(let truth) = label.cells, !truth.contains(where: \.isNaN) else {
            throw PlatformError(
                .invalidArgument,
                "label '\(policy.label)' of '\(policy.data)' is not a number in every row"
            )
        }
        self.rows = table.rows
        self.truth = truth
        self.features = table.columns.filter { $0.name != policy.label }
    }

    /// What the graph answers for every row.
    func scores(_ session: any ModelSession, output: String?) throws -> Scores {
        let signature = session.signature
        guard let wanted = output ?? signature.outputs.last?.name,
            signature.outputs.contains(where: { $0.name == wanted })
        else {
            let names = signature.outputs.map { "'\($0.name)'" }.joined(separator: ", ")
            throw PlatformError(
                .invalidArgument,
                "the graph has no output '\(output ?? "")'",
                remedy: "it has \(names)"
            )
        }
        var elements: [Double] = []
        var columns = 1
        var areClasses = false
        for start in stride(from: 0, to: rows, by: Self.batchRows) {
            let batch = start..<min(start + Self.batchRows, rows)
            let answer = try session.run(inputs: try inputs(signature, batch), outputs: [wanted])
            guard let tensor = answer.first, tensor.elementCount.isMultiple(of: batch.count),
                tensor.elementCount > 0
            else {
                throw PlatformError(
                    .invalidArgument,
                    "output '\(wanted)' has no score for each of \(batch.count) rows"
                )
            }
            columns = tensor.elementCount / batch.count
            areClasses = ![DataType.fp32, .fp64].contains(tensor.type)
            elements += try tensor.doubles()
        }
        return try Scores(rows: rows, columns: columns, elements: elements, areClasses: areClasses)
    }

    /// One matrix for a graph with one input; else each input is the column of its name.
    private func inputs(_ signature: ModelSignature, _ batch: Range<Int>) throws -> [Tensor] {
        if signature.inputs.count == 1, let input = signature.inputs.first,
            features.count != 1 || input.name != features[0].name
        {
            return [try matrix(input, batch)]
        }
        return try signature.inputs.map { input in
            guard let column = features.first(where: { $0.name == input.name }) else {
                throw PlatformError(
                    .invalidArgument,
                    "the graph wants input '\(input.name)', which is no column of the holdout"
                )
            }
            let shape = input.shape.count == 1 ? [batch.count] : [batch.count, 1]
            switch column.cells {
            case .numbers(let numbers):
                return try Tensor(
                    name: input.name,
                    type: input.type,
                    shape: shape,
                    doubles: Array(numbers[batch])
                )
            case .texts(let texts):
                guard input.type == .bytes else {
                    throw PlatformError(
                        .invalidArgument,
                        "the graph wants numbers for '\(input.name)', the holdout has texts"
                    )
                }
                return Tensor(
                    name: input.name,
                    type: .bytes,
                    shape: shape,
                    storage: .strings(texts[batch].map { Array($0.utf8) })
                )
            }
        }
    }

    private func matrix(_ input: TensorSpec, _ batch: Range<Int>) throws -> Tensor {
        if let width = input.shape.last, input.shape.count == 2, width >= 0, width != features.count {
            throw PlatformError(
                .invalidArgument,
                "the graph wants \(width) features, the holdout has \(features.count)",
                remedy: "write the same columns in the same order as in training, and the label"
            )
        }
        var columns: [[Double]] = []
        for feature in features {
            guard case .numbers(let numbers) = feature.cells else {
                throw PlatformError(
                    .invalidArgument,
                    "column '\(feature.name)' of the holdout holds texts; the graph wants one matrix of numbers"
                )
            }
            columns.append(numbers)
        }
        var elements: [Double] = []
        elements.reserveCapacity(batch.count * columns.count)
        for row in batch {
            for column in columns { elements.append(column[row]) }
        }
        return try Tensor(
            name: input.name,
            type: input.type,
            shape: [batch.count, columns.count],
            doubles: elements
        )
    }
}
