import SlipwayCore
import SlipwayTesting

/// Makes JSON values and broken JSON texts, the same for the same seed.
struct RandomJSON {
    static let depthMax = 5
    static let membersMax = 5
    static let scalarsMax = 12
    static let mutationsMax = 6

    var random: SeededGenerator

    init(seed: UInt64) { random = SeededGenerator(seed: seed) }

    mutating func value(depth: Int = 0) -> JSONValue {
        switch Int.random(in: 0..<(depth < Self.depthMax ? 8 : 5), using: &random) {
        case 0: return Bool.random(using: &random) ? .null : .bool(Bool.random(using: &random))
        case 1:
            return .int(Int64(truncatingIfNeeded: random.next()) >> Int64.random(in: 0..<64, using: &random))
        case 2: return .double(double())
        case 3, 4: return .string(text())
        case 5: return .array((0..<count()).map { _ in value(depth: depth + 1) })
        default:
            var members: [String: JSONValue] = [:]
            for _ in 0..<count() { members[text()] = value(depth: depth + 1) }
            return .object(members)
        }
    }

    /// Any finite double, every exponent alike, and now and then a round one.
    mutating func double() -> Double {
        let number = Double(bitPattern: random.next())
        guard number.isFinite, Int.random(in: 0..<4, using: &random) > 0 else {
            return Double(Int.random(in: -10...10, using: &random)) / 4
        }
        return number
    }

    mutating func text() -> String {
        var text = ""
        for _ in 0..<Int.random(in: 0...Self.scalarsMax, using: &random) {
            let range: ClosedRange<UInt32> =
                switch Int.random(in: 0..<6, using: &random) {
                case 0: 0...0x1F
                case 1: 0x22...0x5C
                case 2: 0x80...0x36F
                case 3: 0xD700...0xE0FF
                case 4: 0xFFF0...0x1_F9FF
                default: 0x61...0x7A
                }
            text.unicodeScalars.append(Unicode.Scalar(UInt32.random(in: range, using: &random)) ?? "\u{FFFD}")
        }
        return text
    }

    /// One to a few small injuries; some leave the text valid.
    mutating func mutated(_ bytes: [UInt8]) -> [UInt8] {
        let telling =
            Array(#"{}[]",:0123456789.eE+-\/ubfnrtalsd "#.utf8) + [
                0x00, 0x1F, 0x7F, 0x80, 0xC3, 0xED, 0xF4, 0xFF,
            ]
        var bytes = bytes
        for _ in 0..<Int.random(in: 1...Self.mutationsMax, using: &random) {
            let place = Int.random(in: 0...bytes.count, using: &random)
            let end = min(bytes.count, place + Int.random(in: 1...8, using: &random))
            let some = telling[Int.random(in: 0..<telling.count, using: &random)]
            switch Int.random(in: 0..<7, using: &random) {
            case 0 where place < bytes.count: bytes[place] ^= 1 << UInt8.random(in: 0..<8, using: &random)
            case 1 where place < bytes.count: bytes[place] = some
            case 2: bytes.removeSubrange(place..<end)
            case 3: bytes.insert(contentsOf: bytes[place..<end], at: place)
            case 4: bytes.removeLast(bytes.count - place)
            case 5: bytes.insert(contentsOf: #"\u"#.utf8, at: place)
            default: bytes.insert(some, at: place)
            }
        }
        return bytes
    }

    private mutating func count() -> Int { Int.random(in: 0...Self.membersMax, using: &random) }
}
