import GRDB
import SlipwayCore
public import SlipwayTracking

extension SQLiteTrackingStore {
    public func metricSamples(runID: String, key: String, steps: ClosedRange<Int64>?, limit: Int) async throws -> [Metric] {
        try await read { db in
            guard let run = try Int64.fetchOne(try db.cachedStatement(sql: "SELECT id FROM run WHERE uuid = ?"), arguments: [runID]) else { return [] }
            var condition = "run = ? AND key = ?"
            var arguments: StatementArguments = [run, key]
            if let steps {
                condition += " AND step BETWEEN ? AND ?"
                arguments += [steps.lowerBound, steps.upperBound]
            }
            // Buckets of the same size; the first of each, and the very last.
            let order = "step, timestamp, value, isNaN"
            let rows = try Row.fetchAll(
                try db.cachedStatement(sql: """
                    WITH placed AS (
                      SELECT *, ntile(\(limit)) OVER (ORDER BY \(order)) AS bucket, row_number() OVER (ORDER BY \(order)) AS place
                      FROM metric WHERE \(condition))
                    SELECT key, value, isNaN, timestamp, step, model, place, (SELECT max(place) FROM placed) AS lastPlace FROM placed
                    WHERE place IN (SELECT min(place) FROM placed GROUP BY bucket) OR place = (SELECT max(place) FROM placed)
                    ORDER BY place
                    """),
                arguments: arguments
            )
            guard rows.count > limit else { return rows.map(Self.metric) }
            // The last takes the place of the last sample.
            return (rows.prefix(limit - 1) + rows.suffix(1)).map(Self.metric)
        }
    }

    public func datasets(experiments: [String], limit: Int) async throws -> [DatasetSummary] {
        let ids = try experiments.map { try Self.number(experiment: $0) }
        return try await read { db in
            let marks = ids.map { _ in "?" }.joined(separator: ", ")
            let rows = try Row.fetchAll(
                try db.cachedStatement(sql: """
                    SELECT DISTINCT run.experiment, runInput.name, runInput.digest, (
                      SELECT json_extract(tag.value, '$.value') FROM json_each(runInput.json, '$.tags') AS tag
                      WHERE json_extract(tag.value, '$.key') = 'mlflow.data.context') AS context
                    FROM run JOIN runInput ON runInput.run = run.id WHERE run.experiment IN (\(marks))
                    ORDER BY run.experiment, runInput.name, runInput.digest, context NULLS LAST LIMIT ?
                    """),
                arguments: StatementArguments(ids) + [limit]
            )
            return rows.map { DatasetSummary(experimentID: $0["experiment"], name: $0["name"], digest: $0["digest"], context: $0["context"]) }
        }
    }

    /// An experiment's id as the number it is.
    static func number(experiment id: String) throws(PlatformError) -> Int64 {
        guard let number = Int64(id) else {
            throw PlatformError(.invalidArgument, "Invalid experiment ID '\(id.prefix(100))'. Experiment ID must be a valid integer.")
        }
        return number
    }
}
