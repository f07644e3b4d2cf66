import GRDB
import SlipwayCore
public import SlipwayTracking

/// The registry of an import: numbers are kept, and so are the gaps between them.
extension SQLiteTrackingStore {
    public func importRegisteredModel(_ model: RegisteredModel) async throws -> ImportOutcome {
        try await write { db in
            let before = db.totalChangesCount
            guard let row = try Row.fetchOne(try db.cachedStatement(sql: "SELECT * FROM registeredModel WHERE name = ?"), arguments: [model.name]) else {
                try db.cachedStatement(sql: "INSERT INTO registeredModel (name, description, created, updated) VALUES (?, ?, ?, ?)").execute(arguments: [model.name, model.description, model.created.milliseconds, model.updated.milliseconds])
                try db.layOver("registeredModelTag", "model", db.lastInsertedRowID, model.tags)
                return .copied
            }
            guard (row["created"] as Int64) == model.created.milliseconds else {
                return .refused("another model here has this name")
            }
            let id: Int64 = row["id"]
            try db.cachedStatement(sql: "UPDATE registeredModel SET description = ?2, updated = ?3 WHERE id = ?1 AND (description, updated) <> (?2, ?3)").execute(arguments: [id, model.description, model.updated.milliseconds])
            try db.layOver("registeredModelTag", "model", id, model.tags)
            return Self.outcome(isNew: false, db, before)
        }
    }

    public func importModelVersion(_ version: ModelVersionRecord) async throws -> ImportOutcome {
        try await write { db in
            guard let model = try Int64.fetchOne(try db.cachedStatement(sql: "SELECT id FROM registeredModel WHERE name = ?"), arguments: [version.name]) else {
                throw PlatformError(.notFound, "Registered Model with name=\(version.name) not found")
            }
            let known = try Row.fetchOne(
                try db.cachedStatement(sql: "SELECT * FROM modelVersion WHERE model = ? AND version = ?"),
                arguments: [model, version.version]
            )
            let before = db.totalChangesCount
            guard let known else {
                try Self.insert(db, version, model: model)
                return .copied
            }
            guard (known["created"] as Int64) == version.created.milliseconds, (known["runID"] as String) == version.runID else {
                return .refused("another version here has this number")
            }
            guard !(known["isDeleted"] as Bool) else { return .refused("it was deleted here") }
            let id: Int64 = known["id"]
            try db.cachedStatement(sql: """
                    UPDATE modelVersion SET updated = ?2, description = ?3, stage = ?4, status = ?5, storageLocation = ?6, loggedModel = ?7
                    WHERE id = ?1 AND (updated, description, stage, status, storageLocation, ifnull(loggedModel, ''))
                      <> (?2, ?3, ?4, ?5, ?6, ifnull(?7, ''))
                    """).execute(arguments: [
                    id, version.updated.milliseconds, version.description, version.stage, version.status, version.storageLocation,
                    version.modelID,
                ])
            try db.layOver("modelVersionTag", "version", id, version.tags)
            return Self.outcome(isNew: false, db, before)
        }
    }

    public func importAlias(_ alias: String, of model: String, version: Int64) async throws -> ImportOutcome {
        let item = ImportItem(.alias, "\(model)/\(alias)")
        let (here, marked) = try await read { db in
            let here = try Int64.fetchOne(
                try db.cachedStatement(sql: "SELECT alias.version FROM alias JOIN registeredModel ON registeredModel.id = alias.model WHERE name = ? AND alias = ?"),
                arguments: [model, alias]
            )
            return (here, try Self.mark(db, item).flatMap { Int64($0) })
        }
        if here == version {
            if marked != version { try await setMark("\(version)", of: item) }
            return .unchanged
        }
        guard here == marked else {
            return .refused(here.map { "it points at version \($0) here, at version \(version) there" } ?? "it was removed here")
        }
        // By the call that clients use: whatever else a move of an alias does, this one does too.
        try await setAlias(name: model, alias: alias, version: "\(version)")
        try await setMark("\(version)", of: item)
        return here == nil ? .copied : .updated
    }

    private static func insert(_ db: Database, _ version: ModelVersionRecord, model: Int64) throws {
        try db.cachedStatement(sql: """
                INSERT INTO modelVersion (model, version, created, updated, description, user, stage, source,
                  storageLocation, runID, runLink, status, loggedModel)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
                """).execute(arguments: [
                model, version.version, version.created.milliseconds, version.updated.milliseconds, version.description, version.user,
                version.stage, version.source, version.storageLocation, version.runID, version.runLink, version.status, version.modelID,
            ])
        try db.layOver("modelVersionTag", "version", db.lastInsertedRowID, version.tags)
    }
}
