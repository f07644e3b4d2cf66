import HTTPTypes
import SlipwayCore
import SlipwayTracking

struct RegistryCalls: Sendable {
    let store: any RegistryStore

    var all: [TrackingCall] { models + modelReads + versions + versionReads + aliases }

    private var models: [TrackingCall] {
        [
            TrackingCall(.post, "registered-models/create") { parameters in
                let name = try parameters.required("name")
                guard !name.contains("/"), !name.contains(":") else {
                    throw PlatformError(.invalidArgument, "Invalid value '\(name.prefix(200))' for parameter 'name' supplied: Registered model name cannot contain '/' or ':'.")
                }
                let model = try await store.createRegisteredModel(
                    name: name,
                    description: try parameters.text("description") ?? "",
                    tags: try parameters.pairs("tags")
                )
                return ["registered_model": TrackingJSON.registeredModel(model)]
            },
            TrackingCall(.patch, "registered-models/update") { parameters in
                let model = try await store.updateRegisteredModel(
                    name: try parameters.required("name"),
                    description: try parameters.text("description") ?? ""
                )
                return ["registered_model": TrackingJSON.registeredModel(model)]
            },
            TrackingCall(.post, "registered-models/rename") { parameters in
                let model = try await store.renameRegisteredModel(name: try parameters.required("name"), to: try parameters.required("new_name"))
                return ["registered_model": TrackingJSON.registeredModel(model)]
            },
            TrackingCall(.delete, "registered-models/delete") { parameters in
                try await store.deleteRegisteredModel(name: try parameters.required("name"))
                return [:]
            },
            TrackingCall(.post, "registered-models/set-tag") { parameters in
                let name = try parameters.required("name")
                try await store.setRegisteredModelTag(name: name, key: try parameters.required("key"), value: try parameters.text("value") ?? "")
                return [:]
            },
            TrackingCall(.delete, "registered-models/delete-tag") { parameters in
                try await store.setRegisteredModelTag(name: try parameters.required("name"), key: try parameters.required("key"), value: nil)
                return [:]
            },
        ]
    }

    private var modelReads: [TrackingCall] {
        [
            TrackingCall(.get, "registered-models/get") { parameters in
                ["registered_model": TrackingJSON.registeredModel(try await store.registeredModel(name: try parameters.required("name")))]
            },
            TrackingCall(.get, "registered-models/search") { parameters in
                try await store.searchRegisteredModels(try Search(parameters, defaultLimit: TrackingLimits.registrySearchDefault))
                    .json("registered_models", TrackingJSON.registeredModel)
            },
            TrackingCall(.get, "registered-models/get-latest-versions", latest),
            TrackingCall(.post, "registered-models/get-latest-versions", latest),
        ]
    }

    @Sendable private func latest(_ parameters: Parameters) async throws -> JSONValue {
        let stages = try parameters.texts("stages")
        let model = try await store.registeredModel(name: try parameters.required("name"))
        let versions = model.latestVersions.filter { stages.isEmpty || stages.contains($0.stage) }
        return ["model_versions": .array(versions.map(TrackingJSON.version))]
    }

    private var versions: [TrackingCall] {
        [
            TrackingCall(.post, "model-versions/create") { parameters in
                let draft = ModelVersionDraft(
                    name: try parameters.required("name"),
                    source: try parameters.required("source"),
                    runID: try parameters.text("run_id") ?? "",
                    runLink: try parameters.text("run_link") ?? "",
                    description: try parameters.text("description") ?? "",
                    tags: try parameters.pairs("tags"),
                    modelID: try parameters.text("model_id").flatMap { $0.isEmpty ? nil : $0 }
                )
                return ["model_version": TrackingJSON.version(try await store.createModelVersion(draft))]
            },
            TrackingCall(.patch, "model-versions/update") { parameters in
                let version = try await store.updateModelVersion(
                    name: try parameters.required("name"),
                    version: try parameters.required("version"),
                    description: try parameters.text("description") ?? ""
                )
                return ["model_version": TrackingJSON.version(version)]
            },
            TrackingCall(.post, "model-versions/transition-stage") { parameters in
                let version = try await store.transitionModelVersion(
                    name: try parameters.required("name"),
                    version: try parameters.required("version"),
                    stage: try stage(try parameters.required("stage")),
                    archivesExisting: parameters.bool("archive_existing_versions") ?? false
                )
                return ["model_version": TrackingJSON.version(version)]
            },
            TrackingCall(.delete, "model-versions/delete") { parameters in
                try await store.deleteModelVersion(name: try parameters.required("name"), version: try parameters.required("version"))
                return [:]
            },
            TrackingCall(.post, "model-versions/set-tag") { parameters in
                try await store.setModelVersionTag(
                    name: try parameters.required("name"),
                    version: try parameters.required("version"),
                    key: try parameters.required("key"),
                    value: try parameters.text("value") ?? ""
                )
                return [:]
            },
            TrackingCall(.delete, "model-versions/delete-tag") { parameters in
                try await store.setModelVersionTag(
                    name: try parameters.required("name"),
                    version: try parameters.required("version"),
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
                let version = try await store.modelVersion(name: try parameters.required("name"), version: try parameters.required("version"))
                return ["model_version": TrackingJSON.version(version)]
            },
            TrackingCall(.get, "model-versions/get-download-uri") { parameters in
                let version = try await store.modelVersion(name: try parameters.required("name"), version: try parameters.required("version"))
                return ["artifact_uri": .string(version.storageLocation)]
            },
            TrackingCall(.get, "model-versions/search") { parameters in
                try await store.searchModelVersions(try Search(parameters, defaultLimit: 10_000))
                    .json("model_versions", TrackingJSON.version)
            },
        ]
    }

    private var aliases: [TrackingCall] {
        [
            TrackingCall(.post, "registered-models/alias") { parameters in
                let alias = try parameters.required("alias")
                try Self.check(alias: alias)
                try await store.setAlias(name: try parameters.required("name"), alias: alias, version: try parameters.required("version"))
                return [:]
            },
            TrackingCall(.delete, "registered-models/alias") { parameters in
                try await store.deleteAlias(name: try parameters.required("name"), alias: try parameters.required("alias"))
                return [:]
            },
            TrackingCall(.get, "registered-models/alias") { parameters in
                let version = try await store.modelVersion(name: try parameters.required("name"), alias: try parameters.required("alias"))
                return ["model_version": TrackingJSON.version(version)]
            },
        ]
    }

    private static func check(alias: String) throws(PlatformError) {
        guard alias.utf8.allSatisfy({ byte in
            byte == UInt8(ascii: "-") || byte == UInt8(ascii: "_") || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
                || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte) || (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte)
        }) else {
            throw PlatformError(.invalidArgument, "Invalid alias name: '\(alias.prefix(200))'. Names may only contain alphanumerics, underscores (_), and dashes (-).")
        }
        guard alias.lowercased() != "latest" else {
            throw PlatformError(.invalidArgument, "'latest' alias name (case insensitive) is reserved.")
        }
        guard alias.first?.lowercased() != "v" || Int(alias.dropFirst()) == nil else {
            throw PlatformError(.invalidArgument, "Version alias name '\(alias)' is reserved.")
        }
    }
}

extension Parameters {
    func without(_ key: String) -> Parameters {
        filtered { $0 != key }
    }
}
