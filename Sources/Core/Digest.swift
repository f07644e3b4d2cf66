import Crypto

/// The SHA-256 of some bytes, written `sha256:<64 hex digits>`.
public struct Digest: CheckedText {
    /// 64 lower-case hex digits.
    public let hex: String

    public var text: String { "sha256:\(hex)" }

    public init(_ text: String) throws(PlatformError) {
        let hex = text.hasPrefix("sha256:") ? String(text.dropFirst(7)) : text
        guard hex.utf8.count == 64, hex.utf8.allSatisfy({ isLowerHex($0) }) else {
            throw PlatformError(.invalidArgument, "'\(text.prefix(80))' is not a SHA-256 digest")
        }
        self.hex = hex
    }

    public init(of bytes: some Sequence<UInt8>) {
        var hasher = DigestHasher()
        hasher.update(Array(bytes))
        self = hasher.finish()
    }

    fileprivate init(raw: some Sequence<UInt8>) {
        self.hex = raw.hexText
    }
}

/// Computes a ``Digest`` over bytes that come in pieces.
public struct DigestHasher: Sendable {
    private var hash = SHA256()

    public init() {}

    public mutating func update(_ bytes: [UInt8]) {
        hash.update(data: bytes)
    }

    public mutating func update(_ bytes: UnsafeRawBufferPointer) {
        hash.update(bufferPointer: bytes)
    }

    public func finish() -> Digest {
        Digest(raw: hash.finalize())
    }
}

extension Sequence<UInt8> {
    /// Two lower-case hex digits a byte.
    public var hexText: String {
        let digits = Array("0123456789abcdef".utf8)
        var text: [UInt8] = []
        for byte in self {
            text.append(digits[Int(byte >> 4)])
            text.append(digits[Int(byte & 15)])
        }
        return String(decoding: text, as: UTF8.self)
    }
}

/// Whether two secrets are equal, in a time that depends on neither's content.
public func constantTimeEqual(_ left: String, _ right: String) -> Bool {
    let leftDigest = Array(SHA256.hash(data: Array(left.utf8)))
    let rightDigest = Array(SHA256.hash(data: Array(right.utf8)))
    return zip(leftDigest, rightDigest).reduce(0 as UInt8) { $0 | ($1.0 ^ $1.1) } == 0
}
