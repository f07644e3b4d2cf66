import CZlib
public import NIOCore
public import SlipwayCore

/// A content encoding of HTTP (RFC 9110, 8.4.1), for whole bodies that are in memory anyway.
public enum BodyEncoding: String, Sendable, CaseIterable {
    case gzip
    case deflate

    /// What a body grows to while it is decoded, step by step; the limit is checked at each.
    private static let stepBytes = 64 << 10
    /// What a header of ours is read up to.
    private static let headerBytesMax = 1024

    /// - Parameter header: `Content-Encoding`.
    /// - Returns: `nil` for `identity`.
    /// - Throws: `invalid_argument` for an encoding, or a chain of them, that is not supported.
    public static func of(_ header: String) throws(PlatformError) -> BodyEncoding? {
        let text = header.lowercased()
        guard text != "identity", !text.isEmpty else { return nil }
        guard let encoding = BodyEncoding(rawValue: text == "x-gzip" ? "gzip" : text) else {
            throw PlatformError(
                .invalidArgument,
                "Unsupported compression type: content encoding '\(header.prefix(40))'",
                remedy: "send the body as gzip, deflate or uncompressed"
            )
        }
        return encoding
    }

    /// The encoding that a client likes best; `nil` when it likes none better than none.
    ///
    /// - Parameter header: `Accept-Encoding`.
    public static func accepted(by header: String) -> BodyEncoding? {
        var best: BodyEncoding?
        var bestQuality = 0.0
        var identity = 0.0
        for part in header.prefix(headerBytesMax).lowercased().split(separator: ",") {
            let fields = part.split(separator: ";").map { $0.trimmed }
            guard let name = fields.first else { continue }
            var quality = 1.0
            for field in fields.dropFirst() where field.hasPrefix("q=") { quality = Double(field.dropFirst(2)) ?? 0 }
            if name == "identity" { identity = quality }
            guard let encoding = BodyEncoding(rawValue: String(name)), quality > bestQuality else { continue }
            (best, bestQuality) = (encoding, quality)
        }
        return bestQuality > 0 && bestQuality >= identity ? best : nil
    }

    /// - Parameter bytesMax: Of the decoded body: a small body that would unfold to more is refused when it
    ///   reaches them, not when memory is gone.
    /// - Throws: `exhausted` over `bytesMax`; `invalid_argument` when the body is damaged or cut off.
    public func decoded(_ body: ByteBuffer, bytesMax: Int) throws(PlatformError) -> ByteBuffer {
        var stream = z_stream()
        // 15 is the largest window, 32 more: whether gzip or zlib is told by the data.
        guard inflateInit2_(&stream, 15 + 32, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size)) == Z_OK else {
            throw PlatformError(.unexpected, "zlib could not begin")
        }
        defer { inflateEnd(&stream) }
        var decoded = ByteBuffer()
        var status = Z_OK
        let failure = body.withUnsafeReadableBytes { input -> PlatformError? in
            guard let base = input.bindMemory(to: UInt8.self).baseAddress else { return damaged }
            stream.next_in = UnsafeMutablePointer(mutating: base)
            stream.avail_in = UInt32(clamping: input.count)
            while status == Z_OK {
                let before = decoded.writerIndex
                decoded.writeWithUnsafeMutableBytes(minimumWritableBytes: min(Self.stepBytes, bytesMax - before + 1)) { space in
                    let room = min(space.count, bytesMax - before + 1)
                    stream.next_out = space.bindMemory(to: UInt8.self).baseAddress
                    stream.avail_out = UInt32(clamping: room)
                    status = inflate(&stream, Z_NO_FLUSH)
                    return room - Int(stream.avail_out)
                }
                guard decoded.writerIndex <= bytesMax else {
                    return PlatformError(.exhausted, "the body has more than \(bytesMax) bytes when it is decompressed")
                }
                // The next member of a gzip body; each has bytes of its own, so the input bounds their number.
                if status == Z_STREAM_END, stream.avail_in > 0 { status = inflateReset(&stream) }
                if status == Z_OK, stream.avail_in == 0, decoded.writerIndex == before { return damaged }
            }
            return status == Z_STREAM_END ? nil : damaged
        }
        if let failure { throw failure }
        return decoded
    }

    private var damaged: PlatformError {
        PlatformError(.invalidArgument, "the body is not complete \(rawValue) data")
    }

    /// - Returns: `nil` when zlib fails: send the body as it is.
    public func encoded(_ body: ByteBuffer) -> ByteBuffer? {
        var stream = z_stream()
        let window: Int32 = self == .gzip ? 15 + 16 : 15
        // Answers are small and made on an event loop: the fastest level.
        guard deflateInit2_(&stream, 1, Z_DEFLATED, window, 8, Z_DEFAULT_STRATEGY, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size)) == Z_OK else {
            return nil
        }
        defer { deflateEnd(&stream) }
        var encoded = ByteBuffer()
        var status = Z_OK
        body.withUnsafeReadableBytes { input in
            stream.next_in = input.bindMemory(to: UInt8.self).baseAddress.map { UnsafeMutablePointer(mutating: $0) }
            stream.avail_in = UInt32(clamping: input.count)
            let bound = Int(deflateBound(&stream, UInt(input.count)))
            encoded.writeWithUnsafeMutableBytes(minimumWritableBytes: bound) { space in
                stream.next_out = space.bindMemory(to: UInt8.self).baseAddress
                stream.avail_out = UInt32(clamping: space.count)
                status = CZlib.deflate(&stream, Z_FINISH)
                return space.count - Int(stream.avail_out)
            }
        }
        return status == Z_STREAM_END ? encoded : nil
    }
}

extension Substring {
    fileprivate var trimmed: Substring {
        var text = self
        while let first = text.first, first.isWhitespace { text.removeFirst() }
        while let last = text.last, last.isWhitespace { text.removeLast() }
        return text
    }
}
