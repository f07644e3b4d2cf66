public import SlipwayCore

extension PlatformError.Code {
    /// The status with which gRPC answers this code.
    public var grpcStatus: GRPCStatus {
        switch self {
        case .invalidArgument: .invalidArgument
        case .notFound: .notFound
        case .alreadyExists: .alreadyExists
        case .failedPrecondition: .failedPrecondition
        case .permissionDenied: .permissionDenied
        case .unauthenticated: .unauthenticated
        case .exhausted: .resourceExhausted
        case .unavailable: .unavailable
        case .corrupt: .dataLoss
        case .unexpected: .internal
        }
    }
}

/// The text of a status on the wire: percent-encoded UTF-8.
///
/// https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md
enum StatusText {
    /// Longer texts are cut: trailers have a limit at the client.
    static let bytesMax = 4096

    static func encoded(_ text: String) -> String {
        let bytes = text.utf8.prefix(bytesMax)
        if bytes.count == text.utf8.count, bytes.allSatisfy(isPlain) { return text }
        var out: [UInt8] = []
        out.reserveCapacity(bytes.count + 16)
        // Not in the middle of a character.
        for character in text {
            guard out.count + character.utf8.count * 3 <= bytesMax else { break }
            for byte in character.utf8 {
                if isPlain(byte) {
                    out.append(byte)
                } else {
                    out += [UInt8(ascii: "%"), digit(byte >> 4), digit(byte & 15)]
                }
            }
        }
        return String(decoding: out, as: UTF8.self)
    }

    private static func isPlain(_ byte: UInt8) -> Bool {
        (0x20...0x7E).contains(byte) && byte != UInt8(ascii: "%")
    }

    private static func digit(_ value: UInt8) -> UInt8 {
        value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "A") + value - 10
    }
}
