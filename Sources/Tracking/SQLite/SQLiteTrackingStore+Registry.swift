import GRDB
import SlipwayCore
public import SlipwayTracking

extension SQLiteTrackingStore {
    public func createRegisteredModel(name: String, description: String, tags: [String: String]) async throws -> RegisteredModel {
        let now = clock.now.milliseconds
        return try await write { db in
            guard try Self.modelRow(db, name) == nil else {
                throw PlatformError(.alreadyExists, "Registered Model (name=\(name)) already exists.")
            }
            try db.cachedStatement(sql: "INSERT INTO registeredModel (name, description, created, updated) VALUES (?, ?, ?, ?)").execute(arguments: [name, description, now, now])
            try db.setKeyed("registeredModelTag", "model", db.lastInsertedRowID, tags)
            return try Self.model(db, name)
        }
    }

    public func registeredModel(name: String) async throws -> RegisteredModel {
        try await read { try Self.model($0, name) }
    }

    public func updateRegisteredModel(name: String, description: String) async throws -> RegisteredModel {
        let now = clock.now.milliseconds
        return try await write { db in
            let id = try Self.modelID(db, name)
            try db.cachedStatement(sql: "UPDATE registeredModel SET description = ?, updated = ? WHERE id = ?").execute(arguments: [description, now, id])
            return try Self.model(db, name)
        }
    }

    public func renameRegisteredModel(name: String, to newName: String) async throws -> RegisteredModel {
        let now = clock.now.milliseconds
        let origin = ChangeOrigin.current
        return try await write { db in
            let id = try Self.modelID(db, name)
            guard try Self.modelRow(db, newName) == nil else {
                throw PlatformError(.alreadyExists, "Registered Model (name=\(newName)) already exists. Error: another model has this name")
            }
            try renameAliases(db, model: (id, name), to: newName, origin: origin)
            try db.cachedStatement(sql: "UPDATE registeredModel SET name = ?, updated = ? WHERE id = ?").execute(arguments: [newName, now, id])
            return try Self.model(db, newName)
        }
    }

    public func deleteRegisteredModel(name: String) async throws {
        let origin = ChangeOrigin.current
        try await write { db in
            let id = try Self.modelID(db, name)
            try removeAliases(db, model: (id, name), origin: origin, why: "model deleted")
            try db.cachedStatement(sql: "DELETE FROM registeredModel WHERE id = ?").execute(arguments: [id])
        }
    }

    public func setRegisteredModelTag(name: String, key: String, value: String?) async throws {
        try await write { db in
            let id = try Self.modelID(db, name)
            if let value { return try db.setKeyed("registeredModelTag", "model", id, [key: value]) }
            try db.cachedStatement(sql: "DELETE FROM registeredModelTag WHERE model = ? AND key = ?").execute(arguments: [id, key])
        }
    }

    public func searchRegisteredModels(_ search: Search) async throws -> Page<RegisteredModel> {
        try await scan { db in
            var sql = SearchSQL(Self.modelTarget)
            try sql.add(search.filter)
            try sql.add(search.order, fallback: [.ascending("registeredModel.name")])
            return try db.page(sql, search) { db, rows in try rows.map { try Self.model(db, $0) } }
        }
    }

    public func createModelVersion(_ draft: ModelVersionDraft) async throws -> ModelVersionRecord {
        let now = clock.now.milliseconds
        return try await write { db in
            let model = try Self.modelID(db, draft.name)
            let (location, loggedModel) = try Self.resolve(db, draft)
            // Numbers of deleted versions are not given out again.
            let version = (try Int64.fetchOne(try db.cachedStatement(sql: "SELECT max(version) FROM modelVersion WHERE model = ?"), arguments: [model]) ?? 0) + 1
            try db.cachedStatement(sql: """
                    INSERT INTO modelVersion (model, version, created, updated, description, user, stage, source,
                      storageLocation, runID, runLink, status, loggedModel)
                    VALUES (?, ?, ?, ?, ?, '', 'None', ?, ?, ?, ?, 'READY', ?)
                    """).execute(arguments: [
                    model, version, now, now, draft.description, draft.source, location, draft.runID, draft.runLink, loggedModel,
                ])
            try db.setKeyed("modelVersionTag", "version", db.lastInsertedRowID, draft.tags)
            try db.cachedStatement(sql: "UPDATE registeredModel SET updated = ? WHERE id = ?").execute(arguments: [now, model])
            return try Self.version(db, draft.name, "\(version)")
        }
    }

    public func modelVersion(name: String, version: String) async throws -> ModelVersionRecord {
        try await read { try Self.version($0, name, version) }
    }

    public func updateModelVersion(name: String, version: String, description: String) async throws -> ModelVersionRecord {
        let now = clock.now.milliseconds
        return try await write { db in
            let id: Int64 = try Self.versionRow(db, name, version)["id"]
            try db.cachedStatement(sql: "UPDATE modelVersion SET description = ?, updated = ? WHERE id = ?").execute(arguments: [description, now, id])
            return try Self.version(db, name, version)
        }
    }

    public func transitionModelVersion(
        name: String,
        version: String,
        stage: String,
        archivesExisting: Bool
    ) async throws -> ModelVersionRecord {
        let now = clock.now.milliseconds
        return try await write { db in
            let row = try Self.versionRow(db, name, version)
            if archivesExisting {
                try db.cachedStatement(sql: "UPDATE modelVersion SET stage = 'Archived', updated = ? WHERE model = ? AND stage = ? AND version <> ?").execute(arguments: [now, row["model"] as Int64, stage, row["version"] as Int64])
            }
            try db.cachedStatement(sql: "UPDATE modelVersion SET stage = ?, updated = ? WHERE id = ?").execute(arguments: [stage, now, row["id"] as Int64])
            return try Self.version(db, name, version)
        }
    }

    public func deleteModelVersion(name: String, version: String) async throws {
        let origin = ChangeOrigin.current
        try await write { db in
            let row = try Self.versionRow(db, name, version)
            let arguments: StatementArguments = [row["model"] as Int64, row["version"] as Int64]
            try removeAliases(db, model: (row["model"], name), version: row["version"], origin: origin, why: "version \(row["version"] as Int64) deleted")
            try db.cachedStatement(sql: "UPDATE modelVersion SET isDeleted = 1 WHERE model = ? AND version = ?").execute(arguments: arguments)
        }
    }

    public func setModelVersionTag(name: String, version: String, key: String, value: String?) async throws {
        try await write { db in
            let id: Int64 = try Self.versionRow(db, name, version)["id"]
            if let value { return try db.setKeyed("modelVersionTag", "version", id, [key: value]) }
            try db.cachedStatement(sql: "DELETE FROM modelVersionTag WHERE version = ? AND key = ?").execute(arguments: [id, key])
        }
    }

    public func searchModelVersions(_ search: Search) async throws -> Page<ModelVersionRecord> {
        try await scan { db in
            var sql = SearchSQL(Self.versionTarget)
            sql.add("modelVersion.isDeleted = 0")
            try sql.add(search.filter)
            let fallback: [SearchOrder] = [.ascending(Self.modelNameColumn), .descending("modelVersion.version")]
            try sql.add(search.order, fallback: (search.order.isEmpty ? [.descending("modelVersion.updated")] : []) + fallback)
            return try db.page(sql, search) { db, rows in try rows.map { try Self.version(db, $0) } }
        }
    }

    public func setAlias(name: String, alias: String, version: String) async throws {
        let origin = ChangeOrigin.current
        try await write { db in
            let row = try Self.versionRow(db, name, version)
            try moveAlias(db, model: (row["model"], name), alias: alias, to: row["version"], origin: origin)
        }
    }

    public func deleteAlias(name: String, alias: String) async throws {
        let origin = ChangeOrigin.current
        try await write { db in
            try moveAlias(db, model: (try Self.modelID(db, name), name), alias: alias, to: nil, origin: origin)
        }
    }

    public func modelVersion(name: String, alias: String) async throws -> ModelVersionRecord {
        try await readVersion(by: AliasCache.Key(model: name, alias: alias)) { db in
            let model = try Self.modelID(db, name)
            let version = try Int64.fetchOne(try db.cachedStatement(sql: "SELECT version FROM alias WHERE model = ? AND alias = ?"), arguments: [model, alias])
            guard let version else { throw PlatformError(.invalidArgument, "Registered model alias \(alias) not found.") }
            return try Self.version(db, name, "\(version)")
        }
    }

    // MARK: Rows

    static let modelTarget = SearchTarget(
        table: "registeredModel",
        attributes: [
            "name": "registeredModel.name", "creation_timestamp": "registeredModel.created",
            "last_updated_timestamp": "registeredModel.updated", "timestamp": "registeredModel.updated",
        ],
        numbers: ["creation_timestamp", "last_updated_timestamp", "timestamp"],
        keyed: [.tag: .init(table: "registeredModelTag", owner: "model", column: "registeredModel.id")],
        name: "registered models"
    )

    private static let modelNameColumn = "(SELECT name FROM registeredModel WHERE id = modelVersion.model)"

    static let versionTarget = SearchTarget(
        table: "modelVersion",
        attributes: [
            "name": modelNameColumn, "version_number": "modelVersion.version",
            "version": "modelVersion.version", "run_id": "modelVersion.runID", "source_path": "modelVersion.source",
            "source": "modelVersion.source", "creation_timestamp": "modelVersion.created",
            "last_updated_timestamp": "modelVersion.updated", "current_stage": "modelVersion.stage",
            "stage": "modelVersion.stage", "status": "modelVersion.status",
        ],
        numbers: ["version_number", "version", "creation_timestamp", "last_updated_timestamp"],
        keyed: [.tag: .init(table: "modelVersionTag", owner: "version", column: "modelVersion.id")],
        name: "model versions",
        lookups: ["name": "modelVersion.model = (SELECT id FROM registeredModel WHERE name = ?)"]
    )

    /// What `source` means: where the artifacts are, and the logged model if it names one.
    ///
    /// `runs:/<run>/<path>` is the logged model of that name among the run's outputs, or else the path
    /// among the run's artifacts.
    private static func resolve(_ db: Database, _ draft: ModelVersionDraft) throws -> (location: String, model: String?) {
        if let id = draft.modelID { return (try loggedModel(db, id: id).artifactURI, id) }
        if draft.source.hasPrefix("models:/m-") {
            let id = String(draft.source.dropFirst("models:/".count))
            return (try loggedModel(db, id: id).artifactURI, id)
        }
        if draft.source.hasPrefix("models:/") {
            // Another version: what it is made of.
            let parts = draft.source.dropFirst("models:/".count).split(separator: "/").map(String.init)
            guard parts.count == 2 else { return (draft.source, nil) }
            let other = try version(db, parts[0], parts[1])
            return (other.storageLocation, other.modelID)
        }
        guard draft.source.hasPrefix("runs:/") else { return (draft.source, nil) }
        let parts = draft.source.dropFirst("runs:/".count).split(separator: "/", maxSplits: 1)
        guard let runID = parts.first.map(String.init) else { return (draft.source, nil) }
        let path = parts.count > 1 ? String(parts[1]) : ""
        let model = try String.fetchOne(
            try db.cachedStatement(sql: "SELECT id FROM loggedModel WHERE sourceRun = ? AND name = ? AND stage = 'active' ORDER BY created DESC LIMIT 1"),
            arguments: [runID, path]
        )
        if let model { return (try loggedModel(db, id: model).artifactURI, model) }
        return ("\(try row(db, id: runID)["artifactURI"] as String)/\(path)", nil)
    }

    private static func modelRow(_ db: Database, _ name: String) throws -> Row? {
        try Row.fetchOne(try db.cachedStatement(sql: "SELECT * FROM registeredModel WHERE name = ?"), arguments: [name])
    }

    private static func modelID(_ db: Database, _ name: String) throws -> Int64 {
        guard let row = try modelRow(db, name) else {
            throw PlatformError(.notFound, "Registered Model with name=\(name) not found")
        }
        return row["id"]
    }

    private static func model(_ db: Database, _ name: String) throws -> RegisteredModel {
        guard let row = try modelRow(db, name) else {
            throw PlatformError(.notFound, "Registered Model with name=\(name) not found")
        }
        return try model(db, row)
    }

    private static func model(_ db: Database, _ row: Row) throws -> RegisteredModel {
        let id: Int64 = row["id"]
        let aliases = try Row.fetchAll(try db.cachedStatement(sql: "SELECT alias, version FROM alias WHERE model = ?"), arguments: [id])
        let latest = try Row.fetchAll(
            try db.cachedStatement(
                sql: """
                    SELECT *, max(version), (
                      SELECT min(o.version) FROM modelVersion o WHERE o.model = m.model AND o.stage = m.stage AND o.isDeleted = 0
                    ) AS oldest FROM modelVersion m WHERE model = ? AND isDeleted = 0 GROUP BY stage
                    """
            ),
            arguments: [id]
        ).sorted { ($0["oldest"] as Int64) < ($1["oldest"] as Int64) }
        return RegisteredModel(
            name: row["name"],
            description: row["description"],
            created: Timestamp(milliseconds: row["created"]),
            updated: Timestamp(milliseconds: row["updated"]),
            tags: try db.keyed("registeredModelTag", "model", id),
            aliases: Dictionary(aliases.map { ($0["alias"], $0["version"]) }, uniquingKeysWith: { _, last in last }),
            latestVersions: try latest.map { try version(db, $0) }
        )
    }

    private static func versionRow(_ db: Database, _ name: String, _ version: String) throws -> Row {
        let model: Int64? = try modelRow(db, name).map { $0["id"] }
        let row = try Int64(version).flatMap { number in
            try Row.fetchOne(
                try db.cachedStatement(sql: "SELECT * FROM modelVersion WHERE model = ? AND version = ? AND isDeleted = 0"),
                arguments: [model, number]
            )
        }
        guard let row else {
            throw PlatformError(.notFound, "Model Version (name=\(name), version=\(version)) not found")
        }
        return row
    }

    private static func version(_ db: Database, _ name: String, _ version: String) throws -> ModelVersionRecord {
        try self.version(db, try versionRow(db, name, version))
    }

    private static func version(_ db: Database, _ row: Row) throws -> ModelVersionRecord {
        let model: Int64 = row["model"]
        let number: Int64 = row["version"]
        return ModelVersionRecord(
            name: try String.fetchOne(try db.cachedStatement(sql: "SELECT name FROM registeredModel WHERE id = ?"), arguments: [model]) ?? "",
            version: number,
            created: Timestamp(milliseconds: row["created"]),
            updated: Timestamp(milliseconds: row["updated"]),
            description: row["description"],
            user: row["user"],
            stage: row["stage"],
            source: row["source"],
            storageLocation: row["storageLocation"],
            runID: row["runID"],
            runLink: row["runLink"],
            status: row["status"],
            modelID: row["loggedModel"],
            tags: try db.keyed("modelVersionTag", "version", row["id"] as Int64),
            aliases: try String.fetchAll(try db.cachedStatement(sql: "SELECT alias FROM alias WHERE model = ? AND version = ? ORDER BY alias"), arguments: [model, number])
        )
    }
}
