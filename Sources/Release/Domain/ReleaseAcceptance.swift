public import SlipwayCore

/// Which of a commit's release files are carried out, and why others are not.
///
/// A pure function of the files, what was accepted before and the versions that the registry has. A
/// refused file changes nothing: the release accepted last for its model goes on serving.
public struct ReleaseAcceptance: Sendable, Hashable {
    public struct Refusal: Sendable, Hashable, Codable {
        public let path: String
        public let model: ModelName?
        public let reason: String
        public let remedy: String?

        public init(path: String, model: ModelName?, reason: String, remedy: String?) {
            self.path = path
            self.model = model
            self.reason = reason
            self.remedy = remedy
        }
    }

    public let accepted: AcceptedReleases
    public let refusals: [Refusal]

    /// - Parameters:
    ///   - files: Path → text, of one environment at `commit`.
    ///   - previous: What was accepted before.
    ///   - knows: Whether the registry has the version; `nil` when it cannot be asked. A version that
    ///     was accepted before is not asked for again.
    ///   - hasFeatures: Whether the feature store is attached; `nil`: a release that needs it is accepted anyhow.
    public init(
        files: [String: String],
        commit: CommitID,
        previous: AcceptedReleases,
        hasFeatures: Bool? = nil,
        knows: (ModelName, ModelVersion) -> Bool?
    ) {
        var accepted = AcceptedReleases()
        var refusals: [Refusal] = []
        for (path, text) in files.sorted(by: { $0.key < $1.key }) {
            let model = ReleaseFile.model(of: path)
            do {
                let release = try ReleaseFile.parse(text, path: path)
                let before = previous.entries[release.model]
                if before?.release == release {
                    accepted.entries[release.model] = before
                    continue
                }
                try release.checkFeatures(areThere: hasFeatures, before: before?.release, path: path)
                try Self.check(release, text: text, path: path, before: before?.release, knows: knows)
                accepted.entries[release.model] = .init(release: release, commit: commit)
            } catch {
                refusals.append(Refusal(path: path, model: model, reason: error.message, remedy: error.remedy))
                if let model, let before = previous.entries[model] { accepted.entries[model] = before }
            }
        }
        accepted.withdrawn = previous.withdrawn.union(previous.entries.keys).subtracting(accepted.entries.keys)
        self.accepted = accepted
        self.refusals = refusals
    }

    private static func check(
        _ release: Release,
        text: String,
        path: String,
        before: Release?,
        knows: (ModelName, ModelVersion) -> Bool?
    ) throws(PlatformError) {
        for version in release.namedVersions.sorted() where before?.namedVersions.contains(version) != true {
            switch knows(release.model, version) {
            case true?: continue
            case false?:
                throw PlatformError(
                    .notFound,
                    "\(path):\(ReleaseFile.line(naming: version, in: text)): version \(version) of '\(release.model)' is not in the registry",
                    remedy: "register it, or name a version that exists"
                )
            case nil:
                throw PlatformError(
                    .unavailable,
                    "\(path): the registry cannot be asked whether it has version \(version) of '\(release.model)'",
                    remedy: "it is tried again with the next reconcile"
                )
            }
        }
    }
}
