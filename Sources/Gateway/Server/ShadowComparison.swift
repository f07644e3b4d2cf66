import SlipwayInference
import SlipwayRouting

/// How a shadow's answer stands to the variant's for the same request.
enum ShadowOutcome: Int, CaseIterable, Sendable {
    case match
    case differ
    /// Other outputs, datatypes or shapes: there is nothing to compare element by element.
    case incomparable
    /// The shadow answered with an error, or not in time.
    case error
    /// Never sent: the queue was full, or the shadow was leaving.
    case dropped

    var label: String {
        switch self {
        case .match: "match"
        case .differ: "differ"
        case .incomparable: "incomparable"
        case .error: "error"
        case .dropped: "dropped"
        }
    }
}

/// Compares two answers tensor by tensor. Pure: no clock, no counter.
struct ShadowComparison: Sendable {
    let rule: RoutedShadow.Comparison
    /// The output that holds predictions; see ``OutputObservation/output``.
    let predictions: String?

    func compare(_ ours: [Tensor], with theirs: [Tensor]) -> ShadowOutcome {
        if case .label = rule { return compareLabels(ours, with: theirs) }
        guard ours.count == theirs.count else { return .incomparable }
        var isSame = true
        for tensor in ours {
            guard let other = theirs.first(where: { $0.name == tensor.name }), Self.isAlike(tensor, other) else {
                return .incomparable
            }
            isSame = isSame && isEqual(tensor, other)
        }
        return isSame ? .match : .differ
    }

    private func compareLabels(_ ours: [Tensor], with theirs: [Tensor]) -> ShadowOutcome {
        guard let predictions, let tensor = ours.first(where: { $0.name == predictions }),
            let other = theirs.first(where: { $0.name == predictions }), Self.isAlike(tensor, other)
        else { return .incomparable }
        guard tensor.type == .fp32 || tensor.type == .fp64 else { return Self.sameBytes(tensor, other) ? .match : .differ }
        let columns = tensor.shape.count >= 2 ? tensor.shape[tensor.shape.count - 1] : 1
        guard columns > 0 else { return .match }
        for row in 0..<tensor.elementCount / columns where Self.label(tensor, row, columns) != Self.label(other, row, columns) {
            return .differ
        }
        return .match
    }

    /// The column of the highest score; of a single score, on which side of one half it is.
    private static func label(_ tensor: Tensor, _ row: Int, _ columns: Int) -> Int {
        let start = row * columns
        guard columns > 1 else { return (number(tensor, start) ?? 0) > 0.5 ? 1 : 0 }
        var best = 0
        var highest = number(tensor, start) ?? 0
        for column in 1..<columns {
            let value = number(tensor, start + column) ?? 0
            if value > highest {
                best = column
                highest = value
            }
        }
        return best
    }

    private static func isAlike(_ left: Tensor, _ right: Tensor) -> Bool {
        left.type == right.type && left.shape == right.shape
    }

    private func isEqual(_ left: Tensor, _ right: Tensor) -> Bool {
        guard case .tolerance(let absolute, let relative) = rule, Self.isFloatingPoint(left.type) else {
            return Self.sameBytes(left, right)
        }
        for index in 0..<left.elementCount {
            guard let ours = Self.number(left, index), let theirs = Self.number(right, index) else { return false }
            guard Self.isWithin(ours, theirs, absolute: absolute, relative: relative) else { return false }
        }
        return true
    }

    /// NaN is like NaN, an infinity like itself; otherwise the difference counts.
    static func isWithin(_ ours: Double, _ theirs: Double, absolute: Double, relative: Double) -> Bool {
        if ours == theirs || (ours.isNaN && theirs.isNaN) { return true }
        guard ours.isFinite, theirs.isFinite else { return false }
        return abs(ours - theirs) <= absolute + relative * abs(ours)
    }

    private static func isFloatingPoint(_ type: DataType) -> Bool {
        switch type {
        case .fp16, .bf16, .fp32, .fp64: true
        default: false
        }
    }

    private static func sameBytes(_ left: Tensor, _ right: Tensor) -> Bool {
        switch (left.storage, right.storage) {
        case (.fixed(let ours), .fixed(let theirs)): ours.count == theirs.count && ours.bytes.elementsEqual(theirs.bytes)
        case (.strings(let ours), .strings(let theirs)): ours == theirs
        case (.fixed, .strings), (.strings, .fixed): false
        }
    }

    /// An element of a floating-point tensor; `nil` for any other.
    private static func number(_ tensor: Tensor, _ index: Int) -> Double? {
        guard case .fixed(let bytes) = tensor.storage else { return nil }
        let base = UnsafeRawPointer(bytes.pointer)
        switch tensor.type {
        case .fp32: return Double(base.loadUnaligned(fromByteOffset: index * 4, as: Float.self))
        case .fp64: return base.loadUnaligned(fromByteOffset: index * 8, as: Double.self)
        case .bf16:
            return Double(Float(bitPattern: UInt32(base.loadUnaligned(fromByteOffset: index * 2, as: UInt16.self)) << 16))
        case .fp16: return half(base.loadUnaligned(fromByteOffset: index * 2, as: UInt16.self))
        default: return nil
        }
    }

    /// IEEE 754's binary16, spelled out because Float16 does not exist on every platform.
    static func half(_ bits: UInt16) -> Double {
        let sign: Double = bits & 0x8000 == 0 ? 1 : -1
        let exponent = Int(bits >> 10 & 0x1F)
        let fraction = Double(bits & 0x3FF)
        switch exponent {
        case 0: return sign * fraction * 0x1p-24
        case 31: return fraction == 0 ? sign * .infinity : .nan
        default: return sign * Double(sign: .plus, exponent: exponent - 15, significand: 1 + fraction / 1024)
        }
    }
}
