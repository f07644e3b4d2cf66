import enum Crypto.Curve25519
import Foundation
public import SlipwayCore

/// The Ed25519 key that signs an environment's proofs. Printing it shows only its id.
public struct SigningKey: Sendable, CustomStringConvertible {
    private let key: Curve25519.Signing.PrivateKey

    /// A new key from the system's secure random numbers.
    public init() {
        key = Curve25519.Signing.PrivateKey()
    }

    /// - Throws: `corrupt` when the text is no Ed25519 private key in PKCS #8 (RFC 8410).
    public init(pem: String) throws(PlatformError) {
        do {
            key = try Curve25519.Signing.PrivateKey(rawRepresentation: try PEM.privateKey.read(pem))
        } catch {
            throw PlatformError(.corrupt, "the text is not an Ed25519 private key in PEM")
        }
    }

    /// PKCS #8, as `openssl genpkey -algorithm ed25519` writes it. A secret.
    public var pem: String { PEM.privateKey.text(Array(key.rawRepresentation)) }

    public var verifyingKey: VerifyingKey { VerifyingKey(key.publicKey) }

    public var description: String { "signing key \(verifyingKey.id)" }

    func signature(of bytes: [UInt8]) throws(PlatformError) -> [UInt8] {
        do {
            return Array(try key.signature(for: bytes))
        } catch {
            throw PlatformError(.unexpected, "could not sign a proof", cause: error)
        }
    }
}

/// The public half: what anyone needs to verify proofs.
public struct VerifyingKey: Sendable, Equatable {
    private let key: Curve25519.Signing.PublicKey

    init(_ key: Curve25519.Signing.PublicKey) {
        self.key = key
    }

    /// - Throws: `invalid_argument` when the text is no Ed25519 public key in PEM (RFC 8410).
    public init(pem: String) throws(PlatformError) {
        do {
            key = try Curve25519.Signing.PublicKey(rawRepresentation: try PEM.publicKey.read(pem))
        } catch {
            throw PlatformError(.invalidArgument, "the text is not an Ed25519 public key in PEM")
        }
    }

    /// `SubjectPublicKeyInfo`, as `openssl pkey -pubout` writes it.
    public var pem: String { PEM.publicKey.text(Array(key.rawRepresentation)) }

    /// The digest of the 32 bytes of the key: the `keyid` of every envelope.
    public var id: Digest { Digest(of: key.rawRepresentation) }

    func isValid(_ signature: [UInt8], of bytes: [UInt8]) -> Bool {
        key.isValidSignature(signature, for: bytes)
    }

    public static func == (left: Self, right: Self) -> Bool {
        left.key.rawRepresentation == right.key.rawRepresentation
    }
}

/// PEM around an Ed25519 key. Its DER is a fixed prefix and 32 bytes, so no ASN.1 reader is needed.
private struct PEM {
    static let privateKey = PEM(
        label: "PRIVATE KEY",
        prefix: [0x30, 0x2E, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2B, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20]
    )
    static let publicKey = PEM(
        label: "PUBLIC KEY",
        prefix: [0x30, 0x2A, 0x30, 0x05, 0x06, 0x03, 0x2B, 0x65, 0x70, 0x03, 0x21, 0x00]
    )
    static let keyBytes = 32

    let label: String
    let prefix: [UInt8]

    func text(_ key: [UInt8]) -> String {
        "-----BEGIN \(label)-----\n\(Data(prefix + key).base64EncodedString())\n-----END \(label)-----\n"
    }

    func read(_ text: String) throws(PlatformError) -> [UInt8] {
        let lines = text.split(whereSeparator: \.isNewline)
        guard lines.count == 3, lines[0] == "-----BEGIN \(label)-----", lines[2] == "-----END \(label)-----",
            let der = Data(base64Encoded: String(lines[1])), der.count == prefix.count + Self.keyBytes,
            der.starts(with: prefix)
        else { throw PlatformError(.corrupt, "not a PEM \(label.lowercased())") }
        return Array(der.suffix(Self.keyBytes))
    }
}
