public import SlipwayCore

/// The bodies of `infer` in the Open Inference Protocol v2, with Triton's binary tensor data extension.
///
/// Tensors are read once, straight from the body into the memory that the runtime uses, and written once
/// into memory that the caller gives. Neither direction builds a tree.
public enum InferenceBody {}

/// Which outputs a client wants as binary data.
public struct BinaryOutputs: Sendable, Equatable {
    /// The request's `binary_data_output`.
    public var isDefault: Bool
    /// What single outputs ask for instead.
    public var named: [String: Bool]

    public init(isDefault: Bool = false, named: [String: Bool] = [:]) {
        self.isDefault = isDefault
        self.named = named
    }

    public static let none = BinaryOutputs()
    public static let all = BinaryOutputs(isDefault: true)

    public func wants(_ output: String) -> Bool {
        named.isEmpty ? isDefault : named[output] ?? isDefault
    }

    var isNever: Bool { !isDefault && !named.values.contains(true) }
}

/// A request as it was read from a body.
public struct ParsedInference: Sendable {
    /// ``InferenceRequest/model`` and its version come from the path, not the body: the caller sets them.
    public var request: InferenceRequest
    public let binary: BinaryOutputs

    public init(request: InferenceRequest, binary: BinaryOutputs) {
        self.request = request
        self.binary = binary
    }
}

extension InferenceBody {
    /// Reads a request.
    ///
    /// - Parameters:
    ///   - body: The JSON, followed by binary data if there is any.
    ///   - jsonBytes: The header `Inference-Header-Content-Length`; `nil` when the whole body is JSON.
    /// - Throws: `invalid_argument` that names the tensor or the byte; `exhausted` for more than
    ///   ``InferenceLimits`` allow.
    public static func parseRequest(
        _ body: UnsafeRawBufferPointer,
        jsonBytes: Int? = nil,
        model: String = "",
        version: ModelVersion? = nil
    ) throws(PlatformError) -> ParsedInference {
        let json = try jsonPart(body, jsonBytes: jsonBytes)
        var request = InferenceRequest(model: model, version: version, inputs: [])
        var binary = BinaryOutputs()
        var inputs: [WireTensor] = []
        var scanner = JSONScanner(json)
        try scanner.object { scanner, key throws(PlatformError) in
            switch key {
            case "id": request.id = try readID(&scanner)
            case "inputs": try readTensors(&scanner, into: &inputs, what: "inputs")
            case "outputs": try readOutputs(&scanner, into: &request, binary: &binary)
            case "parameters": try readParameters(&scanner, into: &request, binary: &binary)
            default: try scanner.skipValue()
            }
        }
        try expectEnd(&scanner)
        guard !inputs.isEmpty else {
            throw PlatformError(.invalidArgument, "the request has no 'inputs'")
        }
        request.inputs = try tensors(inputs, body: body, json: json, model: model)
        return ParsedInference(request: request, binary: binary)
    }

    /// Reads a response, as a client of a model server gets it.
    public static func parseResponse(
        _ body: UnsafeRawBufferPointer,
        jsonBytes: Int? = nil
    ) throws(PlatformError) -> InferenceResponse {
        let json = try jsonPart(body, jsonBytes: jsonBytes)
        var model = ""
        var version: ModelVersion?
        var id: String?
        var outputs: [WireTensor] = []
        var scanner = JSONScanner(json)
        try scanner.object { scanner, key throws(PlatformError) in
            switch key {
            case "model_name": model = try scanner.string(bytesMax: InferenceLimits.nameBytesMax)
            case "model_version": version = try ModelVersion(try scanner.string(bytesMax: 20))
            case "id": id = try readID(&scanner)
            case "outputs": try readTensors(&scanner, into: &outputs, what: "outputs")
            default: try scanner.skipValue()
            }
        }
        try expectEnd(&scanner)
        guard let version else {
            throw PlatformError(.invalidArgument, "the response names no 'model_version'")
        }
        let tensors = try tensors(outputs, body: body, json: json, model: model)
        return InferenceResponse(model: model, version: version, id: id, outputs: tensors)
    }

    private static func jsonPart(
        _ body: UnsafeRawBufferPointer,
        jsonBytes: Int?
    ) throws(PlatformError) -> UnsafeRawBufferPointer {
        guard body.count <= InferenceLimits.bodyBytesMax else {
            throw PlatformError(.exhausted, "the body has \(body.count) bytes; at most \(InferenceLimits.bodyBytesMax) are read")
        }
        guard let jsonBytes else { return body }
        guard jsonBytes >= 0, jsonBytes <= body.count else {
            throw PlatformError(.invalidArgument, "Inference-Header-Content-Length is \(jsonBytes), the body has \(body.count) bytes")
        }
        return UnsafeRawBufferPointer(rebasing: body[0..<jsonBytes])
    }

    private static func expectEnd(_ scanner: inout JSONScanner) throws(PlatformError) {
        scanner.skipSpace()
        guard scanner.offset == scanner.bytes.count else { throw scanner.mistake("something follows the object") }
    }

    private static func readID(_ scanner: inout JSONScanner) throws(PlatformError) -> String {
        // Triton takes a number too, and answers it as text.
        guard scanner.current == UInt8(ascii: "\"") else {
            return "\(try scanner.integer(from: .min, to: .max))"
        }
        return try scanner.string(bytesMax: InferenceLimits.nameBytesMax)
    }

    private static func readTensors(
        _ scanner: inout JSONScanner,
        into tensors: inout [WireTensor],
        what: String
    ) throws(PlatformError) {
        try scanner.array { scanner throws(PlatformError) in
            guard tensors.count < InferenceLimits.tensorsMax else {
                throw PlatformError(.exhausted, "more than \(InferenceLimits.tensorsMax) \(what)")
            }
            tensors.append(try WireTensor.read(&scanner))
        }
    }

    private static func readOutputs(
        _ scanner: inout JSONScanner,
        into request: inout InferenceRequest,
        binary: inout BinaryOutputs
    ) throws(PlatformError) {
        var wanted: [WireTensor] = []
        try readTensors(&scanner, into: &wanted, what: "outputs")
        for output in wanted {
            request.outputs.append(output.name)
            if output.classes > 0 { request.classes[output.name] = output.classes }
            if let wantsBinary = output.wantsBinary { binary.named[output.name] = wantsBinary }
        }
    }

    private static func readParameters(
        _ scanner: inout JSONScanner,
        into request: inout InferenceRequest,
        binary: inout BinaryOutputs
    ) throws(PlatformError) {
        var isDefault = binary.isDefault
        var timeout = request.timeoutMicroseconds
        try scanner.object { scanner, key throws(PlatformError) in
            switch key {
            case "binary_data_output": isDefault = try scanner.bool()
            // Triton's scheduling extension: microseconds that the request may wait.
            case "timeout": timeout = Int(try scanner.integer(from: 0, to: .max))
            // As with Triton, whoever numbers sequences may ask a model that has none.
            default: try scanner.skipValue()
            }
        }
        binary.isDefault = isDefault
        request.timeoutMicroseconds = timeout
    }

    private static func tensors(
        _ wire: [WireTensor],
        body: UnsafeRawBufferPointer,
        json: UnsafeRawBufferPointer,
        model: String
    ) throws(PlatformError) -> [Tensor] {
        var binaryOffset = json.count
        var tensors: [Tensor] = []
        tensors.reserveCapacity(wire.count)
        for tensor in wire {
            // JSON elements must lie in the JSON part, binary ones behind it.
            let bytes = tensor.binaryBytes == nil ? json : body
            tensors.append(try tensor.tensor(in: bytes, binaryOffset: &binaryOffset, model: model))
        }
        guard binaryOffset == body.count else {
            throw PlatformError(.invalidArgument, "\(body.count - binaryOffset) bytes follow the last tensor")
        }
        return tensors
    }
}
