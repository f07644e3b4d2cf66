import Foundation
public import SlipwayCore
public import SlipwayProof

/// A folder of signed, chained envelopes: `0000000001.json`, `0000000002.json`, …
///
/// One writer at a time, which the home's lock sees to; should there be two, a number that is taken is
/// never overwritten. A stop in the middle of an append leaves at most a temporary file, which is cleared
/// when the log is opened.
public actor FileProofLog: ProofLog {
    private let folder: String
    private let key: SigningKey
    private let disk: any Disk
    private var count: Int
    private var head: Digest?

    /// Opens the log in `folder`, which exists.
    ///
    /// - Throws: `corrupt` when a number is missing or the last envelope is damaged or signed by another key.
    public init(folder: String, key: SigningKey) throws(PlatformError) {
        try self.init(folder: folder, key: key, disk: POSIXDisk())
    }

    init(folder: String, key: SigningKey, disk: any Disk) throws(PlatformError) {
        self.folder = folder
        self.key = key
        self.disk = disk
        do {
            try AtomicFile.clearTemporaries(in: folder, disk: disk)
        } catch {
            throw .wrapping(error, doing: "clear up the proofs", code: .unavailable)
        }
        let reader = ProofFolder(folder, disk: disk)
        let names = try reader.names()
        count = names.count
        head = nil
        guard let last = names.last else { return }
        // Everything before it is `slipway proof verify`'s to check; an append only needs to know that
        // it continues its own chain.
        let file = try reader.file(last)
        let statement: Statement
        do throws(PlatformError) {
            let envelope = try Envelope(parsing: file.bytes)
            guard envelope.keyID == key.verifyingKey.id.text else {
                throw PlatformError(.corrupt, "it was signed by another key")
            }
            statement = try Statement(parsing: envelope.payload)
        } catch {
            throw PlatformError(
                .corrupt,
                "proof '\(last)' cannot be continued: \(error.message)",
                remedy: "slipway proof verify; then restore the folder 'proofs', or move it away to begin a new chain",
                cause: error
            )
        }
        guard statement.sequence == names.count, last == ProofFolder.name(names.count) else {
            throw PlatformError(
                .corrupt,
                "there are \(names.count) proofs, and the last is '\(last)': some are missing",
                remedy: "slipway proof verify; then restore the folder 'proofs'"
            )
        }
        head = Digest(of: file.bytes)
    }

    public func append(_ transition: Transition) async throws -> Digest {
        let envelope = try Envelope(
            signing: Statement(transition, sequence: count + 1, previous: head),
            with: key
        )
        let bytes = envelope.bytes
        let file = AtomicFile("\(folder)/\(ProofFolder.name(count + 1))", disk: disk)
        do {
            try file.create(bytes)
        } catch where error.code == .alreadyExists {
            throw PlatformError(
                .failedPrecondition,
                "proof '\(ProofFolder.name(count + 1))' is there already: somebody else writes into this log",
                cause: error
            )
        } catch {
            // The name may be out although the folder could not be synced: only what is really there
            // may be continued.
            if (try? file.contents(bytesMax: ProofLimits.envelopeBytesMax)) == bytes { advance(bytes) }
            throw error
        }
        return advance(bytes)
    }

    @discardableResult
    private func advance(_ bytes: [UInt8]) -> Digest {
        let digest = Digest(of: bytes)
        count += 1
        head = digest
        return digest
    }
}
