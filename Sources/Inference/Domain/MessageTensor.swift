import SlipwayCore

/// An input as a message declares it, before its elements are read.
struct MessageTensor {
    private(set) var name = ""
    private(set) var type: DataType?
    private(set) var shape: [Int] = []
    /// The parts of `contents`: protobuf joins a message that comes in several.
    private(set) var contents: [UnsafeRawBufferPointer] = []

    init(_ part: UnsafeRawBufferPointer) throws(PlatformError) {
        var typeName = ""
        var reader = ProtobufReader(part)
        while let field = try reader.next() {
            switch (field.number, field.wire) {
            case (1, .bytes): name = try reader.text(bytesMax: InferenceLimits.nameBytesMax)
            case (2, .bytes): typeName = try reader.text(bytesMax: InferenceLimits.nameBytesMax)
            case (3, .varint): try append(dimension: try reader.varint())
            case (3, .bytes):
                var packed = ProtobufReader(try reader.part())
                while !packed.isAtEnd { try append(dimension: try packed.varint()) }
            case (4, .bytes): try InferenceMessage.refuseSharedMemory(try InferenceMessage.parameter(try reader.part()).name)
            case (5, .bytes):
                guard contents.count < InferenceLimits.tensorsMax else {
                    throw PlatformError(.exhausted, "tensor '\(name)' comes in more than \(InferenceLimits.tensorsMax) parts")
                }
                contents.append(try reader.part())
            default: try reader.skip(field)
            }
        }
        guard let type = DataType(rawValue: typeName) else {
            throw PlatformError(.invalidArgument, "'\(typeName.prefix(40))' is not a datatype of the protocol")
        }
        self.type = type
    }

    private mutating func append(dimension: UInt64) throws(PlatformError) {
        guard shape.count < InferenceLimits.dimensionsMax else {
            throw PlatformError(.exhausted, "tensor '\(name)' has more than \(InferenceLimits.dimensionsMax) dimensions")
        }
        let dimension = Int64(bitPattern: dimension)
        guard dimension >= 0, dimension <= InferenceLimits.elementsMax else {
            throw PlatformError(.invalidArgument, "tensor '\(name)' has a dimension of \(dimension)")
        }
        shape.append(Int(dimension))
    }

    private func declared() throws(PlatformError) -> (type: DataType, count: Int) {
        guard let type else { throw PlatformError(.invalidArgument, "tensor '\(name)' has no 'datatype'") }
        return (type, try WireTensor.elementCount(shape, of: type, name: name))
    }

    /// With the elements of `raw_input_contents`.
    func tensor(raw: UnsafeRawBufferPointer, model: String) throws(PlatformError) -> Tensor {
        let (type, count) = try declared()
        let storage = try BinaryTensor.read(raw, type: type, count: count, name: name, model: model)
        return Tensor(name: name, type: type, shape: shape, storage: storage)
    }

    /// With the elements of `contents`.
    func tensor() throws(PlatformError) -> Tensor {
        let (type, count) = try declared()
        // An element has at least one byte: no memory is asked for that a message only promises.
        guard contents.reduce(0, { $0 + $1.count }) >= count else { throw wrongCount(count) }
        let storage: TensorStorage
        switch type {
        case .bool: storage = try numbers(UInt8.self, field: 1, count) { $0 == 0 ? 0 : 1 }
        case .int8: storage = try numbers(Int8.self, field: 2, count) { Int8(exactly: Int32(truncatingIfNeeded: $0)) }
        case .int16: storage = try numbers(Int16.self, field: 2, count) { Int16(exactly: Int32(truncatingIfNeeded: $0)) }
        case .int32: storage = try numbers(Int32.self, field: 2, count) { Int32(truncatingIfNeeded: $0) }
        case .int64: storage = try numbers(Int64.self, field: 3, count) { Int64(bitPattern: $0) }
        case .uint8: storage = try numbers(UInt8.self, field: 4, count) { UInt8(exactly: UInt32(truncatingIfNeeded: $0)) }
        case .uint16: storage = try numbers(UInt16.self, field: 4, count) { UInt16(exactly: UInt32(truncatingIfNeeded: $0)) }
        case .uint32: storage = try numbers(UInt32.self, field: 4, count) { UInt32(truncatingIfNeeded: $0) }
        case .uint64: storage = try numbers(UInt64.self, field: 5, count) { $0 }
        case .fp32: storage = try fixed(field: 6, width: 4, single: .fixed32, count)
        case .fp64: storage = try fixed(field: 7, width: 8, single: .fixed64, count)
        case .bytes: storage = .strings(try strings(count))
        case .fp16, .bf16:
            throw PlatformError(.invalidArgument, "tensor '\(name)' of type \(type.rawValue) has no field in 'contents'", remedy: "send it in 'raw_input_contents'")
        }
        return Tensor(name: name, type: type, shape: shape, storage: storage)
    }

    private func wrongCount(_ count: Int) -> PlatformError {
        PlatformError(.invalidArgument, "tensor '\(name)' needs \(count) elements by its shape; 'contents' has another number")
    }

    private static let fieldNames = [
        1: "bool_contents", 2: "int_contents", 3: "int64_contents", 4: "uint_contents", 5: "uint64_contents",
        6: "fp32_contents", 7: "fp64_contents", 8: "bytes_contents",
    ]

    /// A field of `contents` that is not the datatype's: fine when it is empty or unknown.
    private func skip(_ field: ProtobufReader.Field, expected: Int, _ reader: inout ProtobufReader) throws(PlatformError) {
        let start = reader.offset
        try reader.skip(field)
        guard let other = Self.fieldNames[field.number] else { return }
        let isEmpty = field.wire == .bytes && field.number != 8 && reader.offset - start == 1
        guard isEmpty else {
            throw PlatformError(
                .invalidArgument,
                "unexpected explicit tensor data for input tensor '\(name)' in '\(other)', expected datatype '\(type?.rawValue ?? "")' in '\(Self.fieldNames[expected] ?? "")'"
            )
        }
    }

    private func numbers<Element: FixedWidthInteger>(
        _ type: Element.Type,
        field wanted: Int,
        _ count: Int,
        _ convert: (UInt64) -> Element?
    ) throws(PlatformError) -> TensorStorage {
        let storage = TensorBytes(count: count * MemoryLayout<Element>.size)
        let base = storage.pointer.bindMemory(to: Element.self, capacity: count)
        var filled = 0
        for part in contents {
            var reader = ProtobufReader(part)
            while let field = try reader.next() {
                guard field.number == wanted, field.wire == .varint || field.wire == .bytes else {
                    try skip(field, expected: wanted, &reader)
                    continue
                }
                // One element, or several packed.
                var packed = field.wire == .bytes ? ProtobufReader(try reader.part()) : reader
                repeat {
                    guard !packed.isAtEnd else { break }
                    guard filled < count else { throw wrongCount(count) }
                    let value = try packed.varint()
                    guard let element = convert(value) else {
                        throw PlatformError(.invalidArgument, "tensor '\(name)' has \(Int64(bitPattern: value)), which is no \(self.type?.rawValue ?? "")")
                    }
                    base[filled] = element.littleEndian
                    filled += 1
                } while field.wire == .bytes
                if field.wire == .varint { reader = packed }
            }
        }
        guard filled == count else { throw wrongCount(count) }
        return .fixed(storage)
    }

    private func fixed(field wanted: Int, width: Int, single: ProtobufReader.Wire, _ count: Int) throws(PlatformError) -> TensorStorage {
        let storage = TensorBytes(count: count * width)
        var filled = 0
        for part in contents {
            var reader = ProtobufReader(part)
            while let field = try reader.next() {
                guard field.number == wanted, field.wire == .bytes || field.wire == single else {
                    try skip(field, expected: wanted, &reader)
                    continue
                }
                if field.wire == .bytes {
                    let packed = try reader.part()
                    guard packed.count % width == 0, packed.count <= storage.count - filled else { throw wrongCount(count) }
                    if let source = packed.baseAddress { (storage.pointer + filled).copyMemory(from: source, byteCount: packed.count) }
                    filled += packed.count
                } else {
                    guard width <= storage.count - filled else { throw wrongCount(count) }
                    if width == 4 {
                        storage.pointer.storeBytes(of: try reader.fixed32().littleEndian, toByteOffset: filled, as: UInt32.self)
                    } else {
                        storage.pointer.storeBytes(of: try reader.fixed64().littleEndian, toByteOffset: filled, as: UInt64.self)
                    }
                    filled += width
                }
            }
        }
        guard filled == storage.count else { throw wrongCount(count) }
        return .fixed(storage)
    }

    private func strings(_ count: Int) throws(PlatformError) -> [[UInt8]] {
        var items: [[UInt8]] = []
        for part in contents {
            var reader = ProtobufReader(part)
            while let field = try reader.next() {
                guard field.number == 8, field.wire == .bytes else {
                    try skip(field, expected: 8, &reader)
                    continue
                }
                guard items.count < count else { throw wrongCount(count) }
                items.append([UInt8](try reader.part()))
            }
        }
        guard items.count == count else { throw wrongCount(count) }
        return items
    }
}
