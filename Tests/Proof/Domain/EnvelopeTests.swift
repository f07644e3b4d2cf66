import Foundation
import SlipwayCore
import SlipwayTesting
import Testing

@testable import SlipwayProof

@Suite("Envelope")
struct EnvelopeTests {
    @Test("The signature is over DSSE's encoding of type and payload")
    func preAuthenticationEncoding() {
        #expect(Envelope.signed(Array("{}".utf8)) == Array("DSSEv1 28 application/vnd.in-toto+json 2 {}".utf8))
    }

    @Test("Keys are read and written as RFC 8410 has them; its pair belongs together")
    func keys() throws {
        let key = try SigningKey(pem: ProofFixture.privatePEM)
        #expect(key.pem == ProofFixture.privatePEM)
        #expect(key.verifyingKey.pem == ProofFixture.publicPEM)
        #expect(try VerifyingKey(pem: ProofFixture.publicPEM) == key.verifyingKey)
        #expect(key.verifyingKey.id.text.hasPrefix("sha256:"))
    }

    @Test("A key's description does not show the key")
    func secret() throws {
        let key = SigningKey()
        let inner = try #require(key.pem.split(separator: "\n").dropFirst().first)
        for text in ["\(key)", String(describing: key), String(reflecting: key)] { #expect(!text.contains(inner)) }
        #expect(SigningKey().pem != key.pem)
    }

    @Test(
        "What is no key in PEM is refused",
        arguments: [
            "", "-----BEGIN PRIVATE KEY-----", ProofFixture.publicPEM, ProofFixture.privatePEM.replacing("MC4C", with: "MC4D"),
            ProofFixture.privatePEM.replacing("EdVhC", with: "EdVh"), ProofFixture.privatePEM + ProofFixture.privatePEM,
        ]
    )
    func badKeys(text: String) {
        #expect(throws: PlatformError.self) { try SigningKey(pem: text) }
        if text != ProofFixture.publicPEM { #expect(throws: PlatformError.self) { try VerifyingKey(pem: text) } }
    }

    @Test("An envelope reads back equal, and only from exactly its own bytes")
    func roundTrip() throws {
        let envelope = try Envelope(signing: Statement(try ProofFixture.transition(), sequence: 1, previous: nil), with: SigningKey())
        #expect(try Envelope(parsing: envelope.bytes) == envelope)
        let text = String(decoding: envelope.bytes, as: UTF8.self)
        for changed in [text + "\n", " " + text, text.replacing(#""sig""#, with: #""x":1,"sig""#), String(text.dropLast()), ""] {
            let error = #expect(throws: PlatformError.self) { try Envelope(parsing: Array(changed.utf8)) }
            #expect(error?.code == .corrupt)
        }
    }

    @Test("Evidence too large for one proof is refused before anything is signed")
    func tooLarge() throws {
        let text = String(repeating: "x", count: ProofLimits.envelopeBytesMax)
        let statement = Statement(try ProofFixture.transition(observed: .string(text)), sequence: 1, previous: nil)
        let error = #expect(throws: PlatformError.self) { try Envelope(signing: statement, with: SigningKey()) }
        #expect(error?.code == .exhausted)
    }

    @Test("Evidence that nests too deep to be read back is refused")
    func tooDeep() throws {
        let deep = (0..<ProofLimits.depthMax).reduce(JSONValue.null) { inner, _ in .array([inner]) }
        let statement = Statement(try ProofFixture.transition(observed: deep), sequence: 1, previous: nil)
        let error = #expect(throws: PlatformError.self) { try Envelope(signing: statement, with: SigningKey()) }
        #expect(error?.code == .invalidArgument)
    }

    @Test(
        "Another implementation verifies what was signed, with the PEM key",
        .enabled(if: FileManager.default.isExecutableFile(atPath: conformancePython), "no Python; make sets it up"),
        .timeLimit(.minutes(2))
    )
    func pythonVerifies() async throws {
        try await withScratchFolder { folder in
            let key = SigningKey()
            let envelope = try Envelope(signing: Statement(try ProofFixture.transition(), sequence: 1, previous: nil), with: key)
            try Data(envelope.bytes).write(to: folder.appending(path: "proof.json"))
            try Data(key.verifyingKey.pem.utf8).write(to: folder.appending(path: "proof.pub"))
            try Data(key.pem.utf8).write(to: folder.appending(path: "proof.key"))
            let process = Process()
            process.executableURL = URL(filePath: conformancePython)
            process.arguments = ["-c", Self.script]
            process.currentDirectoryURL = folder
            try process.run()
            try await onThread { process.waitUntilExit() }
            #expect(process.terminationStatus == 0)
        }
    }

    private static let script = """
        import base64, hashlib, json
        from cryptography.hazmat.primitives.serialization import load_pem_public_key, load_pem_private_key
        key = load_pem_public_key(open("proof.pub", "rb").read())
        secret = load_pem_private_key(open("proof.key", "rb").read(), None)
        assert secret.public_key().public_bytes_raw() == key.public_bytes_raw()
        envelope = json.load(open("proof.json"))
        payload = base64.b64decode(envelope["payload"], validate=True)
        kind = envelope["payloadType"].encode()
        pae = b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)
        only, = envelope["signatures"]
        assert only["keyid"] == "sha256:" + hashlib.sha256(key.public_bytes_raw()).hexdigest()
        key.verify(base64.b64decode(only["sig"], validate=True), pae)
        statement = json.loads(payload)
        assert statement["_type"] == "https://in-toto.io/Statement/v1"
        assert json.dumps(statement, sort_keys=True, separators=(",", ":")).encode() == payload
        """
}
