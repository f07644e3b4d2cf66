import SlipwayCore
import SlipwayInference
import SlipwayPipeline

/// The golden inputs of a version and the outputs that they must give: `golden.json`, whose tensors look
/// like those of an infer request.
struct GoldenTensors: Sendable {
    static let bytesMax = Limits.jsonBytesMax
    static let elementsMax = 4 << 20

    let inputs: [Tensor]
    let outputs: [SmokeTensor]

    init(json bytes: [UInt8], name: String) throws(PlatformError) {
        let root = try JSONValue(parsing: bytes)
        guard let inputs = root["inputs"]?.arrayValue, let outputs = root["outputs"]?.arrayValue,
            !inputs.isEmpty,
            !outputs.isEmpty
        else {
            throw PlatformError(
                .invalidArgument,
                "'\(name)' needs 'inputs' and 'outputs', both lists of tensors",
                remedy: "write tensors as in an infer request: name, datatype, shape, data"
            )
        }
        var tensors: [Tensor] = []
        for value in inputs { tensors.append(try Self.tensor(value, file: name)) }
        self.inputs = tensors
        var expected: [SmokeTensor] = []
        for value in outputs { expected.append(try SmokeTensor(try Self.tensor(value, file: name))) }
        self.outputs = expected
    }

    private static func tensor(_ value: JSONValue, file: String) throws(PlatformError) -> Tensor {
        guard let name = value["name"]?.stringValue,
            let type = value["datatype"]?.stringValue.flatMap(DataType.init),
            let shape = value["shape"]?.arrayValue, let data = value["data"]
        else {
            throw PlatformError(.invalidArgument, "a tensor of '\(file)' lacks name, datatype, shape or data")
        }
        var sizes: [Int] = []
        var count = 1
        for item in shape {
            guard let size = item.intValue, (0...Int64(elementsMax)).contains(size),
                count * Int(size) <= elementsMax
            else {
                throw PlatformError(.invalidArgument, "tensor '\(name)' of '\(file)' has an impossible shape")
            }
            sizes.append(Int(size))
            count *= Int(size)
        }
        var leaves: [JSONValue] = []
        flatten(data, into: &leaves)
        guard leaves.count == count else {
            throw PlatformError(
                .invalidArgument,
                "tensor '\(name)' of '\(file)' has \(leaves.count) elements, its shape says \(count)"
            )
        }
        if type == .bytes {
            var strings: [[UInt8]] = []
            for leaf in leaves {
                guard let text = leaf.stringValue else { throw mixed(name, file) }
                strings.append(Array(text.utf8))
            }
            return Tensor(name: name, type: type, shape: sizes, storage: .strings(strings))
        }
        var numbers: [Double] = []
        for leaf in leaves {
            guard let number = leaf.doubleValue ?? leaf.boolValue.map({ $0 ? 1 : 0 }) else {
                throw mixed(name, file)
            }
            numbers.append(number)
        }
        return try Tensor(name: name, type: type, shape: sizes, doubles: numbers)
    }

    private static func mixed(_ name: String, _ file: String) -> PlatformError {
        PlatformError(
            .invalidArgument,
            "tensor '\(name)' of '\(file)' holds an element that is not of its datatype"
        )
    }

    /// The parser has bounded how deep this goes.
    private static func flatten(_ value: JSONValue, into leaves: inout [JSONValue]) {
        guard case .array(let items) = value else { return leaves.append(value) }
        for item in items { flatten(item, into: &leaves) }
    }
}

extension SmokeTensor {
    init(_ tensor: Tensor) throws(PlatformError) {
        let elements: Elements
        if case .strings(let strings) = tensor.storage {
            elements = .texts(strings)
        } else {
            elements = .numbers(try tensor.doubles())
        }
        self.init(name: tensor.name, type: tensor.type.rawValue, shape: tensor.shape, elements: elements)
    }
}
