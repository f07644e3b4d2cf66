import NIOCore
import SlipwayCore
import SlipwayHTTP
import SlipwayTesting
import Testing

@Suite("Content encodings")
struct BodyEncodingTests {
    @Test("What is encoded comes back, whatever its size", arguments: BodyEncoding.allCases, [0, 1, 1000, 65_536, 65_537, 1_000_000])
    func roundTrip(encoding: BodyEncoding, size: Int) throws {
        var random = SeededGenerator(seed: UInt64(size))
        let body = ByteBuffer(bytes: (0..<size).map { UInt8(truncatingIfNeeded: $0 % 3 == 0 ? random.next() : 7) })
        let encoded = try #require(encoding.encoded(body))
        #expect(try encoding.decoded(encoded, bytesMax: size) == body)
    }

    @Test("A body that unfolds beyond the limit is refused at the limit", arguments: BodyEncoding.allCases)
    func bomb(encoding: BodyEncoding) throws {
        let encoded = try #require(encoding.encoded(ByteBuffer(repeating: 0, count: 1_000_001)))
        #expect(encoded.readableBytes < 10_000)
        let error = #expect(throws: PlatformError.self) { try encoding.decoded(encoded, bytesMax: 1_000_000) }
        #expect(error?.code == .exhausted)
    }

    @Test("A body that is cut off or damaged is refused at every length", arguments: BodyEncoding.allCases)
    func damaged(encoding: BodyEncoding) throws {
        let body = ByteBuffer(bytes: (0..<500).map { UInt8(truncatingIfNeeded: $0 * 31) })
        let encoded = try #require(encoding.encoded(body))
        for length in 0..<encoded.readableBytes {
            let cut = try #require(encoded.getSlice(at: encoded.readerIndex, length: length))
            let error = #expect(throws: PlatformError.self) { try encoding.decoded(cut, bytesMax: 1000) }
            #expect(error?.code == .invalidArgument)
        }
    }

    @Test(
        "A client's preference decides",
        arguments: [
            ("gzip", .gzip), ("deflate", .deflate), ("gzip, deflate", .gzip), ("deflate, gzip", .deflate),
            ("gzip;q=0.5, deflate;q=0.8", .deflate), ("gzip;q=0", nil), ("identity", nil), ("br", nil), ("", nil),
            ("identity;q=1, gzip;q=0.5", nil), ("GZIP ; q=1", .gzip), ("*", nil), (";;,q", nil),
        ] as [(String, BodyEncoding?)]
    )
    func preference(header: String, expected: BodyEncoding?) {
        #expect(BodyEncoding.accepted(by: header) == expected)
    }

    @Test("An encoding that is not there is refused by name", arguments: ["br", "gzip, gzip", "zstd"])
    func unknown(header: String) {
        let error = #expect(throws: PlatformError.self) { try BodyEncoding.of(header) }
        #expect(error?.message.contains("Unsupported compression type") == true)
    }
}
