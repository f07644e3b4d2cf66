import Foundation
public import SlipwayCore
import SlipwayPipeline
import SlipwayRelease
import SlipwayTracking

extension PipelineEngine {
    /// Accepts the promotion of what serves `model` in another environment.
    ///
    /// The version comes with its artifacts, whose digests must be those of its tag, and with the golden
    /// inputs, the holdout and the policy that it was registered with; it then takes the same road as a
    /// trained one.
    ///
    /// - Throws: `not_found` when nothing serves there, `failed_precondition` when a rollout is under way
    ///   there or the version was not registered by a run.
    public func promote(model: ModelName, from environment: EnvironmentName) async throws -> RunID {
        guard environment != settings.environment else {
            throw PlatformError(
                .invalidArgument,
                "'\(model)' cannot be promoted from '\(environment)' to itself"
            )
        }
        let origin = try await ports.origins.origin(environment)
        let version = try await servingVersion(model, environment, origin)
        let registered = try await origin.registry.version(version, of: model)
        let evidence = try Evidence(tags: registered.tags)
        guard registered.tags[VersionTag.digests] != nil, evidence.digests[Evidence.pipeline] != nil else {
            throw PlatformError(
                .failedPrecondition,
                "version \(version) of '\(model)' in '\(environment)' was not registered by a run",
                remedy: "promote a version that 'slipway run' has made"
            )
        }
        let now = ports.wallClock.now
        let id = try settings.newRunID(now)
        let folder = RunFolder(id, in: settings.runsFolder)
        try folder.make()
        for name in evidence.digests.keys.sorted() {
            try await evidence.download(
                name,
                from: origin.registry,
                toFile: try folder.newFile(.evidence, name)
            )
        }
        let text = String(
            decoding: try folder.read(.evidence, Evidence.pipeline, bytesMax: Limits.yamlBytesMax),
            as: UTF8.self
        )
        let spec = try PipelineSpec(yaml: text)
        guard spec.name == model, spec.until == nil else {
            throw PlatformError(
                .failedPrecondition,
                "the policy kept with version \(version) is not one for releasing '\(model)'"
            )
        }
        var record = RunRecord(
            id: id,
            model: model,
            project: "",
            projectCommit: registered.tags[VersionTag.commit],
            parameters: [:],
            created: now,
            steps: spec.stepRecords(isPromotion: true)
        )
        record.pipeline = text
        record.promotion = PromotionSource(environment: environment, version: version)
        try await accept(record)
        return id
    }

    private func servingVersion(
        _ model: ModelName,
        _ environment: EnvironmentName,
        _ origin: PromotionOrigin
    ) async throws -> ModelVersion {
        let path = ReleaseFile.path(of: model, in: environment)
        let head = try await origin.repository.head()
        guard let text = try await origin.repository.file(path, at: head) else {
            throw PlatformError(
                .notFound,
                "nothing serves '\(model)' in '\(environment)'",
                remedy: "release a version there first"
            )
        }
        let release = try ReleaseFile.parse(text, path: path)
        guard release.variants.count(where: { $0.weight != .zero }) == 1 else {
            throw PlatformError(
                .failedPrecondition,
                "a rollout of '\(model)' is under way in '\(environment)'",
                remedy: "promote when one version has all the traffic"
            )
        }
        return release.champion.version
    }
}
