import Foundation
import HTTPTypes
import SlipwayCore
import SlipwayTracking

/// In whose name a request changes the registry: out of its headers, and out of what was checked before.
struct ChangeOrigins: Sendable {
    /// `nil`: no caller can show that it is the reconciler, and none is asked to.
    let reconcilerSecret: String?

    /// - Throws: `permission_denied` for a wrong secret, `invalid_argument` for a header that cannot be read.
    // Not inlined, as its caller is an async closure: the optimiser of Swift 6.3 crashes on a typed error there.
    @inline(never)
    func origin(of headers: HTTPFields) throws(PlatformError) -> ChangeOrigin {
        var origin = ChangeOrigin.current
        if let secret = reconcilerSecret, let given = Self.text(ChangeHeader.reconciler, headers) {
            guard !secret.isEmpty, constantTimeEqual(given, secret) else {
                throw PlatformError(
                    .permissionDenied,
                    "what the header '\(ChangeHeader.reconciler)' says is not the secret of this environment's reconciler",
                    remedy: "leave the header out"
                )
            }
            origin.actor = .reconciler
        } else if !origin.actor.isVerified, let name = try Self.line(ChangeHeader.actor, headers, bytesMax: ChangeLimits.actorBytesMax) {
            origin.actor = .init(name: name, kind: .claimed)
        }
        if let reason = try Self.line(ChangeHeader.reason, headers, bytesMax: ChangeLimits.reasonBytesMax) { origin.reason = reason }
        if let commit = Self.text(ChangeHeader.commit, headers) { origin.commit = try CommitID(commit) }
        if let proof = Self.text(ChangeHeader.proof, headers) { origin.proof = try Digest(proof) }
        return origin
    }

    /// The header's value, decoded; `nil` when it is not there or empty.
    private static func text(_ name: String, _ headers: HTTPFields) -> String? {
        guard let field = HTTPField.Name(name), let value = headers[field], !value.isEmpty else { return nil }
        return value.removingPercentEncoding ?? value
    }

    /// One line for people: nothing in it may move a terminal's cursor.
    private static func line(_ name: String, _ headers: HTTPFields, bytesMax: Int) throws(PlatformError) -> String? {
        guard let text = text(name, headers) else { return nil }
        guard text.utf8.count <= bytesMax else {
            throw PlatformError(.invalidArgument, "the header '\(name)' is longer than \(bytesMax) bytes")
        }
        guard !text.unicodeScalars.contains(where: { $0.properties.generalCategory == .control }) else {
            throw PlatformError(.invalidArgument, "the header '\(name)' holds a control character")
        }
        return text
    }
}
