import SlipwayCore
import SlipwayRelease

/// What Git says of the model at one commit.
struct ServingRelease: Sendable {
    let commit: CommitID
    let text: String
    let release: Release
}

/// Changes one release file by compare-and-swap.
struct ReleaseWriter: Sendable {
    enum Outcome: Sendable {
        /// The commit that carries the text, made now or found made.
        case published(CommitID)
        /// Git holds a text that this run has not put there; `nil`: no file.
        case superseded(String?)
    }

    let repository: any ReleaseRepository
    let path: String
    let attemptsMax: Int
    let clock: any Clock<Duration>

    /// `nil` when the model has no release yet.
    func serving() async throws -> ServingRelease? {
        let head = try await repository.head()
        guard let text = try await repository.file(path, at: head) else { return nil }
        return ServingRelease(commit: head, text: text, release: try ReleaseFile.parse(text, path: path))
    }

    /// Commits `text` (`nil` removes the file) if the file is one of `replacing`, or is so already.
    ///
    /// Another commit in between, to another file, is no conflict: the commit is tried again on top of it.
    func publish(_ text: String?, replacing known: [String?], message: String) async throws -> Outcome {
        var failure: any Error = PlatformError(.exhausted, "no commit was tried")
        for attempt in 0..<attemptsMax {
            let head: CommitID
            do {
                head = try await repository.head()
                let current = try await repository.file(path, at: head)
                if current == text {
                    return .published(try await repository.history(of: path, limit: 1).first?.id ?? head)
                }
                guard known.contains(current) else { return .superseded(current) }
                return .published(try await repository.commit([path: text], on: head, message: message))
            } catch let error as PlatformError where error.code == .failedPrecondition {
                // Somebody else was faster: look again.
                failure = error
            } catch let error as PlatformError
                where error.code == .unavailable && attempt < Self.unavailableMax
            {
                // It may have been published all the same: look again.
                failure = error
                try await clock.sleep(for: .milliseconds(200 << attempt))
            }
        }
        throw PlatformError(
            .unavailable,
            "release '\(path)' could not be committed in \(attemptsMax) attempts",
            cause: failure
        )
    }

    /// How often in a row an unreachable repository is asked again before the step gives up.
    private static let unavailableMax = 4
}
