import Foundation
import SlipwayCore
import SlipwayProof
import SlipwayStorage

/// A capture as files: `facts.json`, the envelope `0000000001.json`, `proof.pub` and `README.md`.
struct CaptureFolder {
    private static let factsBytesMax = 16 << 20
    private static let envelopeName = "0000000001.json"
    private static let keyName = "proof.pub"
    private static let pageName = "README.md"
    private static var ownNames: Set<String> { [Capture.factsName, envelopeName, keyName, pageName] }

    let folder: URL

    init(_ folder: URL) {
        self.folder = folder
    }

    /// Replaces what is there: the new capture is whole before the old one goes.
    ///
    /// - Throws: `failed_precondition` when the folder holds files that are no capture's.
    func write(_ capture: Capture, environment: EnvironmentName, commit: CommitID?, key: SigningKey) async throws {
        let files = FileManager.default
        let names = (try? files.contentsOfDirectory(atPath: folder.path)) ?? []
        if let foreign = names.first(where: { !Self.ownNames.contains($0) && $0 != ".gitkeep" }) {
            throw PlatformError(.failedPrecondition, "the folder holds '\(foreign)', which is no part of a capture", remedy: "name an empty folder")
        }
        let fresh = folder.deletingLastPathComponent().appending(path: ".\(folder.lastPathComponent)-\(UUID().uuidString)")
        try files.createDirectory(at: fresh, withIntermediateDirectories: true)
        do {
            let time = WallClock.system.now
            let transition = try capture.transition(environment: environment, commit: commit, time: time)
            _ = try await FileProofLog(folder: fresh.path, key: key).append(transition)
            try AtomicFile(fresh.appending(path: Capture.factsName).path).write(capture.factsBytes)
            try AtomicFile(fresh.appending(path: Self.keyName).path).write(key.verifyingKey.pem)
            let page = capture.page(environment: environment, commit: commit, time: time, key: key.verifyingKey)
            try AtomicFile(fresh.appending(path: Self.pageName).path).write(page)
            if files.fileExists(atPath: folder.path) { try files.removeItem(at: folder) }
            try files.moveItem(at: fresh, to: folder)
        } catch {
            try? files.removeItem(at: fresh)
            throw error
        }
    }

    /// - Parameter key: Whom to trust; `nil`: the key in the folder.
    /// - Throws: `corrupt` for the first thing that does not hold.
    func verify(key: VerifyingKey?) throws -> Capture {
        let own = try VerifyingKey(pem: String(decoding: try read(Self.keyName), as: UTF8.self))
        let report = try ProofFolder(folder.path).verify(key: key ?? own)
        if let failure = report.failure { throw PlatformError(.corrupt, failure.description) }
        guard report.count == 1 else { throw PlatformError(.corrupt, "a capture has one envelope, this folder has \(report.count)") }
        let envelope = try Envelope(parsing: try read(Self.envelopeName))
        return try Capture(verifying: try Statement(parsing: envelope.payload).transition, factsBytes: try read(Capture.factsName))
    }

    private func read(_ name: String) throws -> [UInt8] {
        try AtomicFile(folder.appending(path: name).path).read(bytesMax: Self.factsBytesMax)
    }
}
