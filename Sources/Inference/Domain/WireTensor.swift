import SlipwayCore

/// A tensor as a body declares it, before its elements are read: its members may come in any order.
struct WireTensor {
    var name = ""
    var type: DataType?
    var shape: [Int]?
    /// Where the value of `data` begins.
    var dataOffset: Int?
    var binaryBytes: Int?
    /// For a requested output: whether it is wanted as binary.
    var wantsBinary: Bool?
    /// For a requested output: how many classes are wanted; 0: the tensor itself.
    var classes = 0

    static func read(_ scanner: inout JSONScanner) throws(PlatformError) -> WireTensor {
        var tensor = WireTensor()
        try scanner.object { scanner, key throws(PlatformError) in
            switch key {
            case "name": tensor.name = try scanner.string(bytesMax: InferenceLimits.nameBytesMax)
            case "datatype": tensor.type = try readType(&scanner)
            case "shape": tensor.shape = try readShape(&scanner)
            case "parameters": try tensor.readParameters(&scanner)
            case "data":
                tensor.dataOffset = scanner.offset
                try tensor.skipData(&scanner)
            default: try scanner.skipValue()
            }
        }
        guard !tensor.name.isEmpty else { throw PlatformError(.invalidArgument, "a tensor of the request has no 'name'") }
        return tensor
    }

    /// The tensor with its elements, from `data` or from the binary part at `binaryOffset`, which moves on.
    func tensor(
        in bytes: UnsafeRawBufferPointer,
        binaryOffset: inout Int,
        model: String
    ) throws(PlatformError) -> Tensor {
        guard let type else { throw PlatformError(.invalidArgument, "tensor '\(name)' has no 'datatype'") }
        guard let shape else { throw PlatformError(.invalidArgument, "tensor '\(name)' has no 'shape'") }
        let count = try Self.elementCount(shape, of: type, name: name)
        if let binaryBytes {
            guard dataOffset == nil else {
                throw PlatformError(.invalidArgument, "tensor '\(name)' has both 'data' and 'binary_data_size'")
            }
            guard binaryBytes <= bytes.count - binaryOffset else {
                throw PlatformError(
                    .invalidArgument,
                    "tensor '\(name)' says it has \(binaryBytes) binary bytes; \(bytes.count - binaryOffset) are left"
                )
            }
            let part = UnsafeRawBufferPointer(rebasing: bytes[binaryOffset..<binaryOffset + binaryBytes])
            binaryOffset += binaryBytes
            let storage = try BinaryTensor.read(part, type: type, count: count, name: name, model: model)
            return Tensor(name: name, type: type, shape: shape, storage: storage)
        }
        guard let dataOffset else {
            throw PlatformError(.invalidArgument, "tensor '\(name)' has no 'data'", remedy: "send 'data', or 'binary_data_size' and the bytes")
        }
        var reader = TensorReader(scanner: JSONScanner(bytes, at: dataOffset), name: name, type: type, count: count)
        return Tensor(name: name, type: type, shape: shape, storage: try reader.read())
    }

    /// The product of the dimensions; a 0 among them does not hide the others, so that whoever multiplies some of them can.
    static func elementCount(_ shape: [Int], of type: DataType, name: String) throws(PlatformError) -> Int {
        var count = 1
        for dimension in shape where dimension > 0 {
            let (product, overflow) = count.multipliedReportingOverflow(by: dimension)
            guard !overflow else {
                throw PlatformError(.invalidArgument, "the shape of input '\(name)' causes total element count to exceed maximum size of \(Int.max)")
            }
            count = product
        }
        guard !count.multipliedReportingOverflow(by: type.width ?? 1).overflow else {
            throw PlatformError(.invalidArgument, "byte size overflow for input '\(name)': its shape has \(count) elements")
        }
        guard count <= InferenceLimits.elementsMax else {
            throw PlatformError(.invalidArgument, "tensor '\(name)' has more than \(InferenceLimits.elementsMax) elements")
        }
        return shape.contains(0) ? 0 : count
    }

    private static func readType(_ scanner: inout JSONScanner) throws(PlatformError) -> DataType {
        let text = try scanner.string(bytesMax: 32)
        guard let type = DataType(rawValue: text) else {
            throw PlatformError(.invalidArgument, "'\(text)' is not a datatype of the protocol")
        }
        return type
    }

    private static func readShape(_ scanner: inout JSONScanner) throws(PlatformError) -> [Int] {
        var shape: [Int] = []
        try scanner.array { scanner throws(PlatformError) in
            guard shape.count < InferenceLimits.dimensionsMax else {
                throw scanner.mistake("a shape of more than \(InferenceLimits.dimensionsMax) dimensions")
            }
            let dimension = try scanner.integer(from: .min, to: .max)
            guard dimension >= 0 else {
                throw PlatformError(
                    .invalidArgument,
                    "Unable to parse 'shape': attempt to access JSON non-unsigned-integer as unsigned-integer: a dimension is \(dimension)"
                )
            }
            shape.append(Int(dimension))
        }
        return shape
    }

    private mutating func readParameters(_ scanner: inout JSONScanner) throws(PlatformError) {
        var size: Int?
        var wanted: Bool?
        var classes = 0
        try scanner.object { scanner, key throws(PlatformError) in
            switch key {
            case "binary_data_size": size = Int(try scanner.integer(from: 0, to: Int64(InferenceLimits.bodyBytesMax)))
            case "binary_data": wanted = try scanner.bool()
            case "classification": classes = Int(try scanner.integer(from: 0, to: Int64(InferenceLimits.elementsMax)))
            case "shared_memory_region":
                throw PlatformError(.invalidArgument, "shared memory is not supported", remedy: "send the tensor in the request")
            default: try scanner.skipValue()
            }
        }
        binaryBytes = size
        wantsBinary = wanted
        self.classes = classes
    }

    /// Past `data` without reading its numbers: its type may not be known yet.
    private func skipData(_ scanner: inout JSONScanner) throws(PlatformError) {
        guard scanner.current == UInt8(ascii: "[") else { throw scanner.mistake("'data' must be an array") }
        if type == .bytes || type == nil { return try scanner.skipValue() }
        var depth = 0
        while scanner.offset < scanner.bytes.count {
            switch scanner.bytes[scanner.offset] {
            case UInt8(ascii: "["): depth += 1
            case UInt8(ascii: "]"): depth -= 1
            case UInt8(ascii: "\""), UInt8(ascii: "{"): throw scanner.mistake("'data' of \(type?.rawValue ?? "") holds something else")
            default: break
            }
            scanner.offset += 1
            if depth == 0 { return }
        }
        throw scanner.mistake("'data' does not end")
    }
}
