import SlipwayInference

/// ONNX's numbers for element types (`TensorProto.DataType`), and the protocol's types for them.
enum ONNXElementType {
    static let string: Int32 = 8

    private static let table: [(Int32, DataType)] = [
        (1, .fp32), (2, .uint8), (3, .int8), (4, .uint16), (5, .int16), (6, .int32), (7, .int64), (8, .bytes),
        (9, .bool), (10, .fp16), (11, .fp64), (12, .uint32), (13, .uint64), (16, .bf16),
    ]

    static func type(of number: Int32) -> DataType? {
        table.first { $0.0 == number }?.1
    }

    static func number(of type: DataType) -> Int32 {
        table.first { $0.1 == type }?.0 ?? 0
    }
}
