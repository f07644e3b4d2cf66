import SlipwayCore
import SlipwayTracking

extension TrackingImporter {
    /// Copies the files of a folder that are not here yet, each compared with what is here then.
    ///
    /// - Parameters:
    ///   - uri: The folder here.
    ///   - what: Whose files these are, for notes.
    /// - Returns: Whether all that can be here is here.
    func copyFiles(_ folder: SourceFolder, to uri: String, _ what: String, _ tally: ImportTally) async throws -> Bool {
        guard !folder.uri.isEmpty else { return true }
        guard let root = ArtifactLocation(uri).proxied.flatMap({ try? ArtifactPath($0) }) else {
            tally.skip(.files, "the files of \(what)", "they belong at '\(uri)' here, which this server does not keep", .omission)
            return true
        }
        let entries: [ArtifactEntry]
        do {
            entries = try await source.files(in: folder)
        } catch let error as PlatformError where error.code != .unavailable {
            tally.fail(.files, "the files of \(what)", error)
            return false
        }
        guard !entries.isEmpty else { return true }
        var isComplete = true
        let here = try intake.files(below: root)
        for entry in entries {
            let name = "file '\(entry.path)' of \(what)"
            do {
                let path = try root.appending(entry.path)
                let isHere = here[entry.path] == entry.bytes
                guard !isHere || options.verifiesAll else {
                    tally.count(.unchanged, .files, name)
                    continue
                }
                let outcome = try await copyFile(entry, in: folder, to: path, isHere: isHere, isNew: here[entry.path] == nil)
                tally.count(outcome, .files, name)
                if outcome != .unchanged { tally.change { $0.bytes += entry.bytes } }
            } catch let error as PlatformError where error.isAboutOneThing {
                tally.fail(.files, name, error)
                isComplete = false
            }
        }
        return isComplete
    }

    /// Fetches one file; what is here afterwards has the digest of what came.
    private func copyFile(
        _ entry: ArtifactEntry,
        in folder: SourceFolder,
        to path: ArtifactPath,
        isHere: Bool,
        isNew: Bool
    ) async throws -> ImportOutcome {
        let intake = intake
        var attempt = 1
        while true {
            do {
                let received = try await source.download(entry.path, in: folder) { try intake.begin(path) }
                defer { received.file.abandon() }
                guard received.bytes == entry.bytes else {
                    throw PlatformError(.corrupt, "\(received.bytes) bytes came of the \(entry.bytes) that the source lists")
                }
                if isHere, try intake.digest(of: path) == received.digest { return .unchanged }
                try received.file.finish()
                let stored = try intake.digest(of: path)
                guard stored == received.digest else {
                    try intake.remove(path)
                    throw PlatformError(.corrupt, "what is stored is \(stored), and what came was \(received.digest): it was removed again")
                }
                return isNew ? .copied : .updated
            } catch let error as PlatformError where error.code == .corrupt && attempt < ImportLimits.fileAttempts {
                attempt += 1
            }
        }
    }
}

extension PlatformError {
    /// Whether other things can be copied all the same.
    var isAboutOneThing: Bool {
        switch code {
        case .unavailable, .exhausted, .unauthenticated: false
        default: true
        }
    }
}
