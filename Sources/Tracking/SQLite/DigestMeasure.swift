import Crypto
import SlipwayCore
import SlipwayTracking

/// Digests of a file while its bytes pass by.
struct DigestMeasure {
    private(set) var bytes: Int64 = 0
    private let checks: ArtifactChecks
    private var whole = DigestHasher()
    /// The block that is being filled; `nil` in the first one, which is also the beginning of the whole.
    private var block: DigestHasher?
    private var blockFill = 0
    private var lines: [UInt8] = []
    private var sha512: SHA512?
    private var md5: Insecure.MD5?

    init(checks: ArtifactChecks) {
        self.checks = checks
        sha512 = checks.sha512.map { _ in SHA512() }
        md5 = checks.md5.map { _ in Insecure.MD5() }
    }

    mutating func update(_ more: UnsafeRawBufferPointer) {
        var rest = more
        while !rest.isEmpty {
            let count = min(rest.count, ArtifactLimits.blockBytes - blockFill)
            let piece = UnsafeRawBufferPointer(rebasing: rest[..<count])
            whole.update(piece)
            block?.update(piece)
            blockFill += count
            if blockFill == ArtifactLimits.blockBytes { endBlock() }
            rest = UnsafeRawBufferPointer(rebasing: rest[count...])
        }
        sha512?.update(bufferPointer: more)
        md5?.update(bufferPointer: more)
        bytes += Int64(more.count)
    }

    private mutating func endBlock() {
        lines += Array((block ?? whole).finish().hex.utf8) + [UInt8(ascii: "\n")]
        block = DigestHasher()
        blockFill = 0
    }

    /// - Throws: `invalid_argument` when the bytes are not the ones that were announced.
    mutating func finish(_ path: ArtifactPath) throws(PlatformError) -> DigestRecord {
        if blockFill > 0 { endBlock() }
        let digest = whole.finish()
        if let expected = checks.sha256, expected != digest {
            throw mismatch("SHA-256", path, expected.hex, digest.hex)
        }
        if let expected = checks.sha512, let found = sha512.map({ Array($0.finalize()) }), expected != found {
            throw mismatch("SHA-512", path, expected.hexText, found.hexText)
        }
        if let expected = checks.md5, let found = md5.map({ Array($0.finalize()) }), expected != found {
            throw mismatch("MD5", path, expected.hexText, found.hexText)
        }
        return DigestRecord(path: path, bytes: bytes, digest: digest, blocks: lines)
    }

    private func mismatch(_ name: String, _ path: ArtifactPath, _ expected: String, _ found: String) -> PlatformError {
        PlatformError(
            .invalidArgument,
            "the upload of '\(path)' was announced with the \(name) \(expected), and what arrived has \(found)",
            remedy: "upload it again"
        )
    }
}
