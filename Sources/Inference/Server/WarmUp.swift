import Foundation
import SlipwayCore
import SlipwayInference
import SlipwayInferenceMessages

/// What a new session answers before anybody may ask it.
struct WarmUp {
    let samples: [Inference_ModelWarmup]
    let configuration: VersionConfiguration
    let folder: ModelFolder

    /// Runs the configuration's samples. One that fails is a failed load: such a version must not serve.
    func run(_ session: any ModelSession) throws(PlatformError) {
        guard samples.count <= ServingLimits.warmUpSamplesMax else {
            throw PlatformError(.invalidArgument, "'model_warmup' has more than \(ServingLimits.warmUpSamplesMax) samples")
        }
        for sample in samples {
            do {
                let inputs = try tensors(of: sample)
                let request = InferenceRequest(model: folder.model, inputs: inputs)
                try TensorCheck.check(request, against: configuration.signature, rowsMax: configuration.policy.rowsMax)
                let outputs = configuration.signature.outputs.map(\.name)
                for _ in 0..<min(max(1, Int(sample.count)), ServingLimits.warmUpCountMax) {
                    _ = try session.run(inputs: inputs, outputs: outputs)
                }
            } catch {
                let failure = PlatformError.wrapping(error, doing: "run it")
                throw PlatformError(
                    .invalidArgument,
                    "warm-up sample '\(sample.name.prefix(100))' failed: \(failure.message)",
                    remedy: failure.remedy,
                    cause: failure
                )
            }
        }
    }

    private func tensors(of sample: Inference_ModelWarmup) throws(PlatformError) -> [Tensor] {
        var tensors: [Tensor] = []
        for spec in configuration.signature.inputs {
            guard let input = sample.inputs[spec.name] else {
                throw PlatformError(.invalidArgument, "it has no input '\(spec.name)'")
            }
            tensors.append(try tensor(input, name: spec.name, rows: Int(sample.batchSize)))
        }
        guard sample.inputs.count == tensors.count else {
            let unknown = sample.inputs.keys.sorted().first { name in !tensors.contains { $0.name == name } } ?? ""
            throw PlatformError(.invalidArgument, "the model has no input '\(unknown)'")
        }
        return tensors
    }

    private func tensor(_ input: Inference_ModelWarmup.Input, name: String, rows: Int) throws(PlatformError) -> Tensor {
        guard let type = input.dataType.dataType else {
            throw PlatformError(.invalidArgument, "its input '\(name)' has no data_type")
        }
        let isBatching = configuration.policy.rowsMax > 0
        let rowShape = input.dims.map { Int($0) }
        guard rowShape.allSatisfy({ $0 >= 0 }) else {
            throw PlatformError(.invalidArgument, "its input '\(name)' has dims \(rowShape); give every size")
        }
        let rows = isBatching ? max(1, rows) : 1
        var count = rows
        for dimension in rowShape {
            let (product, overflow) = count.multipliedReportingOverflow(by: dimension)
            guard !overflow, product <= ServingLimits.warmUpElementsMax else {
                throw PlatformError(.exhausted, "its input '\(name)' has more than \(ServingLimits.warmUpElementsMax) elements")
            }
            count = product
        }
        let shape = (isBatching ? [rows] : []) + rowShape
        switch input.inputDataType {
        case .randomData(true):
            return Tensor(name: name, type: type, shape: shape, storage: Self.random(type, count: count))
        case .inputDataFile(let file):
            let content = try folder.warmUpFile(file)
            return Tensor(name: name, type: type, shape: shape, storage: try Self.read(content, type: type, count: count, rows: rows, name: name))
        case .zeroData, .randomData, nil:
            return Tensor(name: name, type: type, shape: shape, storage: Self.zeros(type, count: count))
        }
    }

    /// - Parameter content: Every element, or those of one row, which all rows then share.
    private static func read(
        _ content: Data,
        type: DataType,
        count: Int,
        rows: Int,
        name: String
    ) throws(PlatformError) -> TensorStorage {
        func storage(_ data: Data) throws(PlatformError) -> TensorStorage {
            let read = data.withUnsafeBytes { bytes in
                Result { () throws(PlatformError) in try BinaryTensor.read(bytes, type: type, count: count, name: name, model: "") }
            }
            return try read.get()
        }
        guard let width = type.width, rows > 1, content.count * rows == count * width else { return try storage(content) }
        var whole = Data(capacity: count * width)
        for _ in 0..<rows { whole.append(content) }
        return try storage(whole)
    }

    private static func zeros(_ type: DataType, count: Int) -> TensorStorage {
        guard let width = type.width else { return .strings(Array(repeating: [], count: count)) }
        let bytes = TensorBytes(count: count * width)
        bytes.pointer.initializeMemory(as: UInt8.self, repeating: 0, count: count * width)
        return .fixed(bytes)
    }

    /// The same for every load: floats from -1 to 1, whole numbers and booleans 0 or 1, short texts.
    private static func random(_ type: DataType, count: Int) -> TensorStorage {
        var generator = SequenceGenerator(state: 0x51_7E_A7)
        guard let width = type.width else {
            return .strings((0..<count).map { _ in Array("\(generator.next() % 1000)".utf8) })
        }
        let bytes = TensorBytes(count: count * width)
        for index in 0..<count {
            let place = bytes.pointer + index * width
            let unit = Double(generator.next() >> 11) / Double(1 << 53)
            switch type {
            case .fp32: place.storeBytes(of: Float(unit * 2 - 1), as: Float.self)
            case .fp64: place.storeBytes(of: unit * 2 - 1, as: Double.self)
            // One half and minus one half.
            case .fp16: place.storeBytes(of: unit < 0.5 ? 0x3800 : 0xB800, as: UInt16.self)
            case .bf16: place.storeBytes(of: unit < 0.5 ? 0x3F00 : 0xBF00, as: UInt16.self)
            default:
                for offset in 0..<width { place.storeBytes(of: offset == 0 && unit < 0.5 ? 1 : 0, toByteOffset: offset, as: UInt8.self) }
            }
        }
        return .fixed(bytes)
    }

    /// Runs a session on zeros, so that the first request pays for nothing, and times it.
    ///
    /// - Returns: Nanoseconds a row, the smallest of a few runs; a graph that cannot run on zeros counts
    ///   as too slow for an event loop.
    static func rowNanoseconds(of session: any ModelSession, signature: ModelSignature) -> Int {
        let inputs = signature.inputs.map { spec in
            let shape = spec.shape.map { $0 < 0 ? 1 : $0 }
            return Tensor(name: spec.name, type: spec.type, shape: shape, storage: zeros(spec.type, count: shape.reduce(1, *)))
        }
        let outputs = signature.outputs.map(\.name)
        var best = Int.max
        for _ in 0..<ServingLimits.warmUpRuns {
            let start = DispatchTime.now().uptimeNanoseconds
            guard (try? session.run(inputs: inputs, outputs: outputs)) != nil else {
                return ServingLimits.eventLoopNanosecondsMax + 1
            }
            best = min(best, Int(DispatchTime.now().uptimeNanoseconds - start))
            if best > ServingLimits.eventLoopNanosecondsMax { break }
        }
        return best
    }
}

/// SplitMix64: the same numbers every time.
private struct SequenceGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var value = state
        value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
        return value ^ (value >> 31)
    }
}
