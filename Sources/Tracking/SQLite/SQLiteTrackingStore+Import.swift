import GRDB
import SlipwayCore
public import SlipwayTracking

/// Experiments, runs and logged models of an import.
///
/// Unlike the calls of clients these look at no stage: what was deleted at the source is copied as deleted.
extension SQLiteTrackingStore: TrackingImport {
    /// Beyond it an id of the source is not taken over: ids given out here begin after the greatest.
    private static let experimentIDMax: Int64 = 1 << 61

    public func importExperiment(_ experiment: SourceExperiment) async throws -> ExperimentPlace {
        let root = artifactRoot
        return try await write { db in
            let number = Int64(experiment.id).flatMap { (0..<Self.experimentIDMax).contains($0) ? $0 : nil }
            let sameID = try number.flatMap { try Self.experimentRow(db, "id", $0) }
            if let row = sameID, (row["created"] as Int64) == experiment.created.milliseconds {
                return try Self.refresh(db, row, with: experiment)
            }
            if let row = try Self.experimentRow(db, "name", experiment.name) {
                guard (row["created"] as Int64) == experiment.created.milliseconds else { return try Self.join(db, row, experiment) }
                return try Self.refresh(db, row, with: experiment)
            }
            let id = sameID == nil ? number : nil
            try db.cachedStatement(sql: "INSERT INTO experiment (id, name, artifactLocation, stage, created, updated) VALUES (?, ?, '', ?, ?, ?)").execute(arguments: [
                    id, experiment.name, experiment.stage.rawValue, experiment.created.milliseconds, experiment.updated.milliseconds,
                ])
            let made = db.lastInsertedRowID
            let location = "\(root)\(made)"
            try db.cachedStatement(sql: "UPDATE experiment SET artifactLocation = ? WHERE id = ?").execute(arguments: [location, made])
            try db.setKeyed("experimentTag", "experiment", made, experiment.tags)
            return ExperimentPlace(id: made, artifactLocation: location, outcome: .copied)
        }
    }

    public func importRun(_ run: Run) async throws -> ImportedEntity {
        try await write { db in
            let experiment = try Self.experiment(db, id: "\(run.experimentID)")
            let before = db.totalChangesCount
            let known = try Row.fetchOne(try db.cachedStatement(sql: "SELECT id, artifactURI FROM run WHERE uuid = ?"), arguments: [run.id])
            let uri: String = known?["artifactURI"] ?? "\(experiment.artifactLocation)/\(run.id)/artifacts"
            let number: Int64
            if let known {
                number = known["id"]
                try db.cachedStatement(sql: """
                        UPDATE run SET name = ?2, user = ?3, status = ?4, started = ?5, ended = ?6, stage = ?7 WHERE id = ?1
                        AND (name, user, status, started, ifnull(ended, -1), stage) <> (?2, ?3, ?4, ?5, ifnull(?6, -1), ?7)
                        """).execute(arguments: [
                        number, run.name, run.user, run.status.rawValue, run.started.milliseconds, run.ended?.milliseconds, run.stage.rawValue,
                    ])
            } else {
                try db.cachedStatement(sql: """
                        INSERT INTO run (uuid, experiment, name, user, status, started, ended, stage, artifactURI)
                        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
                        """).execute(arguments: [
                        run.id, run.experimentID, run.name, run.user, run.status.rawValue, run.started.milliseconds, run.ended?.milliseconds,
                        run.stage.rawValue, uri,
                    ])
                number = db.lastInsertedRowID
            }
            try db.layOver("param", "run", number, run.parameters)
            try db.layOver("runTag", "run", number, run.tags)
            try Self.layOver(db, latest: run.metrics, run: number)
            try Self.layOver(db, inputsOf: run, number: number)
            return ImportedEntity(outcome: Self.outcome(isNew: known == nil, db, before), artifactURI: uri)
        }
    }

    public func importMetrics(_ metrics: [Metric], runID: String) async throws -> ImportOutcome {
        try await write { db in
            let run: Int64 = try Self.row(db, id: runID)["id"]
            let before = db.totalChangesCount
            // A value of a logged model is the run's too: MLflow's history shows it without the model.
            let plain = try db.cachedStatement(sql: """
                INSERT INTO metric (run, key, timestamp, step, value, isNaN, model) SELECT ?1, ?2, ?3, ?4, ?5, ?6, ''
                WHERE NOT EXISTS (SELECT 1 FROM metric WHERE run = ?1 AND key = ?2 AND timestamp = ?3 AND step = ?4 AND value = ?5 AND isNaN = ?6)
                """)
            let insert = try db.cachedStatement(
                sql: "INSERT OR IGNORE INTO metric (run, key, timestamp, step, value, isNaN, model) VALUES (?, ?, ?, ?, ?, ?, ?)"
            )
            for metric in metrics {
                let arguments = Self.key(of: metric, run: run)
                if let model = metric.modelID { try insert.execute(arguments: arguments + [model]) } else { try plain.execute(arguments: arguments) }
            }
            return db.totalChangesCount == before ? .unchanged : .updated
        }
    }

    public func importLoggedModel(_ model: LoggedModel) async throws -> ImportedEntity {
        try await write { db in
            let experiment = try Self.experiment(db, id: "\(model.experimentID)")
            let before = db.totalChangesCount
            let known = try Row.fetchOne(try db.cachedStatement(sql: "SELECT artifactURI, stage FROM loggedModel WHERE id = ?"), arguments: [model.id])
            let uri: String = known?["artifactURI"] ?? "\(experiment.artifactLocation)/models/\(model.id)/artifacts"
            if let known {
                guard (known["stage"] as String) == LifecycleStage.active.rawValue else {
                    return ImportedEntity(outcome: .refused("it was deleted here"), artifactURI: uri)
                }
                try db.cachedStatement(sql: "UPDATE loggedModel SET name = ?2, status = ?3, updated = ?4 WHERE id = ?1 AND (name, status, updated) <> (?2, ?3, ?4)").execute(arguments: [model.id, model.name, model.status, model.updated.milliseconds])
            } else {
                try db.cachedStatement(sql: """
                        INSERT INTO loggedModel (id, experiment, name, status, artifactURI, sourceRun, modelType, created, updated, stage)
                        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 'active')
                        """).execute(arguments: [
                        model.id, model.experimentID, model.name, model.status, uri, model.sourceRunID, model.modelType,
                        model.created.milliseconds, model.updated.milliseconds,
                    ])
            }
            try db.layOver("loggedModelTag", "model", model.id, model.tags)
            try db.layOver("loggedModelParam", "model", model.id, model.parameters)
            for metric in model.metrics { try Self.layOver(db, metric, model: model.id) }
            return ImportedEntity(outcome: Self.outcome(isNew: known == nil, db, before), artifactURI: uri)
        }
    }

    public func mark(of item: ImportItem) async throws -> String? {
        try await read { try Self.mark($0, item) }
    }

    public func setMark(_ text: String, of item: ImportItem) async throws {
        try await write { try Self.setMark($0, text, item) }
    }

    // MARK: Rows

    static func mark(_ db: Database, _ item: ImportItem) throws -> String? {
        try String.fetchOne(try db.cachedStatement(sql: "SELECT text FROM importMark WHERE kind = ? AND id = ?"), arguments: [item.kind.rawValue, item.id])
    }

    static func setMark(_ db: Database, _ text: String, _ item: ImportItem) throws {
        try db.cachedStatement(sql: "INSERT INTO importMark (kind, id, text) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET text = excluded.text WHERE text <> excluded.text").execute(arguments: [item.kind.rawValue, item.id, text])
    }

    static func outcome(isNew: Bool, _ db: Database, _ changesBefore: Int) -> ImportOutcome {
        isNew ? .copied : db.totalChangesCount == changesBefore ? .unchanged : .updated
    }

    private static func experimentRow(_ db: Database, _ column: String, _ value: some DatabaseValueConvertible) throws -> Row? {
        try Row.fetchOne(try db.cachedStatement(sql: "SELECT * FROM experiment WHERE \(column) = ?"), arguments: [value])
    }

    /// An experiment that an earlier import brought: made equal to the source.
    private static func refresh(_ db: Database, _ row: Row, with experiment: SourceExperiment) throws -> ExperimentPlace {
        let id: Int64 = row["id"]
        let before = db.totalChangesCount
        let isNameFree = try Int64.fetchOne(try db.cachedStatement(sql: "SELECT 1 FROM experiment WHERE name = ? AND id <> ?"), arguments: [experiment.name, id]) == nil
        let name: String = isNameFree ? experiment.name : row["name"]
        try db.cachedStatement(sql: "UPDATE experiment SET name = ?2, stage = ?3, updated = ?4 WHERE id = ?1 AND (name, stage, updated) <> (?2, ?3, ?4)").execute(arguments: [id, name, experiment.stage.rawValue, experiment.updated.milliseconds])
        try db.layOver("experimentTag", "experiment", id, experiment.tags)
        return ExperimentPlace(id: id, artifactLocation: row["artifactLocation"], outcome: outcome(isNew: false, db, before))
    }

    /// Another experiment of the same name, as `Default` is: it gets the source's tags that it does not have.
    private static func join(_ db: Database, _ row: Row, _ experiment: SourceExperiment) throws -> ExperimentPlace {
        let id: Int64 = row["id"]
        let before = db.totalChangesCount
        for (key, value) in experiment.tags {
            try db.cachedStatement(sql: "INSERT OR IGNORE INTO experimentTag (experiment, key, value) VALUES (?, ?, ?)").execute(arguments: [id, key, value])
        }
        return ExperimentPlace(id: id, artifactLocation: row["artifactLocation"], outcome: outcome(isNew: false, db, before))
    }

    private static func key(of metric: Metric, run: Int64) -> StatementArguments {
        let isNaN = metric.value.isNaN
        return [run, metric.key, metric.timestamp.milliseconds, metric.step, isNaN ? 0 : metric.value, isNaN]
    }

    /// The last values as the source shows them, unless those here are later.
    private static func layOver(_ db: Database, latest metrics: [Metric], run: Int64) throws {
        let update = try db.cachedStatement(sql: """
            INSERT INTO latestMetric (run, key, value, timestamp, step) VALUES (?, ?, ?, ?, ?)
            ON CONFLICT DO UPDATE SET value = excluded.value, timestamp = excluded.timestamp, step = excluded.step
            WHERE (excluded.step, excluded.timestamp, ifnull(excluded.value, -9e999)) > (step, timestamp, ifnull(value, -9e999))
            """)
        for metric in metrics {
            let value = metric.value.isNaN ? nil : metric.value
            try update.execute(arguments: [run, metric.key, value, metric.timestamp.milliseconds, metric.step])
        }
    }

    private static func layOver(_ db: Database, inputsOf run: Run, number: Int64) throws {
        for input in run.datasetInputs {
            let dataset = input["dataset"]
            try db.cachedStatement(sql: """
                    INSERT INTO runInput (run, name, digest, json) VALUES (?, ?, ?, ?)
                    ON CONFLICT DO UPDATE SET json = excluded.json WHERE json <> excluded.json
                    """).execute(arguments: [number, dataset?["name"]?.stringValue ?? "", dataset?["digest"]?.stringValue ?? "", input.canonicalText])
        }
        for model in run.modelInputs { try link(db, run: number, ModelOutput(modelID: model, step: 0), isOutput: false) }
        for output in run.modelOutputs { try link(db, run: number, output, isOutput: true) }
    }

    private static func link(_ db: Database, run: Int64, _ model: ModelOutput, isOutput: Bool) throws {
        try db.cachedStatement(sql: """
                INSERT INTO runModel (run, model, isOutput, step, position)
                VALUES (?, ?, ?, ?, (SELECT ifnull(max(position), -1) + 1 FROM runModel WHERE run = ?))
                ON CONFLICT DO UPDATE SET step = excluded.step WHERE step <> excluded.step
                """).execute(arguments: [run, model.modelID, isOutput, model.step, run])
    }

    /// A logged model's metric: the run's value gets the model, or is added. A run that is not here has none.
    ///
    /// MLflow forgets of a model's values that they are NaN, and says 0: the run's value knows better.
    private static func layOver(_ db: Database, _ metric: LoggedModelMetric, model: String) throws {
        guard let run = try Int64.fetchOne(try db.cachedStatement(sql: "SELECT id FROM run WHERE uuid = ?"), arguments: [metric.runID]) else { return }
        let arguments = key(of: metric.metric, run: run) + [model]
        let isIt = "run = ?1 AND key = ?2 AND timestamp = ?3 AND step = ?4 AND ((value = ?5 AND isNaN = ?6) OR (?5 = 0 AND isNaN))"
        let isThere = try Bool.fetchOne(
            try db.cachedStatement(sql: "SELECT 1 FROM metric WHERE \(isIt) AND model = ?7"),
            arguments: arguments
        )
        guard isThere == nil else { return }
        try db.cachedStatement(sql: "UPDATE metric SET model = ?7 WHERE \(isIt) AND model = ''").execute(arguments: arguments)
        guard db.changesCount == 0 else { return }
        try db.cachedStatement(sql: "INSERT INTO metric (run, key, timestamp, step, value, isNaN, model) VALUES (?, ?, ?, ?, ?, ?, ?)").execute(arguments: arguments)
    }
}

extension Database {
    /// Sets keyed values of one owner, and touches no row that has them already.
    func layOver(_ table: String, _ column: String, _ owner: some DatabaseValueConvertible, _ values: [String: String]) throws {
        guard !values.isEmpty else { return }
        let statement = try cachedStatement(sql: """
            INSERT INTO \(table) (\(column), key, value) VALUES (?, ?, ?)
            ON CONFLICT DO UPDATE SET value = excluded.value WHERE value <> excluded.value
            """)
        for (key, value) in values { try statement.execute(arguments: [owner, key, value]) }
    }
}
