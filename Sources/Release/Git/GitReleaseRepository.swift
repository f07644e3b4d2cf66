public import Foundation
public import SlipwayCore
public import SlipwayRelease

/// The desired state in a Git repository.
///
/// A bare repository on this machine is used in place; anything else (a URL, another folder) through a
/// bare mirror that is fetched from and pushed to. A commit is made without a work tree, on exactly the
/// parent that the caller saw, and published only if the branch is still there.
public actor GitReleaseRepository: ReleaseRepository {
    public nonisolated let address: String
    private let git: GitProcess
    private let branch: String
    /// The remote of a mirror; `nil` when the repository itself is used in place.
    private let remote: String?
    private var filesOfCommit: (commit: CommitID, environment: EnvironmentName, files: [String: String])?

    private init(git: GitProcess, branch: String, remote: String?) {
        self.git = git
        self.branch = branch
        self.remote = remote
        self.address = remote.map(Self.withoutCredentials) ?? git.gitFolder
    }

    /// Opens the bare repository at `path`, or makes it with a first commit.
    public static func openOrCreate(path: URL, branch: String = "main") async throws -> GitReleaseRepository {
        let git = GitProcess(gitFolder: path.path)
        do {
            if !FileManager.default.fileExists(atPath: path.appending(path: "HEAD").path) {
                try FileManager.default.createDirectory(at: path.deletingLastPathComponent(), withIntermediateDirectories: true)
                _ = try await git(["init", "--quiet", "--bare", "--initial-branch=\(branch)", path.path])
            }
            let repository = GitReleaseRepository(git: git, branch: branch, remote: nil)
            try await repository.commitFirst()
            return repository
        } catch {
            throw Self.failure(error, doing: "open the release repository")
        }
    }

    /// Uses the repository at `url` through a mirror in `mirror`.
    ///
    /// Does not ask the remote: that it cannot be reached is told by ``head()``, and serving goes on.
    public static func open(url: String, mirror: URL, branch: String = "main") async throws -> GitReleaseRepository {
        let git = GitProcess(gitFolder: mirror.path)
        do {
            if !FileManager.default.fileExists(atPath: mirror.appending(path: "HEAD").path) {
                try FileManager.default.createDirectory(at: mirror.deletingLastPathComponent(), withIntermediateDirectories: true)
                _ = try await git(["init", "--quiet", "--bare", "--initial-branch=\(branch)", mirror.path])
            }
        } catch {
            throw Self.failure(error, doing: "make the mirror of the release repository")
        }
        return GitReleaseRepository(git: git, branch: branch, remote: url)
    }

    // MARK: Reading

    public func head() async throws -> CommitID {
        do {
            if let remote {
                _ = try await git(
                    ["fetch", "--quiet", "--no-tags", remote, "+refs/heads/\(branch):refs/heads/\(branch)"],
                    seconds: GitProcess.Bound.remoteSeconds
                )
            } else if let commit = looseHead() {
                return commit
            }
            return try CommitID(try await git.text(["rev-parse", "--verify", "refs/heads/\(branch)"]))
        } catch {
            throw Self.failure(error, doing: "read the head of branch '\(branch)'")
        }
    }

    /// The branch's file, which is where git keeps a head that has moved lately: no process is started.
    private func looseHead() -> CommitID? {
        let file = URL(filePath: git.gitFolder).appending(path: "refs/heads/\(branch)")
        guard let text = try? String(contentsOf: file, encoding: .utf8) else { return nil }
        return try? CommitID(text.trimmingCharacters(in: .whitespacesAndNewlines))
    }

    public func releaseFiles(of environment: EnvironmentName, at commit: CommitID) async throws -> [String: String] {
        if let known = filesOfCommit, known.commit == commit, known.environment == environment { return known.files }
        do {
            let folder = ReleaseFile.folder(of: environment)
            let listing = try await git(["ls-tree", "-z", commit.text, "\(folder)/"])
            var blobs: [(path: String, blob: String)] = []
            for entry in listing.split(separator: 0) {
                // <mode> <type> <object>\t<path>
                let parts = String(decoding: entry, as: UTF8.self).split(separator: "\t", maxSplits: 1)
                let words = parts.first?.split(separator: " ") ?? []
                guard parts.count == 2, words.count == 3, words[1] == "blob", parts[1].hasSuffix(".yaml") else { continue }
                blobs.append((String(parts[1]), String(words[2])))
            }
            let texts = try await self.texts(of: blobs.map(\.blob))
            let files = Dictionary(zip(blobs.map(\.path), texts), uniquingKeysWith: { first, _ in first })
            filesOfCommit = (commit, environment, files)
            return files
        } catch {
            throw Self.failure(error, doing: "read the releases of '\(environment)' at \(commit.short)")
        }
    }

    /// The contents of blobs, in one process.
    private func texts(of blobs: [String]) async throws -> [String] {
        guard !blobs.isEmpty else { return [] }
        let input = blobs.map { $0 + "\n" }.joined()
        let output = try await git(["cat-file", "--batch"], input: Array(input.utf8))
        var texts: [String] = []
        var offset = 0
        for _ in blobs {
            // <object> <type> <size>\n<content>\n
            guard let lineEnd = output[offset...].firstIndex(of: 0x0A),
                let size = String(decoding: output[offset..<lineEnd], as: UTF8.self).split(separator: " ").last.flatMap({ Int($0) }),
                lineEnd + 1 + size <= output.count
            else { throw PlatformError(.corrupt, "git gave an object in a form that is not understood") }
            texts.append(String(decoding: output[(lineEnd + 1)..<(lineEnd + 1 + size)], as: UTF8.self))
            offset = lineEnd + size + 2
        }
        return texts
    }

    public func file(_ path: String, at commit: CommitID) async throws -> String? {
        do {
            guard try await !git(["ls-tree", "-z", commit.text, path]).isEmpty else { return nil }
            return String(decoding: try await git(["show", "\(commit):\(path)"]), as: UTF8.self)
        } catch {
            throw Self.failure(error, doing: "read '\(path)' at \(commit.short)")
        }
    }

    public func history(of path: String, limit: Int) async throws -> [CommitRecord] {
        do {
            let head = try await head()
            let output = try await git(["log", "-z", "--max-count=\(limit)", "--format=%H%x01%ct%x01%an%x01%B", head.text, "--", path])
            return try output.split(separator: 0).map { entry in
                let fields = String(decoding: entry, as: UTF8.self).split(separator: "\u{1}", maxSplits: 3, omittingEmptySubsequences: false)
                guard fields.count == 4, let seconds = Int64(fields[1]) else {
                    throw PlatformError(.corrupt, "git gave a commit in a form that is not understood")
                }
                return CommitRecord(
                    id: try CommitID(String(fields[0])),
                    time: Timestamp(milliseconds: seconds * 1000),
                    author: String(fields[2]),
                    message: String(fields[3]).trimmingCharacters(in: .newlines)
                )
            }
        } catch {
            throw Self.failure(error, doing: "read the history of '\(path)'")
        }
    }

    // MARK: Writing

    public func commit(_ files: [String: String?], on parent: CommitID, message: String) async throws -> CommitID {
        do {
            let commit = try await makeCommit(files, parent: parent, message: message)
            guard let remote else {
                try await swapHead(from: parent.text, to: commit)
                return commit
            }
            _ = try await git(
                ["push", "--quiet", remote, "\(commit):refs/heads/\(branch)"],
                seconds: GitProcess.Bound.remoteSeconds
            )
            return commit
        } catch let failure as GitProcess.Failure where Self.isLostRace(failure) {
            throw PlatformError(
                .failedPrecondition,
                "branch '\(branch)' has moved on from \(parent.short): nothing was committed",
                remedy: "read the release again and retry",
                cause: failure
            )
        } catch {
            throw Self.failure(error, doing: "commit to branch '\(branch)'")
        }
    }

    private func commitFirst() async throws {
        guard looseHead() == nil else { return }
        if (try? await git.text(["rev-parse", "--verify", "--quiet", "refs/heads/\(branch)"])) != nil { return }
        let readme = "# Releases\n\nWhat serves, and with which weights: `envs/<environment>/models/<model>.yaml`.\n"
        let commit = try await makeCommit(["README.md": readme], parent: nil, message: "Begin the release repository")
        do {
            try await swapHead(from: String(repeating: "0", count: 40), to: commit)
        } catch let failure as GitProcess.Failure where Self.isLostRace(failure) {
            // Another process has made the first commit meanwhile: that one is as good.
        }
    }

    private func swapHead(from old: String, to commit: CommitID) async throws {
        _ = try await git(["update-ref", "refs/heads/\(branch)", commit.text, old])
    }

    private func makeCommit(_ files: [String: String?], parent: CommitID?, message: String) async throws -> CommitID {
        let index = FileManager.default.temporaryDirectory.appending(path: "slipway-index-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: index) }
        let environment = ["GIT_INDEX_FILE": index.path]
        if let parent { _ = try await git(["read-tree", parent.text], environment: environment) }
        var entries = ""
        for (path, text) in files.sorted(by: { $0.key < $1.key }) {
            guard !path.contains("\n"), !path.contains("\t") else {
                throw PlatformError(.invalidArgument, "'\(path)' is no path for a release repository")
            }
            guard let text else {
                entries += "0 \(String(repeating: "0", count: 40))\t\(path)\n"
                continue
            }
            let blob = try await git.text(["hash-object", "-w", "--stdin"], input: Array(text.utf8))
            entries += "100644 \(blob)\t\(path)\n"
        }
        _ = try await git(["update-index", "--index-info"], input: Array(entries.utf8), environment: environment)
        let tree = try await git.text(["write-tree"], environment: environment)
        let parents = parent.map { ["-p", $0.text] } ?? []
        return try CommitID(try await git.text(["commit-tree", tree] + parents, input: Array(message.utf8)))
    }

    private static func isLostRace(_ failure: GitProcess.Failure) -> Bool {
        ["but expected", "cannot lock ref", "non-fast-forward", "fetch first", "[rejected]", "reference already exists"]
            .contains { failure.message.contains($0) }
    }

    private static func failure(_ error: any Error, doing: String) -> PlatformError {
        if let known = error as? PlatformError { return known }
        return PlatformError(
            .unavailable,
            "could not \(doing)",
            remedy: "check that git is installed and the repository can be reached",
            cause: error
        )
    }

    /// `https://user:secret@host/x` → `https://host/x`.
    private static func withoutCredentials(_ url: String) -> String {
        guard let scheme = url.range(of: "://"), let at = url[scheme.upperBound...].firstIndex(of: "@") else { return url }
        guard !url[scheme.upperBound..<at].contains("/") else { return url }
        return String(url[..<scheme.upperBound] + url[url.index(after: at)...])
    }
}
