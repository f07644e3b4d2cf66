import SlipwayCore

/// Ten to the powers that a double holds exactly.
private let exactPowers: [Double] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19,
    1e20, 1e21, 1e22,
]

extension JSONScanner {
    /// A whole number between the bounds; `1.0` and `1e3` are refused.
    @inline(__always)
    mutating func integer(from lowest: Int64, to highest: Int64) throws(PlatformError) -> Int64 {
        let isNegative = take(UInt8(ascii: "-"))
        let start = offset
        var value: Int64 = 0
        while offset < bytes.count {
            let digit = bytes[offset] &- 48
            guard digit < 10 else { break }
            let (scaled, overflow) = value.multipliedReportingOverflow(by: 10)
            // Counted downwards, so that the lowest Int64 fits.
            let (next, overflow2) = scaled.subtractingReportingOverflow(Int64(digit))
            guard !overflow, !overflow2 else { throw mistake("a number out of range") }
            value = next
            offset += 1
        }
        try checkInteger(from: start)
        guard isNegative || value != .min else { throw mistake("a number out of range") }
        let signed = isNegative ? value : -value
        guard signed >= lowest, signed <= highest else {
            throw mistake("\(signed) is not between \(lowest) and \(highest)")
        }
        return signed
    }

    mutating func unsigned(to highest: UInt64) throws(PlatformError) -> UInt64 {
        let start = offset
        var value: UInt64 = 0
        while offset < bytes.count {
            let digit = bytes[offset] &- 48
            guard digit < 10 else { break }
            let (scaled, overflow) = value.multipliedReportingOverflow(by: 10)
            let (next, overflow2) = scaled.addingReportingOverflow(UInt64(digit))
            guard !overflow, !overflow2 else { throw mistake("a number out of range") }
            value = next
            offset += 1
        }
        try checkInteger(from: start)
        guard value <= highest else { throw mistake("\(value) is not between 0 and \(highest)") }
        return value
    }

    private func checkInteger(from start: Int) throws(PlatformError) {
        guard offset > start else { throw mistake("expected a whole number") }
        guard bytes[start] != UInt8(ascii: "0") || offset == start + 1 else { throw mistake("a leading zero") }
        switch current {
        case UInt8(ascii: "."), UInt8(ascii: "e"), UInt8(ascii: "E"): throw mistake("expected a whole number")
        default: return
        }
    }

    /// A number as a double, correctly rounded; also the bare `NaN`, `Infinity`, `-Infinity` that Python
    /// and Triton write.
    @inline(__always)
    mutating func double() throws(PlatformError) -> Double {
        let start = offset
        let isNegative = take(UInt8(ascii: "-"))
        let digitsStart = offset
        var mantissa: UInt64 = 0
        // From the first that is not zero; not told by the mantissa, which may be zero again when it wraps around.
        var digits = 0
        var exponent = 0
        while offset < bytes.count {
            let digit = bytes[offset] &- 48
            guard digit < 10 else { break }
            mantissa = mantissa &* 10 &+ UInt64(digit)
            digits += digits | Int(digit) == 0 ? 0 : 1
            offset += 1
        }
        guard offset > digitsStart else { return try special(isNegative: isNegative) }
        guard bytes[digitsStart] != UInt8(ascii: "0") || offset == digitsStart + 1 else { throw mistake("a leading zero") }
        if take(UInt8(ascii: ".")) {
            let fractionStart = offset
            while offset < bytes.count {
                let digit = bytes[offset] &- 48
                guard digit < 10 else { break }
                mantissa = mantissa &* 10 &+ UInt64(digit)
                digits += digits | Int(digit) == 0 ? 0 : 1
                offset += 1
            }
            guard offset > fractionStart else { throw mistake("expected digits after '.'") }
            exponent = fractionStart - offset
        }
        if current == UInt8(ascii: "e") || current == UInt8(ascii: "E") {
            exponent += try exponentPart()
        }
        guard offset - start <= InferenceLimits.numberBytesMax else { throw mistake("a number longer than \(InferenceLimits.numberBytesMax) bytes") }
        // Up to 19 digits the mantissa is exact; with it and the power both exact in a double, one
        // operation rounds once.
        if digits <= 19, mantissa <= 1 << 53, exponent >= -22, exponent <= 22 {
            let value = exponent < 0 ? Double(mantissa) / exactPowers[-exponent] : Double(mantissa) * exactPowers[exponent]
            return isNegative ? -value : value
        }
        let text = String(decoding: bytes[start..<offset], as: UTF8.self)
        guard let value = Double(text) else { throw mistake("not a number") }
        return value
    }

    private mutating func exponentPart() throws(PlatformError) -> Int {
        offset += 1
        let isNegative = current == UInt8(ascii: "-")
        if isNegative || current == UInt8(ascii: "+") { offset += 1 }
        let start = offset
        var value = 0
        while offset < bytes.count {
            let digit = bytes[offset] &- 48
            guard digit < 10 else { break }
            value = min(value * 10 + Int(digit), 100_000)
            offset += 1
        }
        guard offset > start else { throw mistake("expected digits in the exponent") }
        return isNegative ? -value : value
    }

    private mutating func special(isNegative: Bool) throws(PlatformError) -> Double {
        switch current {
        case UInt8(ascii: "N"):
            try word("NaN")
            return .nan
        case UInt8(ascii: "I"):
            try word("Infinity")
            return isNegative ? -.infinity : .infinity
        default:
            throw mistake("expected a number")
        }
    }
}
