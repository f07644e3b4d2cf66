import GRDB
import SlipwayCore
import SlipwayTracking

@testable import SlipwayTrackingSQLite
@testable import SlipwayTrackingServer

extension FuzzTarget {
    private static let filterSeeds = [
        "", "metrics.auc > 0.5", "metrics.`a b` >= -1e-3 AND params.depth = '3'", "tags.\"mlflow.user\" LIKE '%ann_'", "tags.a ILIKE 'X%'",
        "attributes.run_id IN ('a', 'b',)", "run_id NOT IN ('a')", "tags.t IS NULL", "params.p IS NOT NULL and status != 'FAILED'",
        "name = 'it\\'s'", "start_time<1700000000000", "dataset.name = 'iris'", "metrics.x = .5", "tags.mlflow.source.name='a.py'",
        "version_number = 1", "name == 'a'", "metrics.a <> 1", "params.a = b OR x", "tags.a = 'b", "run_id IN (1, 'a')", "foo.a = 'x'", "(a = 'x')", "'x' = tags.a",
        "tags.a NOT LIKE 'x'", "a RLIKE 'x' AND b = 'y' c = 'z' AND", "metrics.m = 1e309", "`name` = \"b\"", "datasets.digest IN ('x')", "end_time IS NULL",
    ]
    private static let filterWords = [
        " AND ", " IS NOT NULL", " IS NULL", " NOT IN (", " IN ('", " LIKE '", " ILIKE '", "metrics.", "params.", "tags.", "attributes.",
        "dataset.", "run_id", "name", "start_time", "version_number", "!=", ">=", "<=", "=", "''", "`", "\\'", "%", "_", " DESC", " ASC",
        "mlflow.prompt.is_prompt", "'true'", "'false'", "nan", "1e309", "experiment_id", "end_time", "creation_time",
    ]

    /// A filter that is read can be written down and read again as the same.
    static let filter = FuzzTarget(name: "filter", seeds: filterSeeds, words: filterWords) { input in
        try verdict {
            let filter = try FilterParser.filter(String(decoding: input, as: UTF8.self))
            let text = written(filter)
            let again = try mustHold("the filter as it was written is read: \(text)") { try FilterParser.filter(text) }
            try expect(again == filter && written(again) == text, "written again it is another filter: \(text)")
        }
    }

    static let order = FuzzTarget(
        name: "order",
        seeds: ["metrics.auc DESC", "start_time", "params.`a b` ASC", "tags.\"x\" desc", "attributes.run_id asc", "metrics.a.b", "metrics.a UP", "foo.a", "a, b", "'a'"],
        words: filterWords
    ) { input in
        try verdict {
            let term = try FilterParser.sortTerm(String(decoding: input, as: UTF8.self))
            let text = written(term.field) + (term.isAscending ? " ASC" : " DESC")
            let again = try mustHold("the term as it was written is read: \(text)") { try FilterParser.sortTerm(text) }
            try expect(again == term, "written again it is another term: \(text)")
        }
    }

    /// Lines: the filter, then terms of the order, then (behind `@`) a page token.
    ///
    /// Whatever the parser takes and the vocabulary allows is SQL that SQLite prepares and runs; and the SQL is a
    /// function of the filter's shape: another client's texts in the same shape make the same statement.
    static let search = FuzzTarget(
        name: "search",
        seeds: filterSeeds.map { "\($0)\nmetrics.auc DESC\nstart_time" } + ["name = 'a'\nname\n@WyJhIiwiYiJd", "\nparams.x\n@W251bGwsMSwieCJd"],
        words: filterWords + ["\n", "\n@"]
    ) { input in
        try verdict {
            let lines = String(decoding: input, as: UTF8.self).split(separator: "\n", omittingEmptySubsequences: false)
            var members: [String: JSONValue] = ["filter": .string(String(lines.first ?? ""))]
            members["order_by"] = .array(lines.dropFirst().filter { !$0.hasPrefix("@") }.map { .string(String($0)) })
            if let token = lines.last(where: { $0.hasPrefix("@") }) { members["page_token"] = .string(String(token.dropFirst())) }
            let search = try Search(Parameters(members), defaultLimit: 10)
            var isAllowed = false
            var refusal: PlatformError?
            for (target, vocabulary) in SearchSchema.targets {
                do {
                    try vocabulary?.check(search)
                    try SearchSchema.expectStatements(of: search, target)
                    isAllowed = true
                } catch let error as PlatformError {
                    try expect(error.code == .invalidArgument, "\(target.name) refuse with another code: \(error)")
                    refusal = error
                }
            }
            if !isAllowed, let refusal { throw refusal }
        }
    }

    /// The filter in the plainest form of the language.
    private static func written(_ filter: Filter) -> String {
        filter.conditions.map { "\(written($0.field)) \(written($0.comparison))" }.joined(separator: " AND ")
    }

    private static func written(_ field: Filter.Field) -> String {
        let kind =
            switch field.kind {
            case .attribute: "attributes"
            case .metric: "metrics"
            case .parameter: "params"
            case .tag: "tags"
            case .dataset: "datasets"
            }
        return "\(kind).\(quoted(field.key, by: "`"))"
    }

    private static func written(_ comparison: Filter.Comparison) -> String {
        switch comparison {
        case .compare(let comparator, .text(let text)): "\(comparator.rawValue) \(quoted(text, by: "'"))"
        case .compare(let comparator, .number(let number)):
            // The language has no word for infinity, but numbers that are too large.
            "\(comparator.rawValue) \(number.isInfinite ? (number < 0 ? "-1e999" : "1e999") : "\(number)")"
        case .like(let pattern, let ignoresCase): "\(ignoresCase ? "ILIKE" : "LIKE") \(quoted(pattern, by: "'"))"
        case .isIn(let texts): "IN (\(texts.map { quoted($0, by: "'") }.joined(separator: ", ")))"
        case .isNotIn(let texts): "NOT IN (\(texts.map { quoted($0, by: "'") }.joined(separator: ", ")))"
        case .isNull: "IS NULL"
        case .isNotNull: "IS NOT NULL"
        }
    }

    private static func quoted(_ text: String, by quote: String) -> String {
        // Scalar by scalar: a quote with a combining mark behind it is one character to Swift.
        var result = String.UnicodeScalarView()
        for scalar in text.unicodeScalars {
            if scalar == "\\" || String(scalar) == quote { result.append("\\") }
            result.append(scalar)
        }
        return quote + String(result) + quote
    }
}

/// The real schema, empty, to hold statements against.
private enum SearchSchema {
    static let targets: [(SearchTarget, SearchVocabulary?)] = [
        (SQLiteTrackingStore.runTarget, .runs), (SQLiteTrackingStore.experimentTarget, .experiments),
        (SQLiteTrackingStore.loggedModelTarget, nil), (SQLiteTrackingStore.modelTarget, .registeredModels),
        (SQLiteTrackingStore.versionTarget, .modelVersions),
    ]
    private static let database = Result {
        let database = try DatabaseQueue()
        try TrackingSchema.migrator.migrate(database)
        return database
    }

    /// - Throws: What the compiler to SQL refuses, or ``BrokenRule``.
    static func expectStatements(of search: Search, _ target: SearchTarget) throws {
        for isLarge in [false, true] {
            let statements = try compiled(search, target, isLarge: isLarge)
            let twin = try FuzzTarget.mustHold("a filter of the same shape compiles") { try compiled(sameShape(search), target, isLarge: isLarge) }
            try FuzzTarget.expect(statements.map(\.sql) == twin.map(\.sql), "the SQL depends on the client's texts: \(statements.map(\.sql))")
            try database.get().read { db in
                for part in statements {
                    _ = try FuzzTarget.mustHold("SQLite takes the statement \(part.sql)") {
                        try Row.fetchAll(db.makeStatement(sql: part.sql), arguments: StatementArguments(part.arguments + [1]))
                    }
                }
            }
        }
    }

    private static func compiled(_ search: Search, _ target: SearchTarget, isLarge: Bool) throws -> [SearchSQL.Part] {
        var sql = SearchSQL(target)
        try sql.add(search.filter)
        try sql.add(search.order, fallback: [.ascending("\(target.table).id")])
        return try sql.statements(search, isLarge: isLarge)
    }

    /// The same conditions about other keys, with other values.
    private static func sameShape(_ search: Search) -> Search {
        func other(_ field: Filter.Field) -> Filter.Field {
            field.kind == .attribute || field.key == "mlflow.prompt.is_prompt" ? field : Filter.Field(kind: field.kind, key: "other")
        }
        let conditions = search.filter.conditions.map { condition in
            let comparison: Filter.Comparison =
                switch condition.comparison {
                case .compare(let comparator, .text(let text)):
                    .compare(comparator, .text(condition.field.key == "mlflow.prompt.is_prompt" ? text : "other"))
                case .compare(let comparator, .number): .compare(comparator, .number(7))
                case .like(_, let ignoresCase): .like(pattern: "other", ignoresCase: ignoresCase)
                case .isIn(let texts): .isIn(texts.map { _ in "other" })
                case .isNotIn(let texts): .isNotIn(texts.map { _ in "other" })
                case .isNull: .isNull
                case .isNotNull: .isNotNull
                }
            return Filter.Condition(field: other(condition.field), comparison: comparison)
        }
        let order = search.order.map { SortTerm(field: other($0.field), isAscending: $0.isAscending) }
        let values = search.after?.values.map { $0 == .null ? SearchCursor.Value.null : .text("other") }
        return Search(filter: Filter(conditions: conditions), order: order, view: search.view, limit: search.limit, after: values.map { SearchCursor(values: $0) })
    }
}
