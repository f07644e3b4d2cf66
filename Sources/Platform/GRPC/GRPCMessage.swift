public import NIOCore

/// A message on its way out: five bytes that say its length, then itself, in one buffer.
public struct GRPCMessage: Sendable, Equatable {
    static let prefixBytes = 5
    let framed: ByteBuffer

    /// Writes the message once, straight behind its length.
    ///
    /// - Parameters:
    ///   - bytesMax: At least what `write` writes.
    ///   - write: Returns how many bytes it wrote.
    public init(bytesMax: Int, _ write: (UnsafeMutableRawBufferPointer) -> Int) {
        var buffer = ByteBuffer()
        buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: Self.prefixBytes + bytesMax) { space in
            let body = UnsafeMutableRawBufferPointer(rebasing: space[Self.prefixBytes...])
            let count = write(body)
            precondition(count <= Int(UInt32.max), "a message of more than four gibibytes")
            space[0] = 0
            withUnsafeBytes(of: UInt32(count).bigEndian) { length in
                UnsafeMutableRawBufferPointer(rebasing: space[1..<Self.prefixBytes]).copyMemory(from: length)
            }
            return Self.prefixBytes + count
        }
        framed = buffer
    }

    public init(_ bytes: [UInt8]) {
        self.init(bytesMax: bytes.count) { space in
            space.copyBytes(from: bytes)
            return bytes.count
        }
    }

    /// The message alone.
    public var body: ByteBuffer { framed.getSlice(at: framed.readerIndex + Self.prefixBytes, length: framed.readableBytes - Self.prefixBytes) ?? ByteBuffer() }
}
