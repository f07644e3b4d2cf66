/// Writes a tensor's elements as JSON.
public enum TensorWriter {
    /// Lists without elements that are written for a tensor without elements, such as one of the shape `[1000, 0]`;
    /// of one that has more, a few bytes of a request would ask for hundreds of megabytes of brackets.
    static let emptyListsMax = 1 << 16

    /// An upper bound of what ``write(_:into:)`` and the flat form write.
    public static func bytesMax(of tensor: Tensor) -> Int {
        // Two brackets and a comma a list, a comma an element.
        let brackets = (lists(tensor.shape) ?? 1) * 3 + tensor.elementCount
        guard case .fixed = tensor.storage else {
            guard case .strings(let items) = tensor.storage else { return brackets }
            return brackets + items.reduce(0) { $0 + TextOutput.quotedBytesMax($1.count) + 1 }
        }
        return brackets + tensor.elementCount * bytesMaxPerElement(tensor.type)
    }

    /// Writes the elements nested by the tensor's shape: `[[1,2],[3,4]]`. Non-finite numbers stay bare.
    ///
    /// A tensor without elements and with more than ``emptyListsMax`` lists is one empty list.
    /// - Returns: The bytes written into `space`, which has at least ``bytesMax(of:)``.
    public static func write(_ tensor: Tensor, into space: UnsafeMutableRawBufferPointer) -> Int {
        var out = TextOutput(space)
        guard lists(tensor.shape) != nil else {
            out.put("[]")
            return out.count
        }
        var next = 0
        writeNested(tensor, dimension: 0, next: &next, into: &out)
        return out.count
    }

    /// How many lists the shape nests; `nil` when they are too many for a tensor without elements.
    private static func lists(_ shape: [Int]) -> Int? {
        let isEmpty = shape.contains(0)
        var lists = 0
        var width = 1
        for dimension in shape {
            lists += width
            guard !isEmpty || lists <= emptyListsMax else { return nil }
            guard dimension > 0 else { break }
            let (product, overflow) = width.multipliedReportingOverflow(by: dimension)
            guard !overflow else { return nil }
            width = product
        }
        return lists
    }

    private static func writeNested(_ tensor: Tensor, dimension: Int, next: inout Int, into out: inout TextOutput) {
        guard dimension < tensor.shape.count else {
            writeElements(of: tensor, range: next..<next + 1, into: &out)
            next += 1
            return
        }
        out.put(UInt8(ascii: "["))
        if dimension == tensor.shape.count - 1 {
            let count = tensor.shape[dimension]
            writeElements(of: tensor, range: next..<next + count, into: &out)
            next += count
        } else {
            for index in 0..<tensor.shape[dimension] {
                if index > 0 { out.put(UInt8(ascii: ",")) }
                writeNested(tensor, dimension: dimension + 1, next: &next, into: &out)
            }
        }
        out.put(UInt8(ascii: "]"))
    }

    static func writeElements(of tensor: Tensor, into out: inout TextOutput) {
        writeElements(of: tensor, range: 0..<tensor.elementCount, into: &out)
    }

    private static func writeElements(of tensor: Tensor, range: Range<Int>, into out: inout TextOutput) {
        switch tensor.storage {
        case .strings(let items):
            for index in range {
                if index > range.lowerBound { out.put(UInt8(ascii: ",")) }
                out.putQuoted(String(decoding: items[index], as: UTF8.self))
            }
        case .fixed(let bytes):
            let base = UnsafeRawPointer(bytes.pointer)
            switch tensor.type {
            case .fp32: each(Float.self, base, range, &out) { $0.put($1) }
            case .fp64: each(Double.self, base, range, &out) { $0.put($1) }
            case .int64: each(Int64.self, base, range, &out) { $0.put($1) }
            case .int32: each(Int32.self, base, range, &out) { $0.put(Int64($1)) }
            case .int16: each(Int16.self, base, range, &out) { $0.put(Int64($1)) }
            case .int8: each(Int8.self, base, range, &out) { $0.put(Int64($1)) }
            case .uint64: each(UInt64.self, base, range, &out) { $0.put($1) }
            case .uint32: each(UInt32.self, base, range, &out) { $0.put(UInt64($1)) }
            case .uint16: each(UInt16.self, base, range, &out) { $0.put(UInt64($1)) }
            case .uint8: each(UInt8.self, base, range, &out) { $0.put(UInt64($1)) }
            case .bool: each(UInt8.self, base, range, &out) { if $1 == 0 { $0.put("false") } else { $0.put("true") } }
            case .fp16, .bf16, .bytes: preconditionFailure("\(tensor.type) has no JSON form")
            }
        }
    }

    @inline(__always)
    private static func each<Element>(
        _ type: Element.Type,
        _ base: UnsafeRawPointer,
        _ range: Range<Int>,
        _ out: inout TextOutput,
        _ write: (inout TextOutput, Element) -> Void
    ) {
        let stride = MemoryLayout<Element>.stride
        for index in range {
            if index > range.lowerBound { out.put(UInt8(ascii: ",")) }
            write(&out, base.loadUnaligned(fromByteOffset: index * stride, as: Element.self))
        }
    }

    private static func bytesMaxPerElement(_ type: DataType) -> Int {
        switch type {
        case .bool: 6
        case .int8, .uint8: 5
        case .int16, .uint16: 7
        case .int32, .uint32: 12
        case .int64, .uint64: 21
        case .fp32: 18
        case .fp64, .fp16, .bf16: 26
        case .bytes: 0
        }
    }
}
