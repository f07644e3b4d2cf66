import SlipwayCore

/// The id under which a request is found again in logs: the client's, or one that is made when it is needed.
enum RequestID {
    /// What of a client's id is used: visible signs that no header, no log and no shell reads as anything else,
    /// the first ``GatewayLimits/requestIDBytesMax`` of them; `nil` when nothing is left.
    static func cleaned(_ text: String) -> String? {
        if text.utf8.count <= GatewayLimits.requestIDBytesMax, text.utf8.allSatisfy(isAllowed) { return text.isEmpty ? nil : text }
        let kept = text.utf8.lazy.filter(isAllowed).prefix(GatewayLimits.requestIDBytesMax)
        return kept.isEmpty ? nil : String(decoding: Array(kept), as: UTF8.self)
    }

    /// 128 random bits.
    static func fresh() -> String {
        var random = SystemRandomNumberGenerator()
        return [random.next(), random.next()].map { (bits: UInt64) in
            let digits = String(bits, radix: 16)
            return String(repeating: "0", count: 16 - digits.count) + digits
        }.joined()
    }

    private static func isAllowed(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
            UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."), UInt8(ascii: ":"), UInt8(ascii: "/"), UInt8(ascii: "+"),
            UInt8(ascii: "="), UInt8(ascii: "@"):
            true
        default: false
        }
    }
}
