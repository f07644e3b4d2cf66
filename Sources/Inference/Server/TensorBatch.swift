import SlipwayInference

/// The tensors of several requests as one run's, and back.
enum TensorBatch {
    /// Whether every tensor has `rows` rows: what ``joined(_:)`` needs.
    static func hasRows(_ tensors: [Tensor], _ rows: Int) -> Bool {
        tensors.allSatisfy { $0.shape.first == rows }
    }

    /// Whether the tensors differ in nothing but their rows, in this order.
    static func matches(_ one: [Tensor], _ other: [Tensor]) -> Bool {
        guard one.count == other.count else { return false }
        for index in one.indices {
            let (left, right) = (one[index], other[index])
            guard left.type == right.type, left.shape.count == right.shape.count, left.name == right.name,
                left.shape.dropFirst() == right.shape.dropFirst()
            else { return false }
        }
        return true
    }

    /// Each request's rows behind those before it: one copy, into memory that the runtime then reads.
    ///
    /// - Parameter requests: The inputs of each, which ``matches(_:_:)`` one another.
    static func joined(_ requests: [[Tensor]]) -> [Tensor] {
        guard let first = requests.first else { return [] }
        return first.indices.map { input in
            let parts = requests.map { $0[input] }
            let rows = parts.reduce(0) { $0 + ($1.shape.first ?? 0) }
            let shape = [rows] + first[input].shape.dropFirst()
            return Tensor(name: first[input].name, type: first[input].type, shape: shape, storage: joined(parts))
        }
    }

    private static func joined(_ parts: [Tensor]) -> TensorStorage {
        var bytes = 0
        var strings: [[UInt8]] = []
        for part in parts {
            switch part.storage {
            case .fixed(let storage): bytes += storage.count
            case .strings(let items): strings += items
            }
        }
        guard parts.first?.type != .bytes else { return .strings(strings) }
        let joined = TensorBytes(count: bytes)
        var offset = 0
        for case .fixed(let storage) in parts.map(\.storage) where storage.count > 0 {
            joined.pointer.advanced(by: offset).copyMemory(from: storage.pointer, byteCount: storage.count)
            offset += storage.count
        }
        return .fixed(joined)
    }

    /// Each request's rows of a run's outputs: windows into the runtime's own memory, nothing is copied.
    ///
    /// - Parameter rows: Of each request, in the order in which they were joined.
    /// - Returns: `nil` when an output does not have a row for each row that went in.
    static func split(_ outputs: [Tensor], rows: [Int]) -> [[Tensor]]? {
        let total = rows.reduce(0, +)
        guard total > 0, hasRows(outputs, total) else { return nil }
        var start = 0
        return rows.map { count in
            defer { start += count }
            return outputs.map { window($0, start: start, count: count, total: total) }
        }
    }

    private static func window(_ tensor: Tensor, start: Int, count: Int, total: Int) -> Tensor {
        let shape = [count] + tensor.shape.dropFirst()
        switch tensor.storage {
        case .fixed(let bytes):
            let row = bytes.count / total
            let window = TensorBytes(borrowing: bytes.pointer.advanced(by: start * row), count: count * row, owner: bytes)
            return Tensor(name: tensor.name, type: tensor.type, shape: shape, storage: .fixed(window))
        case .strings(let items):
            let row = items.count / total
            let window = Array(items[start * row..<(start + count) * row])
            return Tensor(name: tensor.name, type: tensor.type, shape: shape, storage: .strings(window))
        }
    }
}
