import GRDB
public import SlipwayCore
public import SlipwayTracking

extension SQLiteTrackingStore {
    public func createRun(
        experiment id: String,
        name: String?,
        user: String,
        started: Timestamp?,
        tags: [String: String]
    ) async throws -> Run {
        let now = clock.now
        return try await writeRun { db in
            let experiment = try Self.activeExperiment(db, id: id)
            let uuid = newID()
            let runName = name ?? tags["mlflow.runName"] ?? RunNames.random()
            let artifactURI = "\(experiment.artifactLocation)/\(uuid)/artifacts"
            try db.cachedStatement(sql: """
                    INSERT INTO run (uuid, experiment, name, user, status, started, stage, artifactURI)
                    VALUES (?, ?, ?, ?, 'RUNNING', ?, 'active', ?)
                    """).execute(arguments: [
                    uuid, experiment.id, runName, user, (started ?? now).milliseconds, artifactURI,
                ])
            let tags = tags.merging(["mlflow.runName": runName]) { _, name in name }
            try db.setKeyed("runTag", "run", db.lastInsertedRowID, tags)
            return Run(
                id: uuid,
                name: runName,
                experimentID: experiment.id,
                user: user,
                status: .running,
                started: started ?? now,
                ended: nil,
                stage: .active,
                artifactURI: artifactURI,
                metrics: [],
                parameters: [:],
                tags: tags,
                datasetInputs: [],
                modelInputs: [],
                modelOutputs: []
            )
        }
    }

    public func run(id: String) async throws -> Run {
        try await read { try Self.run($0, id: id) }
    }

    public func updateRun(id: String, status: RunStatus?, ended: Timestamp?, name: String?) async throws -> Run {
        try await writeRun { db in
            let row = try Self.activeRow(db, id: id)
            let number: Int64 = row["id"]
            if let status { try db.cachedStatement(sql: "UPDATE run SET status = ? WHERE id = ?").execute(arguments: [status.rawValue, number]) }
            if let ended { try db.cachedStatement(sql: "UPDATE run SET ended = ? WHERE id = ?").execute(arguments: [ended.milliseconds, number]) }
            if let name, !name.isEmpty {
                try db.cachedStatement(sql: "UPDATE run SET name = ? WHERE id = ?").execute(arguments: [name, number])
                try db.setKeyed("runTag", "run", number, ["mlflow.runName": name])
            }
            return try Self.run(db, id: id)
        }
    }

    public func setStage(_ stage: LifecycleStage, run id: String) async throws {
        try await writeRun { db in
            let row = try Self.row(db, id: id)
            try db.cachedStatement(sql: "UPDATE run SET stage = ? WHERE id = ?").execute(arguments: [stage.rawValue, row["id"] as Int64])
        }
    }

    public func log(
        runID: String,
        metrics: [Metric],
        parameters: [String: String],
        tags: [String: String]
    ) async throws {
        try await writeRun { db in
            let run: Int64 = try Self.activeRow(db, id: runID)["id"]
            let isBatch = parameters.count != 1 || !metrics.isEmpty || !tags.isEmpty
            try Self.logParameters(db, run: run, runID: runID, parameters, isBatch: isBatch)
            try db.setKeyed("runTag", "run", run, tags)
            if let name = tags["mlflow.runName"] {
                try db.cachedStatement(sql: "UPDATE run SET name = ? WHERE id = ?").execute(arguments: [name, run])
            }
            try Self.logMetrics(db, run: run, metrics)
        }
    }

    public func deleteRunTag(runID: String, key: String) async throws {
        try await writeRun { db in
            let run: Int64 = try Self.activeRow(db, id: runID)["id"]
            try db.cachedStatement(sql: "DELETE FROM runTag WHERE run = ? AND key = ?").execute(arguments: [run, key])
            guard db.changesCount > 0 else {
                throw PlatformError(.notFound, "No tag with name: \(key) in run with id \(runID)")
            }
        }
    }

    public func metricHistory(runID: String, key: String, limit: Int, after: SearchCursor?) async throws -> Page<Metric> {
        try await scan { db in
            // A run that is not there has no history, as with MLflow.
            guard let run = try Int64.fetchOne(try db.cachedStatement(sql: "SELECT id FROM run WHERE uuid = ?"), arguments: [runID]) else {
                return Page(items: [], nextToken: nil)
            }
            var sql = SearchSQL(Self.historyTarget)
            sql.add("metric.run = ? AND metric.key = ?", [run, key])
            try sql.add([], fallback: ["timestamp", "step", "value", "isNaN", "model"].map { .ascending("metric.\($0)") })
            return try db.page(sql, Search(limit: limit, after: after)) { _, rows in rows.map(Self.metric) }
        }
    }

    private static let historyTarget = SearchTarget(table: "metric", attributes: [:], numbers: [], keyed: [:], name: "metrics")

    public func logInputs(runID: String, datasets: [JSONValue], models: [String]) async throws {
        try await writeRun { db in
            let run: Int64 = try Self.activeRow(db, id: runID)["id"]
            for input in datasets {
                let dataset = input["dataset"]
                try db.cachedStatement(sql: "INSERT OR IGNORE INTO runInput (run, name, digest, json) VALUES (?, ?, ?, ?)").execute(arguments: [run, dataset?["name"]?.stringValue ?? "", dataset?["digest"]?.stringValue ?? "", input.canonicalText])
            }
            for model in models { try Self.link(db, run: run, model: model, isOutput: false, step: 0) }
        }
    }

    public func logOutputs(runID: String, models: [ModelOutput]) async throws {
        try await writeRun { db in
            let run: Int64 = try Self.activeRow(db, id: runID)["id"]
            for model in models { try Self.link(db, run: run, model: model.modelID, isOutput: true, step: model.step) }
        }
    }

    public func searchRuns(experiments: [String], _ search: Search) async throws -> Page<Run> {
        try await scan { db in
            var sql = SearchSQL(Self.runTarget)
            let ids = try experiments.map { try Self.number(experiment: $0) }
            guard !ids.isEmpty else { return Page(items: [], nextToken: nil) }
            sql.add("run.experiment IN (\(ids.map { _ in "?" }.joined(separator: ", ")))", ids)
            Self.add(search.view, column: "run.stage", to: &sql)
            try sql.add(search.filter)
            try sql.add(search.order, fallback: [.descending("run.started"), .ascending("run.uuid")])
            return try db.page(sql, search, isLarge: try Self.hasRuns(db, ids, moreThan: candidatesSorted)) { try Self.runs($0, $1) }
        }
    }

    private static func hasRuns(_ db: Database, _ experiments: [Int64], moreThan limit: Int) throws -> Bool {
        let ids = "[" + experiments.map(String.init).joined(separator: ",") + "]"
        let count = try Int.fetchOne(
            try db.cachedStatement(
                sql: "SELECT count(*) FROM (SELECT 1 FROM run WHERE experiment IN (SELECT value FROM json_each(?)) LIMIT ?)"
            ),
            arguments: [ids, limit + 1]
        )
        return (count ?? 0) > limit
    }

    static let runTarget = SearchTarget(
        table: "run",
        attributes: [
            "run_id": "run.uuid", "run_name": "run.name", "Run name": "run.name", "run name": "run.name", "user_id": "run.user",
            "status": "run.status", "start_time": "run.started", "created": "run.started", "Created": "run.started",
            "end_time": "run.ended", "artifact_uri": "run.artifactURI", "experiment_id": "run.experiment",
        ],
        numbers: ["start_time", "end_time", "created", "Created"],
        keyed: [
            .metric: .init(table: "latestMetric", owner: "run", column: "run.id", isIndexedByValue: true),
            .parameter: .init(table: "param", owner: "run", column: "run.id", isIndexedByValue: true),
            .tag: .init(table: "runTag", owner: "run", column: "run.id", isIndexedByValue: true),
            .dataset: .init(table: "(\(datasetValues))", owner: "run", column: "run.id"),
        ],
        name: "runs",
        optional: ["end_time"]
    )

    /// What can be asked about a run's datasets, as keyed values.
    private static let datasetValues = """
        SELECT run, 'name' AS key, name AS value FROM runInput UNION ALL SELECT run, 'digest', digest FROM runInput
        UNION ALL SELECT run, 'context', json_extract(tag.value, '$.value') FROM runInput, json_each(runInput.json, '$.tags') tag
        WHERE json_extract(tag.value, '$.key') = 'mlflow.data.context'
        """

    // MARK: Rows

    static func row(_ db: Database, id: String) throws -> Row {
        guard let row = try Row.fetchOne(try db.cachedStatement(sql: "SELECT * FROM run WHERE uuid = ?"), arguments: [id]) else {
            throw PlatformError(.notFound, "Run with id=\(id) not found")
        }
        return row
    }

    static func activeRow(_ db: Database, id: String) throws -> Row {
        let row = try row(db, id: id)
        guard (row["stage"] as String) == LifecycleStage.active.rawValue else {
            throw PlatformError(.invalidArgument, "The run \(id) must be in the 'active' state. Current state is deleted.")
        }
        return row
    }

    static func run(_ db: Database, id: String) throws -> Run {
        try run(db, try row(db, id: id))
    }

    private static func run(_ db: Database, _ row: Row) throws -> Run {
        guard let run = try runs(db, [row]).first else { throw PlatformError(.unexpected, "a run without its row") }
        return run
    }

    /// The runs of these rows, with what is logged to them: a statement a table, however many they are.
    private static func runs(_ db: Database, _ rows: ArraySlice<Row>) throws -> [Run] {
        let ids = "[" + rows.map { String($0["id"] as Int64) }.joined(separator: ",") + "]"
        let parameters = try keyed(db, "param", of: ids)
        let tags = try keyed(db, "runTag", of: ids)
        var metrics: [Int64: [Metric]] = [:]
        try each(db, "latestMetric", columns: "run, key, value, timestamp, step, NULL AS model", of: ids) { run, row in
            metrics[run, default: []].append(metric(row))
        }
        var inputs: [Int64: [JSONValue]] = [:]
        try each(db, "runInput", columns: "run, json", of: ids) { run, row in
            inputs[run, default: []].append(try JSONValue(parsing: row["json"] as String))
        }
        var models: [Int64: [(position: Int64, isOutput: Bool, output: ModelOutput)]] = [:]
        try each(db, "runModel", columns: "*", of: ids) { run, row in
            models[run, default: []].append((row["position"], row["isOutput"], ModelOutput(modelID: row["model"], step: row["step"])))
        }
        return rows.map { row in
            let id: Int64 = row["id"]
            let linked = (models[id] ?? []).sorted { $0.position < $1.position }
            return Run(
                id: row["uuid"],
                name: row["name"],
                experimentID: row["experiment"],
                user: row["user"],
                status: RunStatus(rawValue: row["status"]) ?? .running,
                started: Timestamp(milliseconds: row["started"]),
                ended: (row["ended"] as Int64?).map { Timestamp(milliseconds: $0) },
                stage: LifecycleStage(rawValue: row["stage"]) ?? .active,
                artifactURI: row["artifactURI"],
                metrics: metrics[id] ?? [],
                parameters: parameters[id] ?? [:],
                tags: tags[id] ?? [:],
                datasetInputs: inputs[id] ?? [],
                modelInputs: linked.filter { !$0.isOutput }.map(\.output.modelID),
                modelOutputs: linked.filter(\.isOutput).map(\.output)
            )
        }
    }

    /// Every row of `table` whose run is one of `ids`, a JSON list; in the order of the table's key.
    private static func each(
        _ db: Database,
        _ table: String,
        columns: String,
        of ids: String,
        _ body: (Int64, Row) throws -> Void
    ) throws {
        let sql = "SELECT \(columns) FROM \(table) WHERE run IN (SELECT value FROM json_each(?))"
        let rows = try Row.fetchCursor(try db.cachedStatement(sql: sql), arguments: [ids])
        while let row = try rows.next() { try body(row["run"], row) }
    }

    private static func keyed(_ db: Database, _ table: String, of ids: String) throws -> [Int64: [String: String]] {
        var values: [Int64: [String: String]] = [:]
        try each(db, table, columns: "run, key, value", of: ids) { run, row in
            values[run, default: [:]][row["key"] as String] = row["value"]
        }
        return values
    }

    static func metric(_ row: Row) -> Metric {
        let value: Double? = row["value"]
        let isNaN: Bool? = row["isNaN"]
        let model: String? = row["model"]
        return Metric(
            key: row["key"],
            value: isNaN == true ? .nan : value ?? .nan,
            timestamp: Timestamp(milliseconds: row["timestamp"]),
            step: row["step"],
            modelID: model.flatMap { $0.isEmpty ? nil : $0 }
        )
    }

    private static func link(_ db: Database, run: Int64, model: String, isOutput: Bool, step: Int64) throws {
        try db.cachedStatement(sql: """
                INSERT INTO runModel (run, model, isOutput, step, position)
                VALUES (?, ?, ?, ?, (SELECT count(*) FROM runModel WHERE run = ?))
                ON CONFLICT DO UPDATE SET step = excluded.step
                """).execute(arguments: [run, model, isOutput, step, run])
    }

    private static func logParameters(
        _ db: Database,
        run: Int64,
        runID: String,
        _ parameters: [String: String],
        isBatch: Bool
    ) throws {
        guard !parameters.isEmpty else { return }
        let lookup = try db.cachedStatement(sql: "SELECT value FROM param WHERE run = ? AND key = ?")
        let insert = try db.cachedStatement(sql: "INSERT INTO param (run, key, value) VALUES (?, ?, ?)")
        var changed: [(key: String, old: String, new: String)] = []
        for (key, value) in parameters {
            let known = try String.fetchOne(lookup, arguments: [run, key])
            if let known {
                if known != value { changed.append((key, known, value)) }
            } else if changed.isEmpty {
                try insert.execute(arguments: [run, key, value])
            }
        }
        guard let first = changed.first else { return }
        let words =
            if isBatch {
                "Params were already logged='["
                    + changed.sorted { $0.key < $1.key }
                        .map { "{'key': '\($0.key)', 'old_value': '\($0.old)', 'new_value': '\($0.new)'}" }.joined(separator: ", ")
                    + "]' for run ID='\(runID)'."
            } else {
                "Param with key='\(first.key)' was already logged with value='\(first.old)' for run ID='\(runID)'. "
                    + "Attempted logging new value '\(first.new)'."
            }
        throw PlatformError(.invalidArgument, "Changing param values is not allowed. \(words)")
    }

    private static func logMetrics(_ db: Database, run: Int64, _ metrics: [Metric]) throws {
        // The same value again is what a client sends that has lost the answer.
        let insert = try db.cachedStatement(sql: "INSERT OR IGNORE INTO metric (run, key, timestamp, step, value, isNaN, model) VALUES (?, ?, ?, ?, ?, ?, ?)")
        var latest: [String: Metric] = [:]
        for metric in metrics {
            try insert.insert(metric, run: run)
            if let other = latest[metric.key], metric.isEarlier(than: other) { continue }
            latest[metric.key] = metric
        }
        let update = try db.cachedStatement(
            sql: """
                INSERT INTO latestMetric (run, key, value, timestamp, step) VALUES (?, ?, ?, ?, ?)
                ON CONFLICT DO UPDATE SET value = excluded.value, timestamp = excluded.timestamp, step = excluded.step
                WHERE (excluded.step, excluded.timestamp, ifnull(excluded.value, -9e999)) >= (step, timestamp, ifnull(value, -9e999))
                """
        )
        for metric in latest.values {
            let value = metric.value.isNaN ? nil : metric.value
            try update.execute(arguments: [run, metric.key, value, metric.timestamp.milliseconds, metric.step])
        }
    }
}

extension Metric {
    /// The later one is the run's: by step, then by time, then by value, as MLflow does.
    fileprivate func isEarlier(than other: Metric) -> Bool {
        let (mine, its) = (value.isNaN ? -.infinity : value, other.value.isNaN ? -.infinity : other.value)
        return (step, timestamp.milliseconds, mine) < (other.step, other.timestamp.milliseconds, its)
    }
}

/// Names for runs that were given none.
enum RunNames {
    private static let adjectives = ["bold", "brisk", "calm", "clear", "deep", "eager", "fair", "keen", "proud", "quick", "steady", "swift"]
    private static let nouns = ["brig", "clipper", "cutter", "dinghy", "ferry", "galleon", "kayak", "ketch", "schooner", "sloop", "tug", "yawl"]

    static func random() -> String {
        "\(adjectives.randomElement() ?? "calm")-\(nouns.randomElement() ?? "sloop")-\(Int.random(in: 1...999))"
    }
}
