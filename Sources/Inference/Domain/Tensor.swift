/// A named array with a type and a shape.
public struct Tensor: Sendable {
    public let name: String
    public let type: DataType
    /// No dimension is negative; an empty shape is one element.
    public let shape: [Int]
    public let storage: TensorStorage

    public init(name: String, type: DataType, shape: [Int], storage: TensorStorage) {
        self.name = name
        self.type = type
        self.shape = shape
        self.storage = storage
    }

    public var elementCount: Int { shape.reduce(1, *) }
}

/// A tensor's elements: parsed once, then read in place by the runtime and by the writer.
public enum TensorStorage: Sendable {
    /// Fixed-width elements, little-endian, in row-major order.
    case fixed(TensorBytes)
    /// The elements of a BYTES tensor.
    case strings([[UInt8]])
}

/// Memory for a tensor, aligned to 64 bytes, freed with its last owner.
///
/// Written only by whoever made it, before it is shared: hence `@unchecked Sendable`. `owner` keeps
/// memory of somebody else (a runtime's output) alive, and then nothing is copied.
public final class TensorBytes: @unchecked Sendable {
    public let pointer: UnsafeMutableRawPointer
    public let count: Int
    private let owner: AnyObject?

    public init(count: Int) {
        self.pointer = .allocate(byteCount: max(count, 1), alignment: 64)
        self.count = count
        self.owner = nil
    }

    /// Borrows `pointer` for as long as `owner` lives.
    public init(borrowing pointer: UnsafeMutableRawPointer, count: Int, owner: AnyObject) {
        self.pointer = pointer
        self.count = count
        self.owner = owner
    }

    deinit {
        if owner == nil { pointer.deallocate() }
    }

    public var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: pointer, count: count) }
}
