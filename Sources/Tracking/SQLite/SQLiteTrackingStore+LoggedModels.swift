import GRDB
import SlipwayCore
public import SlipwayTracking

extension SQLiteTrackingStore {
    public func createLoggedModel(
        experiment id: String,
        name: String?,
        sourceRunID: String?,
        modelType: String?,
        tags: [String: String],
        parameters: [String: String]
    ) async throws -> LoggedModel {
        let now = clock.now.milliseconds
        return try await write { db in
            let experiment = try Self.activeExperiment(db, id: id)
            let model = "m-\(newID())"
            try db.cachedStatement(sql: """
                    INSERT INTO loggedModel (id, experiment, name, status, artifactURI, sourceRun, modelType, created, updated, stage)
                    VALUES (?, ?, ?, 'LOGGED_MODEL_PENDING', ?, ?, ?, ?, ?, 'active')
                    """).execute(arguments: [
                    model, experiment.id, name ?? RunNames.random(), "\(experiment.artifactLocation)/models/\(model)/artifacts",
                    sourceRunID, modelType, now, now,
                ])
            try db.setKeyed("loggedModelTag", "model", model, tags)
            try db.setKeyed("loggedModelParam", "model", model, parameters)
            return try Self.loggedModel(db, id: model)
        }
    }

    public func loggedModel(id: String) async throws -> LoggedModel {
        try await read { try Self.loggedModel($0, id: id) }
    }

    public func finalizeLoggedModel(id: String, status: String) async throws -> LoggedModel {
        let now = clock.now.milliseconds
        return try await write { db in
            _ = try Self.loggedModel(db, id: id)
            try db.cachedStatement(sql: "UPDATE loggedModel SET status = ?, updated = ? WHERE id = ?").execute(arguments: [status, now, id])
            return try Self.loggedModel(db, id: id)
        }
    }

    public func setLoggedModelTags(id: String, tags: [String: String]) async throws -> LoggedModel {
        try await write { db in
            _ = try Self.loggedModel(db, id: id)
            try db.setKeyed("loggedModelTag", "model", id, tags)
            return try Self.loggedModel(db, id: id)
        }
    }

    public func deleteLoggedModelTag(id: String, key: String) async throws {
        try await write { db in
            _ = try Self.loggedModel(db, id: id)
            try db.cachedStatement(sql: "DELETE FROM loggedModelTag WHERE model = ? AND key = ?").execute(arguments: [id, key])
            guard db.changesCount > 0 else {
                throw PlatformError(.notFound, "No tag with key '\(key)' found for model with ID '\(id)'.")
            }
        }
    }

    public func logLoggedModelParameters(id: String, parameters: [String: String]) async throws {
        try await write { db in
            _ = try Self.loggedModel(db, id: id)
            try db.setKeyed("loggedModelParam", "model", id, parameters)
        }
    }

    public func deleteLoggedModel(id: String) async throws {
        let now = clock.now.milliseconds
        try await write { db in
            try db.cachedStatement(sql: "UPDATE loggedModel SET stage = 'deleted', updated = ? WHERE id = ?").execute(arguments: [now, id])
            guard db.changesCount > 0 else { throw PlatformError(.notFound, "Logged model with ID '\(id)' not found.") }
        }
    }

    public func searchLoggedModels(experiments: [String], _ search: Search) async throws -> Page<LoggedModel> {
        try await scan { db in
            var sql = SearchSQL(Self.loggedModelTarget)
            let ids = experiments.compactMap { Int64($0) }
            guard !ids.isEmpty else { return Page(items: [], nextToken: nil) }
            sql.add("loggedModel.experiment IN (\(ids.map { _ in "?" }.joined(separator: ", ")))", ids)
            Self.add(.activeOnly, column: "loggedModel.stage", to: &sql)
            try sql.add(search.filter)
            try sql.add(search.order, fallback: [.descending("loggedModel.created"), .ascending("loggedModel.id")])
            return try db.page(sql, search) { db, rows in try rows.map { try Self.loggedModel(db, $0) } }
        }
    }

    static let loggedModelTarget = SearchTarget(
        table: "loggedModel",
        attributes: [
            "name": "loggedModel.name", "model_id": "loggedModel.id", "model_type": "loggedModel.modelType",
            "status": "loggedModel.status", "source_run_id": "loggedModel.sourceRun",
            "creation_timestamp": "loggedModel.created", "creation_time": "loggedModel.created",
            "last_updated_timestamp": "loggedModel.updated", "last_updated_time": "loggedModel.updated",
            "experiment_id": "loggedModel.experiment",
        ],
        numbers: ["creation_timestamp", "creation_time", "last_updated_timestamp", "last_updated_time"],
        keyed: [
            .tag: .init(table: "loggedModelTag", owner: "model", column: "loggedModel.id"),
            .parameter: .init(table: "loggedModelParam", owner: "model", column: "loggedModel.id"),
            .metric: .init(
                table: "metric", owner: "model", column: "loggedModel.id", value: "iif(k.isNaN, NULL, k.value)",
                also: " AND k.model <> ''", first: " ORDER BY k.timestamp DESC, k.step DESC"
            ),
        ],
        name: "logged models",
        optional: ["model_type", "source_run_id"]
    )

    static func loggedModel(_ db: Database, id: String) throws -> LoggedModel {
        guard let row = try Row.fetchOne(try db.cachedStatement(sql: "SELECT * FROM loggedModel WHERE id = ? AND stage = 'active'"), arguments: [id]) else {
            throw PlatformError(.notFound, "Logged model with ID '\(id)' not found.")
        }
        return try loggedModel(db, row)
    }

    private static func loggedModel(_ db: Database, _ row: Row) throws -> LoggedModel {
        let id: String = row["id"]
        let metrics = try Row.fetchAll(
            try db.cachedStatement(sql: """
                SELECT metric.*, run.uuid AS runID, max(metric.timestamp) FROM metric JOIN run ON run.id = metric.run
                WHERE metric.model = ? AND metric.model <> '' GROUP BY metric.key, metric.run ORDER BY metric.key
                """),
            arguments: [id]
        )
        return LoggedModel(
            id: id,
            experimentID: row["experiment"],
            name: row["name"],
            status: row["status"],
            artifactURI: row["artifactURI"],
            sourceRunID: row["sourceRun"],
            modelType: row["modelType"],
            created: Timestamp(milliseconds: row["created"]),
            updated: Timestamp(milliseconds: row["updated"]),
            tags: try db.keyed("loggedModelTag", "model", id),
            parameters: try db.keyed("loggedModelParam", "model", id),
            metrics: metrics.map { LoggedModelMetric(metric: metric($0), runID: $0["runID"]) }
        )
    }
}
