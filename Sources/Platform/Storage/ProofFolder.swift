import Foundation
public import SlipwayCore
public import SlipwayProof

/// Reads a folder of envelopes, for whoever lists or verifies them; needs no key.
public struct ProofFolder: Sendable {
    /// How many envelopes a folder may hold.
    public static let countMax = 1_000_000
    private static let nameDigits = 10

    private let folder: String
    private let disk: any Disk

    public init(_ folder: String) {
        self.init(folder, disk: POSIXDisk())
    }

    init(_ folder: String, disk: any Disk) {
        self.folder = folder
        self.disk = disk
    }

    /// The files' names in order. Other files in the folder are not looked at.
    public func names() throws(PlatformError) -> [String] {
        let all: [String]
        do {
            all = try disk.names(in: folder)
        } catch {
            throw PlatformError(.notFound, "there is no folder of proofs", cause: error)
        }
        let names = all.filter(Self.isName).sorted()
        guard names.count <= Self.countMax else {
            throw PlatformError(.exhausted, "the folder holds more than \(Self.countMax) proofs", remedy: "move the folders 'keys' and 'proofs' away to begin a new chain")
        }
        return names
    }

    public func file(_ name: String) throws(PlatformError) -> ProofFile {
        guard Self.isName(name) else {
            throw PlatformError(.invalidArgument, "'\(name.prefix(80))' is not the name of a proof")
        }
        let file = AtomicFile("\(folder)/\(name)", disk: disk)
        return ProofFile(name: name, bytes: try file.read(bytesMax: ProofLimits.envelopeBytesMax))
    }

    /// Verifies the whole folder, one envelope in memory at a time.
    ///
    /// - Throws: When the folder cannot be read; what does not hold is in the report.
    public func verify(
        key: VerifyingKey,
        expectations: ProofExpectations = ProofExpectations()
    ) throws(PlatformError) -> ProofReport {
        var verifier = ProofVerifier(key: key, expectations: expectations)
        var failure: ProofFailure?
        for name in try names() where failure == nil {
            let file = try file(name)
            do throws(ProofFailure) {
                try verifier.check(file)
            } catch {
                failure = error
            }
        }
        if failure == nil {
            do throws(ProofFailure) {
                try verifier.finish()
            } catch {
                failure = error
            }
        }
        return ProofReport(count: verifier.count, head: verifier.head, failure: failure)
    }

    static func name(_ sequence: Int) -> String {
        let digits = "\(sequence)"
        return String(repeating: "0", count: max(0, nameDigits - digits.count)) + digits + ".json"
    }

    private static func isName(_ name: String) -> Bool {
        name.utf8.count == nameDigits + 5 && name.hasSuffix(".json")
            && name.utf8.prefix(nameDigits).allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
    }
}
