import Foundation
public import SlipwayCore

/// A signed statement: a DSSE envelope with one signature.
///
/// https://github.com/secure-systems-lab/dsse/blob/master/envelope.md
public struct Envelope: Sendable, Equatable {
    public static let payloadType = "application/vnd.in-toto+json"

    public let payload: [UInt8]
    public let keyID: String
    public let signature: [UInt8]

    init(payload: [UInt8], keyID: String, signature: [UInt8]) {
        self.payload = payload
        self.keyID = keyID
        self.signature = signature
    }

    /// Signs a statement.
    ///
    /// - Throws: `exhausted` when the envelope would be larger than ``ProofLimits/envelopeBytesMax``,
    ///   `invalid_argument` when what was observed could not be read back.
    public init(signing statement: Statement, with key: SigningKey) throws(PlatformError) {
        let payload = statement.payload
        do {
            _ = try Statement(parsing: payload)
        } catch {
            throw PlatformError(
                .invalidArgument,
                "transition '\(statement.transition.kind)' of '\(statement.transition.model)' cannot be stated as a proof: \(error.message)",
                cause: error
            )
        }
        self.init(
            payload: payload,
            keyID: key.verifyingKey.id.text,
            signature: try key.signature(of: Self.signed(payload))
        )
        guard bytes.count <= ProofLimits.envelopeBytesMax else {
            throw PlatformError(
                .exhausted,
                "the proof '\(statement.transition.kind)' of '\(statement.transition.model)' is larger than \(ProofLimits.envelopeBytesMax >> 20) MiB",
                remedy: "store the evidence as a file and name its digest"
            )
        }
    }

    /// Reads the bytes of a file, and accepts only what ``bytes`` would write: one byte more, one member
    /// more or base64 written another way is no envelope.
    ///
    /// Says nothing about the signature; that is ``ProofVerifier``'s.
    public init(parsing bytes: [UInt8]) throws(PlatformError) {
        guard bytes.count <= ProofLimits.envelopeBytesMax else {
            throw PlatformError(.corrupt, "the envelope is larger than \(ProofLimits.envelopeBytesMax >> 20) MiB")
        }
        let json: JSONValue
        do {
            json = try JSONValue(parsing: bytes)
        } catch {
            throw PlatformError(.corrupt, "the envelope is not JSON: \(error.message)", cause: error)
        }
        guard json["payloadType"]?.stringValue == Self.payloadType else {
            throw PlatformError(.corrupt, "'payloadType' of the envelope is not '\(Self.payloadType)'")
        }
        guard let signatures = json["signatures"]?.arrayValue, signatures.count == 1, let only = signatures.first,
            let keyID = only["keyid"]?.stringValue, let signature = Self.decode(only["sig"])
        else { throw PlatformError(.corrupt, "the envelope does not have exactly one signature") }
        guard let payload = Self.decode(json["payload"]) else {
            throw PlatformError(.corrupt, "'payload' of the envelope is not base64")
        }
        self.init(payload: payload, keyID: keyID, signature: signature)
        guard self.bytes == bytes else {
            throw PlatformError(.corrupt, "the envelope is not in its canonical form, or has members that it must not have")
        }
    }

    /// Canonical JSON: what a file holds, and what the next envelope's `previous` is the digest of.
    public var bytes: [UInt8] {
        let json: JSONValue = [
            "payload": .string(Data(payload).base64EncodedString()),
            "payloadType": .string(Self.payloadType),
            "signatures": [["keyid": .string(keyID), "sig": .string(Data(signature).base64EncodedString())]],
        ]
        return json.canonicalBytes
    }

    public var digest: Digest { Digest(of: bytes) }

    /// What the signature is over: DSSE's pre-authentication encoding of type and payload.
    var signed: [UInt8] { Self.signed(payload) }

    static func signed(_ payload: [UInt8]) -> [UInt8] {
        Array("DSSEv1 \(payloadType.utf8.count) \(payloadType) \(payload.count) ".utf8) + payload
    }

    private static func decode(_ value: JSONValue?) -> [UInt8]? {
        value?.stringValue.flatMap { Data(base64Encoded: $0) }.map { Array($0) }
    }
}
