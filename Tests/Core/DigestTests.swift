import SlipwayCore
import SlipwayTesting
import Testing

@Suite("Digest")
struct DigestTests {
    /// From NIST's examples for SHA-256 (FIPS 180-4).
    static let vectors: [(text: String, hex: String)] = [
        ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        (
            "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
        ),
    ]

    @Test("The known vectors come out", arguments: vectors)
    func known(text: String, hex: String) {
        let digest = Digest(of: text.utf8)
        #expect(digest.hex == hex)
        #expect(digest.text == "sha256:\(hex)")
        #expect("\(digest)" == "sha256:\(hex)")
    }

    @Test("A million letters a, in pieces, give the known digest")
    func million() {
        var hasher = DigestHasher()
        for _ in 0..<1_000 { hasher.update([UInt8](repeating: UInt8(ascii: "a"), count: 1_000)) }
        #expect(hasher.finish().hex == "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0")
    }

    @Test("However the bytes are cut, the digest is the same", arguments: 0..<10 as Range<UInt64>)
    func pieces(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        let bytes = (0..<Int.random(in: 1...5_000, using: &random)).map { _ in
            UInt8.random(in: 0...255, using: &random)
        }
        var arrays = DigestHasher()
        var buffers = DigestHasher()
        var start = 0
        while start < bytes.count {
            let end = Int.random(in: start...min(bytes.count, start + 500), using: &random)
            arrays.update(Array(bytes[start..<end]))
            bytes[start..<end].withUnsafeBytes { buffers.update($0) }
            start = end
        }
        #expect(arrays.finish() == Digest(of: bytes))
        #expect(buffers.finish() == Digest(of: bytes))
    }

    @Test("Asking for the digest so far leaves the hasher as it was")
    func finishTwice() {
        var hasher = DigestHasher()
        hasher.update(Array("ab".utf8))
        #expect(hasher.finish() == Digest(of: "ab".utf8))
        hasher.update(Array("c".utf8))
        #expect(hasher.finish() == Digest(of: "abc".utf8))
    }

    @Test("One flipped bit gives another digest")
    func flipped() {
        let bytes = Array("the artifact".utf8)
        for place in bytes.indices {
            var other = bytes
            other[place] ^= 1
            #expect(Digest(of: other) != Digest(of: bytes))
        }
    }

    @Test("A digest reads with its prefix or bare, and is the same value")
    func reading() throws {
        let hex = Self.vectors[1].hex
        #expect(try Digest("sha256:\(hex)") == Digest(hex))
        #expect(try Digest(hex) == Digest(of: "abc".utf8))
        #expect(try JSONValue(encoding: Digest(hex)) == .string("sha256:\(hex)"))
        #expect(try JSONValue.string("sha256:\(hex)").decoded(as: Digest.self) == Digest(hex))
    }

    @Test("What is not 64 lower-case hex digits is no digest")
    func refusals() {
        let hex = Self.vectors[1].hex
        let refused = [
            "", "sha256:", "abc", String(hex.dropLast()), hex + "0", hex.uppercased(),
            String(hex.dropLast()) + "g",
            "sha512:\(hex)", "SHA256:\(hex)", "sha256:sha256:\(hex)", "sha256: \(hex)", " \(hex)", "\(hex)\n",
            "sha256-\(hex)",
            String(repeating: "\u{0661}", count: 64), String(repeating: "\u{0661}", count: 32),
        ]
        for text in refused {
            let error = #expect(throws: PlatformError.self, "\(text)") { try Digest(text) }
            #expect(error?.code == .invalidArgument)
            #expect((error?.message.count ?? .max) < 130)
        }
    }

    @Test("Hex text has two lower-case digits for each byte")
    func hex() {
        #expect([UInt8]().hexText == "")
        #expect(([0x00, 0x0F, 0xA0, 0xFF] as [UInt8]).hexText == "000fa0ff")
        #expect((0...255).map { UInt8($0) }.hexText.count == 512)
    }

    @Test(
        "Secrets are equal only byte for byte",
        arguments: [
            ("", "", true), ("token", "token", true), ("\u{E9}", "\u{E9}", true), ("token", "tokem", false),
            ("token", "Token", false), ("token", "toke", false), ("token", "token ", false),
            ("token", "", false),
            ("", "token", false), ("token", "token\0", false), ("\u{E9}", "e\u{301}", false),
        ]
    )
    func secrets(left: String, right: String, isEqual: Bool) {
        #expect(constantTimeEqual(left, right) == isEqual)
        #expect(constantTimeEqual(right, left) == isEqual)
    }

    @Test("Secrets of any length that differ in one byte, wherever it is, are not equal")
    func secretsByPlace() {
        let secret = Array(String(repeating: "0123456789abcdef", count: 20).utf8)
        for place in secret.indices {
            var other = secret
            other[place] ^= 1
            #expect(
                !constantTimeEqual(
                    String(decoding: secret, as: UTF8.self),
                    String(decoding: other, as: UTF8.self)
                )
            )
        }
    }
}
