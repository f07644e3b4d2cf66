import SlipwayCore

extension InferenceBody {
    /// Writes a request for another model server, with every tensor as binary and every output asked for so.
    ///
    /// - Returns: The body, and how much of it is JSON.
    public static func write(_ request: InferenceRequest) -> (body: [UInt8], jsonBytes: Int) {
        var head: [String: JSONValue] = [
            "inputs": .array(request.inputs.map { input in
                [
                    "name": .string(input.name), "datatype": .string(input.type.rawValue),
                    "shape": .array(input.shape.map { .int(Int64($0)) }),
                    "parameters": ["binary_data_size": .int(Int64(BinaryTensor.byteCount(input)))],
                ]
            }),
            "parameters": ["binary_data_output": true],
        ]
        if let id = request.id { head["id"] = .string(id) }
        if !request.outputs.isEmpty {
            head["outputs"] = .array(request.outputs.map { output in
                var parameters: JSONValue = ["binary_data": true]
                if let classes = request.classes[output] { parameters = ["binary_data": true, "classification": .int(Int64(classes))] }
                return ["name": .string(output), "parameters": parameters]
            })
        }
        var body = JSONValue.object(head).canonicalBytes
        let jsonBytes = body.count
        body.reserveCapacity(jsonBytes + request.inputs.reduce(0) { $0 + BinaryTensor.byteCount($1) })
        for input in request.inputs {
            switch input.storage {
            case .fixed(let bytes): body += bytes.bytes
            case .strings(let items):
                for item in items {
                    withUnsafeBytes(of: UInt32(item.count).littleEndian) { body += $0 }
                    body += item
                }
            }
        }
        return (body, jsonBytes)
    }
}
