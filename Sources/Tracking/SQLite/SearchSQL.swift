import GRDB
import SlipwayCore
import SlipwayTracking

/// How one kind of thing is searched: which attributes are columns, and where its keyed values are.
struct SearchTarget: Sendable {
    /// A table of keyed values: `table.owner = <column>`, with `key` and `value`.
    struct Keyed: Sendable {
        let table: String
        let owner: String
        let column: String
        /// Which of several values of one key an order looks at: the first in this order.
        var first = ""
    }

    let table: String
    /// MLflow's attribute → column. Text unless in ``numbers``.
    let attributes: [String: String]
    let numbers: Set<String>
    let keyed: [Filter.Field.Kind: Keyed]
    /// What messages call it.
    let name: String
    /// Attributes that another table holds → the condition, with one `?`, that finds an equal one by index.
    var lookups: [String: String] = [:]
}

/// A search as SQL with arguments: nothing of the filter's text ever becomes SQL.
struct SearchSQL {
    private(set) var conditions: [String] = []
    private(set) var order: [String] = []
    private(set) var arguments: [any DatabaseValueConvertible] = []
    private var orderArguments: [any DatabaseValueConvertible] = []
    private let target: SearchTarget
    /// Marks the registry's entries that are prompts, which MLflow keeps among the models.
    private static let promptTag = "mlflow.prompt.is_prompt"

    init(_ target: SearchTarget) {
        self.target = target
    }

    mutating func add(_ condition: String, _ values: [any DatabaseValueConvertible] = []) {
        conditions.append(condition)
        arguments += values
    }

    mutating func add(_ filter: Filter) throws(PlatformError) {
        for condition in filter.conditions { try add(condition) }
    }

    mutating func add(_ terms: [SortTerm], fallback: String) throws(PlatformError) {
        for term in terms {
            let direction = term.isAscending ? "ASC" : "DESC"
            let column: String
            if term.field.kind == .attribute {
                column = try self.column(of: term.field)
            } else {
                // Not a join: a key with several values would show its owner several times.
                let keyed = try self.keyed(term.field)
                column = "(SELECT k.value FROM \(keyed.table) k WHERE k.\(keyed.owner) = \(keyed.column) AND k.key = ?\(keyed.first) LIMIT 1)"
                orderArguments.append(term.field.key)
            }
            // What has no value (or NaN) comes last in both directions.
            order.append("\(column) \(direction) NULLS LAST")
        }
        order.append(fallback)
    }

    /// The whole statement. One row more than the limit is asked for, to know whether a page follows.
    func statement(_ search: Search) -> (sql: String, arguments: StatementArguments) {
        let whereClause = conditions.isEmpty ? "" : " WHERE " + conditions.joined(separator: " AND ")
        let sql = "SELECT \(target.table).* FROM \(target.table)\(whereClause) ORDER BY \(order.joined(separator: ", ")) LIMIT ? OFFSET ?"
        let all = arguments + orderArguments + [search.limit + 1, search.offset]
        return (sql, StatementArguments(all))
    }

    private func column(of field: Filter.Field) throws(PlatformError) -> String {
        guard let column = target.attributes[field.key] else {
            throw PlatformError(
                .invalidArgument,
                "Invalid attribute key '\(field.key.prefix(100))' for \(target.name) specified. Valid keys are \(target.attributes.keys.sorted().map { "'\($0)'" }.joined(separator: ", "))"
            )
        }
        return column
    }

    private func keyed(_ field: Filter.Field) throws(PlatformError) -> SearchTarget.Keyed {
        guard let keyed = target.keyed[field.kind] else {
            throw PlatformError(.invalidArgument, "Invalid entity type '\(field.kind.rawValue)' for \(target.name)")
        }
        return keyed
    }

    private mutating func add(_ condition: Filter.Condition) throws(PlatformError) {
        let field = condition.field
        guard field.kind != .attribute else {
            let column = try self.column(of: field)
            if let lookup = target.lookups[field.key], case .compare(.equal, .text(let text)) = condition.comparison {
                return add(lookup, [text])
            }
            let isNumber = target.numbers.contains(field.key)
            let (sql, values) = try Self.compare(column, condition, isNumber: isNumber)
            return add(sql, values)
        }
        let keyed = try self.keyed(field)
        let source = "SELECT 1 FROM \(keyed.table) k WHERE k.\(keyed.owner) = \(keyed.column) AND k.key = ?"
        switch condition.comparison {
        case .compare(.notEqual, .text("true")) where field.key == Self.promptTag,
            .compare(.equal, .text("false")) where field.key == Self.promptTag:
            // The client adds this to every registry search; models without the tag are no prompts.
            add("NOT EXISTS (\(source) AND k.value = 'true')", [field.key])
        case .isNull: add("NOT EXISTS (\(source))", [field.key])
        case .isNotNull: add("EXISTS (\(source))", [field.key])
        default:
            let (sql, values) = try Self.compare("k.value", condition, isNumber: field.kind == .metric)
            add("EXISTS (\(source) AND \(sql))", [field.key] + values)
        }
    }

    private static func compare(
        _ column: String,
        _ condition: Filter.Condition,
        isNumber: Bool
    ) throws(PlatformError) -> (String, [any DatabaseValueConvertible]) {
        let key = condition.field.key
        switch condition.comparison {
        case .compare(let comparator, let value):
            switch (value, isNumber) {
            case (.number(let number), true): return ("\(column) \(comparator.rawValue) ?", [number])
            case (.text(let text), false):
                guard comparator == .equal || comparator == .notEqual else {
                    throw PlatformError(.invalidArgument, "Invalid comparator '\(comparator.rawValue)' for '\(key)': text is compared with =, !=, LIKE, ILIKE or IN")
                }
                return ("\(column) \(comparator.rawValue) ?", [text])
            case (.text, true):
                throw PlatformError(.invalidArgument, "Expected a numeric value for '\(key)'")
            case (.number(let number), false):
                throw PlatformError(.invalidArgument, "Expected a quoted string value for '\(key)'. Got value \(number)")
            }
        case .like(let pattern, let ignoresCase):
            guard !isNumber else { throw PlatformError(.invalidArgument, "Invalid comparator 'LIKE' for the number '\(key)'") }
            // SQLite's LIKE ignores case; GLOB does not, and has other wildcards.
            guard !ignoresCase else { return ("\(column) LIKE ?", [pattern]) }
            return ("\(column) GLOB ?", [glob(pattern)])
        case .isIn(let values): return ("\(column) IN (\(marks(values)))", values)
        case .isNotIn(let values): return ("\(column) NOT IN (\(marks(values)))", values)
        case .isNull: return ("\(column) IS NULL", [])
        case .isNotNull: return ("\(column) IS NOT NULL", [])
        }
    }

    private static func marks(_ values: [String]) -> String {
        values.map { _ in "?" }.joined(separator: ", ")
    }

    /// A LIKE pattern as GLOB: `%` → `*`, `_` → `?`, GLOB's own signs escaped.
    static func glob(_ pattern: String) -> String {
        var result = ""
        for character in pattern {
            switch character {
            case "%": result += "*"
            case "_": result += "?"
            case "*", "?", "[": result += "[\(character)]"
            default: result.append(character)
            }
        }
        return result
    }
}

extension Database {
    /// Runs a search and turns one row more than asked for into the token of the next page.
    func page<Item: Sendable>(
        _ sql: SearchSQL,
        _ search: Search,
        _ item: (Database, Row) throws -> Item
    ) throws -> Page<Item> {
        let (statement, arguments) = sql.statement(search)
        let rows = try Row.fetchAll(self, sql: statement, arguments: arguments)
        let items = try rows.prefix(search.limit).map { try item(self, $0) }
        return Page(items: items, nextToken: rows.count > search.limit ? "\(search.offset + search.limit)" : nil)
    }

    /// The keyed values of one owner.
    func keyed(_ table: String, _ column: String, _ owner: some DatabaseValueConvertible) throws -> [String: String] {
        let rows = try Row.fetchAll(self, sql: "SELECT key, value FROM \(table) WHERE \(column) = ?", arguments: [owner])
        return Dictionary(rows.map { ($0["key"], $0["value"]) }, uniquingKeysWith: { _, last in last })
    }

    func setKeyed(_ table: String, _ column: String, _ owner: some DatabaseValueConvertible, _ values: [String: String]) throws {
        for (key, value) in values {
            try execute(
                sql: "INSERT INTO \(table) (\(column), key, value) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET value = excluded.value",
                arguments: [owner, key, value]
            )
        }
    }
}
