import Testing

@testable import SlipwayInference

@Suite("Numbers of the JSON scanner")
struct JSONScannerNumberTests {
    @Test("A number is the double that is nearest to it, however many digits it has", arguments: [
        "0", "-0.0", "1", "0.1", "123456789.125", "1e22", "1e23", "9007199254740993", "9223372036854775808", "18446744073709551616",
        // Ten times 2^63: a mantissa of 64 bits that wraps around is zero here.
        "92233720368547758080", "-0.92233720368547758080", "922337203685477580800.0", "0.00092233720368547758080e3", "1e-400", "1.7976931348623157e308",
        "0.1000000000000000055511151231257827021181583404541015625",
    ])
    func nearest(text: String) throws {
        let number = try #require(Double(text))
        #expect(try read(text).bitPattern == number.bitPattern)
    }

    private func read(_ text: String) throws -> Double {
        try Array(text.utf8).withUnsafeBytes { bytes in
            var scanner = JSONScanner(bytes)
            return try scanner.double()
        }
    }
}
