import HTTPTypes
import SlipwayCore
import SlipwayTracking

struct RegistryCalls: Sendable {
    let store: any TrackingStore

    var all: [TrackingCall] { models + modelReads + versions + versionReads + aliases }

    private var models: [TrackingCall] {
        [
            TrackingCall(.post, "registered-models/create") { parameters in
                let name = try parameters.modelName()
                let tags = try parameters.pairs("tags")
                try NameRules.check(registryTags: tags)
                let model = try await store.createRegisteredModel(name: name, description: try parameters.text("description") ?? "", tags: tags)
                return ["registered_model": TrackingJSON.registeredModel(model)]
            },
            TrackingCall(.patch, "registered-models/update") { parameters in
                let model = try await store.updateRegisteredModel(
                    name: try parameters.modelName(),
                    description: try parameters.text("description") ?? ""
                )
                return ["registered_model": TrackingJSON.registeredModel(model)]
            },
            TrackingCall(.post, "registered-models/rename") { parameters in
                let model = try await store.renameRegisteredModel(name: try parameters.modelName(), to: try parameters.modelName("new_name"))
                return ["registered_model": TrackingJSON.registeredModel(model)]
            },
            TrackingCall(.delete, "registered-models/delete") { parameters in
                try await store.deleteRegisteredModel(name: try parameters.modelName())
                return [:]
            },
            TrackingCall(.post, "registered-models/set-tag") { parameters in
                let name = try parameters.modelName()
                let (key, value) = (try parameters.required("key"), try parameters.text("value") ?? "")
                try NameRules.check(registryTags: [key: value])
                try await store.setRegisteredModelTag(name: name, key: key, value: value)
                return [:]
            },
            TrackingCall(.delete, "registered-models/delete-tag") { parameters in
                try await store.setRegisteredModelTag(name: try parameters.modelName(), key: try parameters.required("key"), value: nil)
                return [:]
            },
        ]
    }

    private var modelReads: [TrackingCall] {
        [
            TrackingCall(.get, "registered-models/get") { parameters in
                ["registered_model": TrackingJSON.registeredModel(try await store.registeredModel(name: try parameters.modelName()))]
            },
            TrackingCall(.get, "registered-models/search") { parameters in
                let search = try Search(
                    parameters,
                    defaultLimit: TrackingLimits.registrySearchDefault,
                    limitMax: TrackingLimits.registeredModelsMax,
                    words: .registeredModels
                )
                try SearchVocabulary.registeredModels.check(search)
                return try await store.searchRegisteredModels(search).json("registered_models", TrackingJSON.registeredModel)
            },
            TrackingCall(.get, "registered-models/get-latest-versions", latest),
            TrackingCall(.post, "registered-models/get-latest-versions", latest),
        ]
    }

    @Sendable private func latest(_ parameters: Parameters) async throws -> JSONValue {
        let stages = try parameters.texts("stages").map { try stage($0) }
        let model = try await store.registeredModel(name: try parameters.modelName())
        let versions = model.latestVersions.filter { stages.isEmpty || stages.contains($0.stage) }
        return ["model_versions": .array(versions.map(TrackingJSON.version))]
    }

    private var versions: [TrackingCall] {
        [
            TrackingCall(.post, "model-versions/create") { parameters in
                let name = try parameters.modelName()
                let tags = try parameters.pairs("tags")
                let isPrompt = tags["mlflow.prompt.is_prompt"]?.lowercased() == "true"
                let source = try await ModelVersionSource(store: store).resolve(
                    try parameters.required("source"),
                    runID: try parameters.text("run_id"),
                    modelID: try parameters.text("model_id"),
                    isPrompt: isPrompt
                )
                try NameRules.check(registryTags: tags)
                let draft = ModelVersionDraft(
                    name: name,
                    source: source.source,
                    runID: source.runID,
                    runLink: try parameters.text("run_link") ?? "",
                    description: try parameters.text("description") ?? "",
                    tags: tags,
                    modelID: source.modelID
                )
                return ["model_version": TrackingJSON.version(try await store.createModelVersion(draft))]
            },
            TrackingCall(.patch, "model-versions/update") { parameters in
                let version = try await store.updateModelVersion(
                    name: try parameters.modelName(),
                    version: try parameters.modelVersion(),
                    description: try parameters.text("description") ?? ""
                )
                return ["model_version": TrackingJSON.version(version)]
            },
            TrackingCall(.post, "model-versions/transition-stage") { parameters in
                let stage = try stage(try parameters.required("stage"))
                let archives = parameters.bool("archive_existing_versions") ?? false
                guard !archives || stage == "Staging" || stage == "Production" else {
                    throw PlatformError(
                        .invalidArgument,
                        "Model version transition cannot archive existing model versions because '\(stage)' is not an Active stage. "
                            + "Valid stages are ['Staging', 'Production']"
                    )
                }
                let version = try await store.transitionModelVersion(
                    name: try parameters.modelName(),
                    version: try parameters.modelVersion(),
                    stage: stage,
                    archivesExisting: archives
                )
                return ["model_version": TrackingJSON.version(version)]
            },
            TrackingCall(.delete, "model-versions/delete") { parameters in
                try await store.deleteModelVersion(name: try parameters.modelName(), version: try parameters.modelVersion())
                return [:]
            },
            TrackingCall(.post, "model-versions/set-tag") { parameters in
                let (key, value) = (try parameters.required("key"), try parameters.text("value") ?? "")
                try NameRules.check(registryTags: [key: value])
                try await store.setModelVersionTag(
                    name: try parameters.modelName(),
                    version: try parameters.modelVersion(),
                    key: key,
                    value: value
                )
                return [:]
            },
            TrackingCall(.delete, "model-versions/delete-tag") { parameters in
                try await store.setModelVersionTag(
                    name: try parameters.modelName(),
                    version: try parameters.modelVersion(),
                    key: try parameters.required("key"),
                    value: nil
                )
                return [:]
            },
        ]
    }

    private func stage(_ text: String) throws(PlatformError) -> String {
        let stages = ["None", "Staging", "Production", "Archived"]
        guard let stage = stages.first(where: { $0.lowercased() == text.lowercased() }) else {
            throw PlatformError(.invalidArgument, "Invalid Model Version stage: \(text). Value must be one of None, Staging, Production, Archived.")
        }
        return stage
    }

    private var versionReads: [TrackingCall] {
        [
            TrackingCall(.get, "model-versions/get") { parameters in
                let version = try await store.modelVersion(name: try parameters.modelName(), version: try parameters.modelVersion())
                return ["model_version": TrackingJSON.version(version)]
            },
            TrackingCall(.get, "model-versions/get-download-uri") { parameters in
                let version = try await store.modelVersion(name: try parameters.modelName(), version: try parameters.modelVersion())
                return ["artifact_uri": .string(version.storageLocation)]
            },
            TrackingCall(.get, "model-versions/search") { parameters in
                let search = try Search(parameters, defaultLimit: 10_000, limitMax: TrackingLimits.modelVersionsMax, words: .modelVersions)
                try SearchVocabulary.modelVersions.check(search)
                return try await store.searchModelVersions(search).json("model_versions", TrackingJSON.version)
            },
        ]
    }

    private var aliases: [TrackingCall] {
        [
            TrackingCall(.post, "registered-models/alias") { parameters in
                let alias = try parameters.required("alias")
                try NameRules.check(alias: alias)
                try await store.setAlias(name: try parameters.modelName(), alias: alias, version: try parameters.modelVersion())
                return [:]
            },
            TrackingCall(.delete, "registered-models/alias") { parameters in
                try await store.deleteAlias(name: try parameters.modelName(), alias: try parameters.required("alias"))
                return [:]
            },
            TrackingCall(.get, "registered-models/alias") { parameters in
                let version = try await store.modelVersion(name: try parameters.modelName(), alias: try parameters.required("alias"))
                return ["model_version": TrackingJSON.version(version)]
            },
        ]
    }
}

extension Parameters {
    func without(_ key: String) -> Parameters {
        filtered { $0 != key }
    }
}
