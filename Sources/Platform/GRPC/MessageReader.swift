import CZlib
import NIOCore

/// Why a call ends before its handler had its say.
struct GRPCRefusal: Error, Equatable {
    let status: GRPCStatus
    let text: String

    init(_ status: GRPCStatus, _ text: String) {
        self.status = status
        self.text = text
    }
}

/// Joins DATA frames and splits them into messages.
///
/// A message that lies in one frame is never copied.
struct MessageReader {
    private var buffer: ByteBuffer?
    private let bytesMax: Int
    private let coding: MessageCoding

    init(coding: MessageCoding, bytesMax: Int) {
        self.coding = coding
        self.bytesMax = bytesMax
    }

    /// Bytes that came and are not a message yet.
    var waitingBytes: Int { buffer?.readableBytes ?? 0 }

    mutating func append(_ data: ByteBuffer) {
        guard data.readableBytes > 0 else { return }
        guard var whole = buffer else {
            buffer = data
            return
        }
        // Let go of the first reference, or appending copies everything each time.
        buffer = nil
        whole.writeImmutableBuffer(data)
        buffer = whole
    }

    /// The next message that is complete.
    ///
    /// - Throws: `resource_exhausted` as soon as a length says that a message is too large.
    mutating func next() throws(GRPCRefusal) -> ByteBuffer? {
        guard var whole = buffer, let flag = whole.getInteger(at: whole.readerIndex, as: UInt8.self),
            let length = whole.getInteger(at: whole.readerIndex + 1, as: UInt32.self)
        else { return nil }
        guard length <= bytesMax else {
            throw GRPCRefusal(.resourceExhausted, "a message of \(length) bytes; at most \(bytesMax) are read")
        }
        guard flag <= 1 else { throw GRPCRefusal(.internal, "a message begins with \(flag), which is no compression flag") }
        guard whole.readableBytes >= GRPCMessage.prefixBytes + Int(length) else { return nil }
        buffer = nil
        whole.moveReaderIndex(forwardBy: GRPCMessage.prefixBytes)
        guard let message = whole.readSlice(length: Int(length)) else { return nil }
        if whole.readableBytes > 0 { buffer = whole }
        return flag == 0 ? message : try coding.decompressed(message, bytesMax: bytesMax)
    }
}

/// `grpc-encoding`: how a client's messages are compressed, where they say that they are.
enum MessageCoding: Equatable {
    case identity
    case gzip
    case deflate

    /// What is answered to `grpc-accept-encoding`.
    static let accepted = "identity,deflate,gzip"

    init?(_ name: String) {
        switch name {
        case "identity", "": self = .identity
        case "gzip": self = .gzip
        case "deflate": self = .deflate
        default: return nil
        }
    }

    /// What a message grows to while it is decompressed, step by step; the limit is checked at each.
    private static let stepBytes = 64 << 10

    func decompressed(_ message: ByteBuffer, bytesMax: Int) throws(GRPCRefusal) -> ByteBuffer {
        guard self != .identity else {
            throw GRPCRefusal(.internal, "a message says that it is compressed, and the call names no 'grpc-encoding'")
        }
        var stream = z_stream()
        // 15 is the largest window, 16 more: gzip's header and trailer around it.
        let window: Int32 = self == .gzip ? 15 + 16 : 15
        guard inflateInit2_(&stream, window, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size)) == Z_OK else {
            throw GRPCRefusal(.internal, "zlib could not begin")
        }
        defer { inflateEnd(&stream) }
        var out = ByteBuffer()
        var status = Z_OK
        message.withUnsafeReadableBytes { input in
            stream.next_in = input.bindMemory(to: UInt8.self).baseAddress.map { UnsafeMutablePointer(mutating: $0) }
            stream.avail_in = UInt32(clamping: input.count)
            while status == Z_OK, out.writerIndex <= bytesMax {
                out.writeWithUnsafeMutableBytes(minimumWritableBytes: min(Self.stepBytes, bytesMax - out.writerIndex + 1)) { space in
                    stream.next_out = space.bindMemory(to: UInt8.self).baseAddress
                    stream.avail_out = UInt32(clamping: space.count)
                    // `Z_BUF_ERROR` when the input ends too early: the loop ends with it.
                    status = inflate(&stream, Z_NO_FLUSH)
                    return space.count - Int(stream.avail_out)
                }
            }
        }
        guard out.writerIndex <= bytesMax else {
            throw GRPCRefusal(.resourceExhausted, "a message of more than \(bytesMax) bytes when it is decompressed")
        }
        guard status == Z_STREAM_END, stream.avail_in == 0 else {
            throw GRPCRefusal(.internal, "a message is not complete \(self) data")
        }
        return out
    }
}

/// `grpc-timeout`: at most eight digits and a unit.
enum GRPCTimeout {
    static func parse(_ text: String) -> TimeAmount? {
        let bytes = text.utf8
        guard (2...9).contains(bytes.count), let unit = bytes.last, let amount = Int64(text.dropLast()), amount >= 0,
            bytes.dropLast().allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) })
        else { return nil }
        switch unit {
        case UInt8(ascii: "H"): return .hours(amount.clamped)
        case UInt8(ascii: "M"): return .minutes(amount.clamped)
        case UInt8(ascii: "S"): return .seconds(amount)
        case UInt8(ascii: "m"): return .milliseconds(amount)
        case UInt8(ascii: "u"): return .microseconds(amount)
        case UInt8(ascii: "n"): return .nanoseconds(amount)
        default: return nil
        }
    }
}

extension Int64 {
    /// Eleven years in hours: what eight digits of hours would overflow as nanoseconds.
    fileprivate var clamped: Int64 { Swift.min(self, 100_000) }
}
