import Foundation
import SlipwayCore
import SlipwayInference
import SlipwayInferenceMessages

extension ModelControl {
    /// Triton's load: makes the versions that the policy chooses ready, each beside what serves.
    ///
    /// A version that is ready with the same configuration and file stays; one with another is replaced without
    /// a gap. Either every chosen version is ready afterwards, or none that this call would have added is.
    /// Versions that an earlier load by name added and the policy leaves out are unloaded; those that the
    /// platform loaded by number are the reconciler's alone.
    func load(model: String, _ request: LoadRequest) async throws {
        do {
            try Self.checkName(model)
            if request.files.isEmpty, (try? ModelName(model)) != nil { try await repository.refresh(model) }
            guard (try? ModelName(model)) != nil, !request.files.isEmpty || repository.holds(model) else {
                throw PlatformError(
                    .unexpected,
                    "failed to load '\(model.prefix(200))', failed to poll from model repository",
                    remedy: "put the model into the repository as <model>/<version>/model.onnx"
                )
            }
            try await request.withFolder(model: model, in: repository) { folder in
                try await load(model: model, request, from: folder)
            }
        } catch {
            throw PlatformError.wrapping(error, doing: "load '\(model)'").failedLoad(of: model)
        }
    }

    /// What no folder's name can be is said so; other names are looked for.
    private static func checkName(_ model: String) throws(PlatformError) {
        let name = model.trimmingCharacters(in: .whitespacesAndNewlines)
        guard !name.isEmpty else { throw PlatformError(.invalidArgument, "Model name cannot be empty. Please enter a valid name to deploy.") }
        guard !name.contains("/"), name != "..", name != "." else {
            throw PlatformError(.invalidArgument, "model name must not contain path traversal characters")
        }
    }

    private func load(model: String, _ request: LoadRequest, from folder: ModelFolder) async throws {
        let config = try request.config ?? folder.config()
        let named = config.defaultModelFilename.isEmpty ? nil : config.defaultModelFilename
        let available = try folder.versions(filename: named, backends: backends)
        let chosen = try config.chosenVersions(of: available)
        guard !chosen.isEmpty else {
            throw PlatformError(
                .invalidArgument,
                "no version is available",
                remedy: "put at least one version, <version>/\(named ?? backends.first?.modelFilename ?? "model.onnx"), into the model's folder"
            )
        }
        var opened: [ModelVersion] = []
        var failures: [PlatformError] = []
        for version in chosen {
            let source = VersionSource(folder: folder, config: config, isOverride: !request.files.isEmpty, origin: .name)
            do {
                if try await load(version, of: model, from: source) == .opened { opened.append(version) }
            } catch {
                let failure = PlatformError.wrapping(error, doing: "load version \(version)")
                failures.append(PlatformError(
                    failure.code,
                    "version \(version) is at UNAVAILABLE state: \(failure.message)",
                    remedy: failure.remedy,
                    cause: failure
                ))
            }
        }
        if let failure = failures.first {
            for version in opened { try await unload(version, of: model) }
            let reasons = failures.map { "\($0.message);" }.joined(separator: " ")
            throw PlatformError(failure.code, PlatformError.failedVersions(of: model) + reasons, remedy: failure.remedy, cause: failure)
        }
        for version in versions(of: model, from: .name) where !chosen.contains(version) { try await unload(version, of: model) }
    }

    /// Unloads every version of the model; unknown models are fine, as with Triton.
    func unload(model: String) async throws {
        for entry in index() where entry.model == model { try await unload(entry.version, of: model) }
    }
}
