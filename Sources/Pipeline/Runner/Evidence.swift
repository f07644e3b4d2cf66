import SlipwayCore
import SlipwayTracking

/// What is kept with a version so that it can be judged again later and elsewhere: artifacts of its MLflow
/// run under `slipway/`, named with their digests in the version's tags.
struct Evidence: Sendable {
    static let golden = "golden.json"
    static let holdout = "holdout.csv"
    static let profile = "profile.json"
    static let pipeline = "pipeline.yaml"

    static let digestsTag = "slipway.evidence"
    static let runTag = "slipway.evidence-run"

    /// The MLflow run that holds the files.
    let trackingRun: String
    let digests: [String: Digest]

    init(trackingRun: String, digests: [String: Digest]) {
        self.trackingRun = trackingRun
        self.digests = digests
    }

    /// Empty when the version has none.
    init(tags: [String: String]) throws(PlatformError) {
        trackingRun = tags[Self.runTag] ?? ""
        digests = try Self.digests(tags[Self.digestsTag] ?? "{}")
    }

    var tags: [String: String] {
        [Self.runTag: trackingRun, Self.digestsTag: Self.text(digests)]
    }

    func download(_ name: String, from registry: any ModelRegistry, toFile file: String) async throws {
        guard let expected = digests[name] else {
            throw PlatformError(.notFound, "the version was registered without '\(name)'")
        }
        let found = try await registry.downloadArtifact(Self.path(name), ofRun: trackingRun, toFile: file)
        guard found == expected else {
            throw PlatformError(
                .corrupt,
                "'\(name)' of the version has digest \(found), its tag says \(expected)"
            )
        }
    }

    static func path(_ name: String) -> String { "slipway/\(name)" }

    /// A tag's text: canonical JSON of path → digest.
    static func text(_ digests: [String: Digest]) -> String {
        JSONValue.object(digests.mapValues { .string($0.text) }).canonicalText
    }

    static func digests(_ text: String) throws(PlatformError) -> [String: Digest] {
        var digests: [String: Digest] = [:]
        for (path, value) in try JSONValue(parsing: text).objectValue ?? [:] {
            digests[path] = try Digest(value.stringValue ?? "")
        }
        return digests
    }
}
