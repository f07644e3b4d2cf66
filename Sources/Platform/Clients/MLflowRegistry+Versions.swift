import NIOHTTP1
public import SlipwayCore
public import SlipwayTracking

extension MLflowRegistry {
    private static let versionsPerPage = 1_000

    public func createVersion(
        of model: ModelName,
        source: String,
        runID: String,
        tags: [String: String]
    ) async throws -> RegisteredVersion {
        try await makeModel(model)
        // A version of this source with these tags is an earlier call's, whose answer was lost.
        let made = try await candidates(of: model, tags: tags).last { version in
            version.source == source && (version.runID ?? "") == runID && tags.allSatisfy { version.tags[$0.key] == $0.value }
        }
        if let made { return made }
        return try await makeVersion(of: model, source: source, runID: runID, tags: tags, description: "")
    }

    public func version(_ version: ModelVersion, of model: ModelName) async throws -> RegisteredVersion {
        let doing = "read version \(version) of '\(model)'"
        let answer = try await wire.get("model-versions/get", [("name", model.text), ("version", "\(version)")], doing: doing)
        return try Self.version(answer["model_version"], of: model, doing: doing)
    }

    public func versions(of model: ModelName) async throws -> [RegisteredVersion] {
        try await versions(of: model, filter: "")
    }

    public func versions(of model: ModelName, tag: String, value: String) async throws -> [RegisteredVersion] {
        guard Self.isPlain(tag), Self.isPlain(value) else {
            return try await versions(of: model).filter { $0.tags[tag] == value }
        }
        return try await versions(of: model, filter: " and tags.`\(tag)` = '\(value)'")
    }

    /// Versions that an earlier call with these tags may have made: those of the same run, if it has one.
    private func candidates(of model: ModelName, tags: [String: String]) async throws -> [RegisteredVersion] {
        guard let run = tags[VersionTag.run] else { return try await versions(of: model) }
        return try await versions(of: model, tag: VersionTag.run, value: run)
    }

    /// Whether a filter can hold the text without quoting it.
    private static func isPlain(_ text: String) -> Bool {
        text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && ![UInt8(ascii: "'"), UInt8(ascii: "`"), UInt8(ascii: "\"")].contains($0) }
    }

    /// - Parameter filter: What follows the model's name, beginning with ` and `.
    private func versions(of model: ModelName, filter: String) async throws -> [RegisteredVersion] {
        let doing = "list versions of '\(model)'"
        var versions: [RegisteredVersion] = []
        var token = ""
        for _ in 0..<ClientLimits.pagesMax {
            // A model's name holds no quote.
            var query = [("filter", "name='\(model)'\(filter)"), ("max_results", "\(Self.versionsPerPage)")]
            if !token.isEmpty { query.append(("page_token", token)) }
            let page = try await wire.get("model-versions/search", query, doing: doing)
            for item in page["model_versions"]?.arrayValue ?? [] { versions.append(try Self.version(item, of: model, doing: doing)) }
            token = page["next_page_token"]?.stringValue ?? ""
            guard !token.isEmpty else { return versions.sorted { $0.version < $1.version } }
        }
        throw PlatformError(.exhausted, "model '\(model)' has more than \(ClientLimits.pagesMax * Self.versionsPerPage) versions")
    }

    public func setVersionTags(_ tags: [String: String], version: ModelVersion, of model: ModelName) async throws {
        for (key, value) in tags.sorted(by: { $0.key < $1.key }) {
            _ = try await wire.send(
                .POST, "model-versions/set-tag",
                ["name": .string(model.text), "version": .string("\(version)"), "key": .string(key), "value": .string(value)],
                doing: "tag version \(version) of '\(model)'"
            )
        }
    }

    /// Aliases that are no ``Alias``, which MLflow allows, are left out: a release cannot name them.
    public func aliases(of model: ModelName) async throws -> [Alias: ModelVersion] {
        let answer: JSONValue
        do {
            answer = try await wire.get("registered-models/get", [("name", model.text)], doing: "read the aliases of '\(model)'")
        } catch let error as PlatformError where error.code == .notFound {
            return [:]
        }
        var aliases: [Alias: ModelVersion] = [:]
        for item in answer["registered_model"]?["aliases"]?.arrayValue ?? [] {
            guard let name = item["alias"]?.stringValue, let alias = try? Alias(name) else { continue }
            aliases[alias] = try ModelVersion(item["version"]?.stringValue ?? "")
        }
        return aliases
    }

    public func setAlias(_ alias: Alias, to version: ModelVersion, of model: ModelName) async throws {
        _ = try await wire.send(
            .POST, "registered-models/alias",
            ["name": .string(model.text), "alias": .string(alias.text), "version": .string("\(version)")],
            headers: changeHeaders,
            doing: "point alias '\(alias)' of '\(model)' at version \(version)"
        )
    }

    public func removeAlias(_ alias: Alias, of model: ModelName) async throws {
        do {
            _ = try await wire.send(
                .DELETE, "registered-models/alias",
                ["name": .string(model.text), "alias": .string(alias.text)],
                headers: changeHeaders,
                doing: "remove alias '\(alias)' of '\(model)'"
            )
        } catch let error as PlatformError where error.code == .notFound || error.code == .invalidArgument {
            // Servers differ in what they say about an alias that is not there; that it is not is enough.
            guard try await aliases(of: model)[alias] == nil else { throw error }
        }
    }

    public func importVersion(
        of model: ModelName,
        files: [String: String],
        tags: [String: String],
        description: String
    ) async throws -> RegisteredVersion {
        guard !files.isEmpty else { throw PlatformError(.invalidArgument, "a version of '\(model)' cannot be made of no files") }
        for path in files.keys { try Self.checkPath(path) }
        try await makeModel(model)
        let made = try await candidates(of: model, tags: tags).last { version in
            !tags.isEmpty && tags.allSatisfy { version.tags[$0.key] == $0.value }
        }
        if let made { return made }
        let id = try await makeLoggedModel(of: model, files: files, tags: tags)
        return try await makeVersion(of: model, source: "models:/\(id)", runID: "", tags: tags, description: description)
    }

    /// A logged model with these files. A call that is broken off leaves one behind that nothing names.
    private func makeLoggedModel(of model: ModelName, files: [String: String], tags: [String: String]) async throws -> String {
        let doing = "copy a version of '\(model)'"
        let made = try await wire.send(
            .POST, "logged-models",
            ["experiment_id": .string(try await experimentID(Self.importExperiment)), "name": .string(model.text), "tags": .pairs(tags)],
            doing: doing
        )
        let info = made["model"]?["info"] ?? .null
        let id = try info.text("model_id", doing: doing)
        let root = try artifactRoot(try info.text("artifact_uri", doing: doing))
        for (path, file) in files.sorted(by: { $0.key < $1.key }) {
            try await wire.upload(try FileChunks(file: file), to: "\(root)/\(path)", doing: "store '\(path)' of a version of '\(model)'")
        }
        _ = try await wire.send(
            .PATCH, "logged-models/\(id.urlEncoded)",
            ["model_id": .string(id), "status": "LOGGED_MODEL_READY"],
            doing: doing
        )
        return id
    }

    private func makeModel(_ model: ModelName) async throws {
        do {
            _ = try await wire.send(.POST, "registered-models/create", ["name": .string(model.text)], doing: "make model '\(model)'")
        } catch let error as PlatformError where error.code == .alreadyExists {
            return
        }
    }

    private func makeVersion(
        of model: ModelName,
        source: String,
        runID: String,
        tags: [String: String],
        description: String
    ) async throws -> RegisteredVersion {
        let doing = "make a version of '\(model)'"
        var body: [String: JSONValue] = [
            "name": .string(model.text), "source": .string(source), "tags": .pairs(tags), "description": .string(description),
        ]
        if !runID.isEmpty { body["run_id"] = .string(runID) }
        if let id = Self.loggedModel(source) { body["model_id"] = .string(id) }
        let answer = try await wire.send(.POST, "model-versions/create", .object(body), doing: doing)
        return try Self.version(answer["model_version"], of: model, doing: doing)
    }

    /// The id in `models:/m-…`; `nil` for other sources, `models:/<name>/<version>` among them.
    static func loggedModel(_ source: String) -> String? {
        guard source.hasPrefix("models:/m-"), !source.dropFirst("models:/".count).contains("/") else { return nil }
        return String(source.dropFirst("models:/".count))
    }

    private static func version(_ json: JSONValue?, of model: ModelName, doing: String) throws(PlatformError) -> RegisteredVersion {
        let json = json ?? .null
        return RegisteredVersion(
            model: model,
            version: try ModelVersion(try json.text("version", doing: doing)),
            source: json["source"]?.stringValue ?? "",
            runID: json["run_id"]?.stringValue.flatMap { $0.isEmpty ? nil : $0 },
            tags: json["tags"]?.pairs ?? [:],
            created: Timestamp(milliseconds: json["creation_timestamp"]?.intValue ?? 0)
        )
    }
}
