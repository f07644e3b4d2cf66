import GRDB
import SlipwayCore
public import SlipwayTracking

extension SQLiteTrackingStore {
    public func createExperiment(name: String, artifactLocation: String?, tags: [String: String]) async throws -> Experiment {
        let now = clock.now
        let root = artifactRoot
        return try await write { db in
            if try Row.fetchOne(try db.cachedStatement(sql: "SELECT 1 FROM experiment WHERE name = ?"), arguments: [name]) != nil {
                throw PlatformError(
                    .alreadyExists,
                    "Experiment(name=\(name)) already exists. Error: an experiment of this name is active or deleted"
                )
            }
            try db.cachedStatement(sql: "INSERT INTO experiment (name, artifactLocation, stage, created, updated) VALUES (?, ?, 'active', ?, ?)").execute(arguments: [name, artifactLocation ?? "", now.milliseconds, now.milliseconds])
            let id = db.lastInsertedRowID
            if artifactLocation == nil {
                try db.cachedStatement(sql: "UPDATE experiment SET artifactLocation = ? WHERE id = ?").execute(arguments: ["\(root)\(id)", id])
            }
            try db.setKeyed("experimentTag", "experiment", id, tags)
            return try Self.experiment(db, id: "\(id)")
        }
    }

    public func experiment(id: String) async throws -> Experiment {
        try await read { try Self.experiment($0, id: id) }
    }

    public func experiment(name: String) async throws -> Experiment {
        try await read { db in
            guard let row = try Row.fetchOne(try db.cachedStatement(sql: "SELECT * FROM experiment WHERE name = ?"), arguments: [name]) else {
                throw PlatformError(.notFound, "Could not find experiment with name '\(name)'")
            }
            return try Self.experiment(db, row)
        }
    }

    public func renameExperiment(id: String, to name: String) async throws {
        let now = clock.now.milliseconds
        try await write { db in
            let experiment = try Self.experiment(db, id: id)
            guard experiment.stage == .active else { throw PlatformError(.invalidArgument, "Cannot rename a non-active experiment.") }
            let other = try Int64.fetchOne(try db.cachedStatement(sql: "SELECT id FROM experiment WHERE name = ?"), arguments: [name])
            guard other == nil || other == experiment.id else {
                throw PlatformError(.alreadyExists, "Experiment(name=\(name)) already exists.")
            }
            try db.cachedStatement(sql: "UPDATE experiment SET name = ?, updated = ? WHERE id = ?").execute(arguments: [name, now, experiment.id])
        }
    }

    public func setStage(_ stage: LifecycleStage, experiment id: String) async throws {
        let now = clock.now.milliseconds
        try await write { db in
            let experiment = try Self.experiment(db, id: id)
            guard experiment.stage != stage else {
                throw PlatformError(.notFound, "No Experiment with id=\(id) exists")
            }
            guard experiment.id != 0 || stage == .active else {
                throw PlatformError(.invalidArgument, "Cannot delete the default experiment '0'. This is an internally reserved experiment.")
            }
            try db.cachedStatement(sql: "UPDATE experiment SET stage = ?, updated = ? WHERE id = ?").execute(arguments: [stage.rawValue, now, experiment.id])
            try db.cachedStatement(sql: "UPDATE run SET stage = ? WHERE experiment = ?").execute(arguments: [stage.rawValue, experiment.id])
        }
    }

    public func setExperimentTag(id: String, key: String, value: String?) async throws {
        try await write { db in
            let experiment = try Self.activeExperiment(db, id: id)
            if let value {
                try db.setKeyed("experimentTag", "experiment", experiment.id, [key: value])
                return
            }
            try db.cachedStatement(sql: "DELETE FROM experimentTag WHERE experiment = ? AND key = ?").execute(arguments: [experiment.id, key])
            guard db.changesCount > 0 else {
                throw PlatformError(.notFound, "No tag with name: \(key) in experiment with id \(id)")
            }
        }
    }

    public func searchExperiments(_ search: Search) async throws -> Page<Experiment> {
        try await scan { db in
            var sql = SearchSQL(Self.experimentTarget)
            Self.add(search.view, column: "experiment.stage", to: &sql)
            try sql.add(search.filter)
            try sql.add(search.order, fallback: search.order.isEmpty ? [.descending("experiment.created"), .descending("experiment.id")] : [.ascending("experiment.id")])
            return try db.page(sql, search) { db, rows in try rows.map { try Self.experiment(db, $0) } }
        }
    }

    static let experimentTarget = SearchTarget(
        table: "experiment",
        attributes: [
            "name": "experiment.name", "experiment_id": "experiment.id", "creation_time": "experiment.created",
            "last_update_time": "experiment.updated",
        ],
        numbers: ["creation_time", "last_update_time"],
        keyed: [.tag: .init(table: "experimentTag", owner: "experiment", column: "experiment.id")],
        name: "experiments"
    )

    static func add(_ view: ViewType, column: String, to sql: inout SearchSQL) {
        switch view {
        case .activeOnly: sql.add("\(column) = 'active'")
        case .deletedOnly: sql.add("\(column) = 'deleted'")
        case .all: break
        }
    }

    static func experiment(_ db: Database, id: String) throws -> Experiment {
        let number = try number(experiment: id)
        guard let row = try Row.fetchOne(try db.cachedStatement(sql: "SELECT * FROM experiment WHERE id = ?"), arguments: [number]) else {
            throw PlatformError(.notFound, "No Experiment with id=\(id) exists")
        }
        return try experiment(db, row)
    }

    static func activeExperiment(_ db: Database, id: String) throws -> Experiment {
        let experiment = try experiment(db, id: id)
        guard experiment.stage == .active else {
            throw PlatformError(
                .invalidArgument,
                "The experiment \(id) must be in the 'active' state. Current state is deleted."
            )
        }
        return experiment
    }

    private static func experiment(_ db: Database, _ row: Row) throws -> Experiment {
        let id: Int64 = row["id"]
        return Experiment(
            id: id,
            name: row["name"],
            artifactLocation: row["artifactLocation"],
            stage: LifecycleStage(rawValue: row["stage"]) ?? .active,
            created: Timestamp(milliseconds: row["created"]),
            updated: Timestamp(milliseconds: row["updated"]),
            tags: try db.keyed("experimentTag", "experiment", id)
        )
    }
}
