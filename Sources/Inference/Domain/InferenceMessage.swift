public import SlipwayCore

/// `ModelInferRequest` and `ModelInferResponse` of the Open Inference Protocol over gRPC.
///
/// What ``InferenceBody`` is for HTTP: tensors are read once, straight from the message into the memory that
/// the runtime uses, and written once. Field numbers: `Sources/Inference/Messages/inference.proto`.
public enum InferenceMessage {
    /// A request as it was read.
    public struct Parsed: Sendable {
        public var request: InferenceRequest
    }

    /// A parameter of a response.
    public enum Parameter: Sendable, Equatable {
        case bool(Bool)
        case text(String)
    }
}

extension InferenceMessage {
    /// Reads a request.
    ///
    /// - Throws: `invalid_argument` that names the tensor; `exhausted` for more than ``InferenceLimits`` allow.
    public static func parseRequest(_ body: UnsafeRawBufferPointer) throws(PlatformError) -> Parsed {
        guard body.count <= InferenceLimits.messageBytesMax else {
            throw PlatformError(.exhausted, "the message has \(body.count) bytes; at most \(InferenceLimits.messageBytesMax) are read")
        }
        var request = InferenceRequest(model: "", inputs: [])
        var inputs: [MessageTensor] = []
        var raw: [UnsafeRawBufferPointer] = []
        var version = ""
        var reader = ProtobufReader(body)
        while let field = try reader.next() {
            switch (field.number, field.wire) {
            case (1, .bytes): request.model = try reader.text(bytesMax: InferenceLimits.nameBytesMax)
            case (2, .bytes): version = try reader.text(bytesMax: InferenceLimits.nameBytesMax)
            case (3, .bytes): request.id = try reader.text(bytesMax: InferenceLimits.nameBytesMax)
            case (4, .bytes): request.timeoutMicroseconds = try readParameter(try reader.part()) ?? request.timeoutMicroseconds
            case (5, .bytes):
                guard inputs.count < InferenceLimits.tensorsMax else { throw tooMany("inputs") }
                inputs.append(try MessageTensor(try reader.part()))
            case (6, .bytes):
                guard request.outputs.count < InferenceLimits.tensorsMax else { throw tooMany("outputs") }
                let (output, classes) = try readOutput(try reader.part())
                request.outputs.append(output)
                if classes > 0 { request.classes[output] = classes }
            case (7, .bytes):
                guard raw.count < InferenceLimits.tensorsMax else { throw tooMany("raw_input_contents") }
                raw.append(try reader.part())
            default: try reader.skip(field)
            }
        }
        if request.id?.isEmpty == true { request.id = nil }
        if !version.isEmpty { request.version = try ModelVersion(version) }
        request.inputs = try tensors(inputs, raw, model: request.model)
        return Parsed(request: request)
    }

    /// The `id` of a request that is refused: whatever of it can be read.
    public static func id(of body: UnsafeRawBufferPointer) -> String? {
        var reader = ProtobufReader(body)
        var id: String?
        while let field = try? reader.next() {
            if field.number == 3, field.wire == .bytes {
                id = try? reader.text(bytesMax: InferenceLimits.nameBytesMax)
            } else {
                guard (try? reader.skip(field)) != nil else { return id }
            }
        }
        return id
    }

    private static func tooMany(_ what: String) -> PlatformError {
        PlatformError(.exhausted, "more than \(InferenceLimits.tensorsMax) \(what)")
    }

    private static func tensors(
        _ inputs: [MessageTensor],
        _ raw: [UnsafeRawBufferPointer],
        model: String
    ) throws(PlatformError) -> [Tensor] {
        // Whether inputs are missing is for whoever knows the model to say.
        guard raw.isEmpty || raw.count == inputs.count else {
            if raw.count < inputs.count {
                throw PlatformError(.invalidArgument, "unable to find data for input tensor '\(inputs[raw.count].name)' for model '\(model)' in request.")
            }
            throw PlatformError(.invalidArgument, "expected \(inputs.count) raw_input_contents for model '\(model)', got \(raw.count)")
        }
        var tensors: [Tensor] = []
        tensors.reserveCapacity(inputs.count)
        for (index, input) in inputs.enumerated() {
            guard raw.isEmpty || input.contents.isEmpty else {
                throw PlatformError(
                    .invalidArgument,
                    "contents field must not be specified when using raw_input_contents for '\(input.name)' for model '\(model)'"
                )
            }
            guard !raw.isEmpty || !input.contents.isEmpty || input.shape.contains(0) else {
                throw PlatformError(.invalidArgument, "unable to find data for input tensor '\(input.name)' for model '\(model)' in request.")
            }
            tensors.append(try raw.isEmpty ? input.tensor() : input.tensor(raw: raw[index], model: model))
        }
        return tensors
    }

    /// A parameter of the whole request.
    ///
    /// - Returns: The timeout, if this is it.
    private static func readParameter(_ entry: UnsafeRawBufferPointer) throws(PlatformError) -> Int? {
        let (name, value) = try parameter(entry)
        switch name {
        case "timeout":
            guard let number = value.number, number >= 0 else {
                throw PlatformError(.invalidArgument, "parameter 'timeout' is not a number of microseconds")
            }
            return Int(number)
        // As with Triton, whoever numbers sequences may ask a model that has none.
        default: return nil
        }
    }

    /// - Returns: The output's name, and how many classes are wanted; 0: the tensor itself.
    private static func readOutput(_ part: UnsafeRawBufferPointer) throws(PlatformError) -> (name: String, classes: Int) {
        var name = ""
        var classes = 0
        var reader = ProtobufReader(part)
        while let field = try reader.next() {
            switch (field.number, field.wire) {
            case (1, .bytes): name = try reader.text(bytesMax: InferenceLimits.nameBytesMax)
            case (2, .bytes):
                let (key, value) = try parameter(try reader.part())
                if key == "classification" {
                    guard let number = value.number, number >= 0, number <= InferenceLimits.elementsMax else {
                        throw PlatformError(.invalidArgument, "parameter 'classification' is not a number of classes")
                    }
                    classes = Int(number)
                }
                try refuseSharedMemory(key)
            default: try reader.skip(field)
            }
        }
        return (name, classes)
    }

    static func refuseSharedMemory(_ parameter: String) throws(PlatformError) {
        guard parameter.hasPrefix("shared_memory_") else { return }
        throw PlatformError(.invalidArgument, "shared memory is not supported", remedy: "send the tensor in the request")
    }

    struct ParameterValue {
        /// False, 0 or an empty text.
        var isZero = true
        /// When it is a whole number.
        var number: Int64?
    }

    /// A map's entry.
    static func parameter(_ entry: UnsafeRawBufferPointer) throws(PlatformError) -> (name: String, value: ParameterValue) {
        var name = ""
        var value = ParameterValue()
        var reader = ProtobufReader(entry)
        while let field = try reader.next() {
            switch (field.number, field.wire) {
            case (1, .bytes): name = try reader.text(bytesMax: InferenceLimits.nameBytesMax)
            case (2, .bytes):
                var inner = ProtobufReader(try reader.part())
                while let choice = try inner.next() {
                    switch (choice.number, choice.wire) {
                    case (1, .varint): value = ParameterValue(isZero: try inner.varint() == 0)
                    case (2, .varint), (5, .varint):
                        let number = try inner.varint()
                        value = ParameterValue(isZero: number == 0, number: Int64(bitPattern: number))
                    case (3, .bytes): value = ParameterValue(isZero: try inner.text(bytesMax: InferenceLimits.stringBytesMax).isEmpty)
                    case (4, .fixed64): value = ParameterValue(isZero: try inner.fixed64() << 1 == 0)
                    default: try inner.skip(choice)
                    }
                }
            default: try reader.skip(field)
            }
        }
        return (name, value)
    }
}
