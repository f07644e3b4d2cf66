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
        var value = "k.value"
        /// What an index needs to be told, beside owner and key.
        var also = ""
        /// Whether the table has an index by key, value and owner, and one value a key.
        var isIndexedByValue = false
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
    /// Attributes that may be missing.
    var optional: Set<String> = []
}

/// One thing that a search is ordered by.
struct SearchOrder: Sendable {
    let sql: String
    var arguments: [String] = []
    var isAscending = true
    /// Whether it may be missing; what has no value (or NaN) comes last in both directions.
    var isNullable = false
    /// The table of keyed values that it is from, when an index has them in order.
    var indexed: SearchTarget.Keyed?

    static func ascending(_ column: String) -> SearchOrder { SearchOrder(sql: column) }
    static func descending(_ column: String) -> SearchOrder { SearchOrder(sql: column, isAscending: false) }
}

/// A search as SQL with arguments: nothing of the filter's text ever becomes SQL.
///
/// What it is ordered by is selected too, as `order0`, `order1`…: the last row's values are where the next
/// page begins.
struct SearchSQL {
    private struct Condition {
        let sql: String
        /// The same of one owner, which this expression names: for when candidates come one by one and few
        /// are looked at.
        var each: ((_ owner: String) -> String)?
        let arguments: [any DatabaseValueConvertible]
    }

    private var conditions: [Condition] = []
    private var order: [SearchOrder] = []
    private let target: SearchTarget
    /// Marks the registry's entries that are prompts, which MLflow keeps among the models.
    private static let promptTag = "mlflow.prompt.is_prompt"

    init(_ target: SearchTarget) {
        self.target = target
    }

    mutating func add(_ condition: String, _ values: [any DatabaseValueConvertible] = []) {
        conditions.append(Condition(sql: condition, arguments: values))
    }

    mutating func add(_ filter: Filter) throws(PlatformError) {
        for condition in filter.conditions { try add(condition) }
    }

    /// - Parameter fallback: What decides between equals; its last one is different for every row, and none
    ///   of it is ever missing.
    mutating func add(_ terms: [SortTerm], fallback: [SearchOrder]) throws(PlatformError) {
        for term in terms {
            if term.field.kind == .attribute {
                let column = try self.column(of: term.field)
                order.append(.init(sql: column, isAscending: term.isAscending, isNullable: target.optional.contains(term.field.key)))
            } else {
                // Not a join: a key with several values would show its owner several times.
                let keyed = try self.keyed(term.field)
                let value = "(SELECT \(keyed.value) FROM \(keyed.table) k WHERE k.\(keyed.owner) = \(keyed.column) AND k.key = ?\(keyed.also)\(keyed.first) LIMIT 1)"
                order.append(.init(sql: value, arguments: [term.field.key], isAscending: term.isAscending, isNullable: true, indexed: keyed.isIndexedByValue ? keyed : nil))
            }
        }
        order += fallback
    }

    typealias Part = (sql: String, arguments: [any DatabaseValueConvertible])

    /// The search as statements to be run one after the other until the page is full; each lacks its limit,
    /// the last argument.
    ///
    /// - Parameter isLarge: Whether there are too many candidates to look at all of them. Then what is ordered
    ///   by a keyed value is read in the order of that value's index, and those that lack it come in a second
    ///   statement.
    /// - Throws: `invalid_argument` for the cursor of a search that is ordered by other things.
    func statements(_ search: Search, isLarge: Bool) throws(PlatformError) -> [Part] {
        if let cursor = search.after, cursor.values.count != order.count {
            throw PlatformError(.invalidArgument, "Invalid page token: it is another search's")
        }
        let values = search.after?.values
        guard isLarge, let first = order.first, let keyed = first.indexed else {
            return [statement(from: target.table, conditions.map { ($0.sql, $0.arguments) }, order, after: values)]
        }
        let each = { (owner: String) -> [Part] in conditions.map { ($0.each?(owner) ?? $0.sql, $0.arguments) } }
        var parts: [Part] = []
        if values?.first != .null {
            var inOrder = order
            inOrder[0] = SearchOrder(sql: "k0.value", isAscending: first.isAscending)
            let from = "\(keyed.table) k0 CROSS JOIN \(target.table) ON \(keyed.column) = k0.\(keyed.owner)"
            // Asked of the index's row and not of the owner's: an owner that fails is never fetched.
            let conditions = each("k0.\(keyed.owner)")
            parts.append(statement(from: from, [("k0.key = ? AND k0.value IS NOT NULL", first.arguments)] + conditions, inOrder, after: values))
        }
        var without = order
        without[0] = SearchOrder(sql: "NULL", isNullable: true)
        let missing = "NOT EXISTS (SELECT 1 FROM \(keyed.table) k WHERE k.\(keyed.owner) = \(keyed.column) AND k.key = ? AND k.value IS NOT NULL)"
        parts.append(statement(from: target.table, each(keyed.column) + [(missing, first.arguments)], without, after: values?.first == .null ? values : nil))
        return parts
    }

    private func statement(from: String, _ conditions: [Part], _ order: [SearchOrder], after cursor: [SearchCursor.Value]?) -> Part {
        var conditions = conditions
        if let cursor {
            if let bound = Self.bound(order.first, cursor.first) { conditions.append(bound) }
            conditions.append(Self.after(cursor[...], order))
        }
        let columns = order.enumerated().map { ", \($1.sql) AS order\($0)" }.joined()
        let whereClause = conditions.isEmpty ? "" : " WHERE " + conditions.map(\.sql).joined(separator: " AND ")
        let terms = order.enumerated().map { "order\($0) \($1.isAscending ? "ASC" : "DESC")\($1.isNullable ? " NULLS LAST" : "")" }
        return (
            "SELECT \(target.table).*\(columns) FROM \(from)\(whereClause) ORDER BY \(terms.joined(separator: ", ")) LIMIT ?",
            order.flatMap(\.arguments) + conditions.flatMap(\.arguments)
        )
    }

    /// Where the page that ends with this row ends.
    func cursor(_ row: Row) -> SearchCursor {
        SearchCursor(
            values: order.indices.map { index in
                switch (row["order\(index)"] as DatabaseValue).storage {
                case .int64(let number): .integer(number)
                case .double(let number): .real(number)
                case .string(let text): .text(text)
                case .null, .blob: .null
                }
            }
        )
    }

    /// "After these values", for those of `order` that they belong to: after the first, or level with it
    /// and after the rest.
    private static func after(_ values: ArraySlice<SearchCursor.Value>, _ order: [SearchOrder]) -> Part {
        guard let value = values.first else { return ("0", []) }
        let name = "order\(values.startIndex)"
        let term = order[values.startIndex]
        let rest = after(values.dropFirst(), order)
        guard value != .null else { return ("(\(name) IS NULL AND \(rest.sql))", rest.arguments) }
        let missing = term.isNullable ? " OR \(name) IS NULL" : ""
        let sql = "(\(name) \(term.isAscending ? ">" : "<") ?\(missing) OR (\(name) = ? AND \(rest.sql)))"
        return (sql, [value.database, value.database] + rest.arguments)
    }

    /// What an index can seek to; ``after(_:_:)`` says the rest.
    private static func bound(_ term: SearchOrder?, _ value: SearchCursor.Value?) -> Part? {
        guard let term, let value, !term.isNullable, value != .null else { return nil }
        return ("order0 \(term.isAscending ? ">=" : "<=") ?", [value.database])
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

    private mutating func add(_ asked: Filter.Condition) throws(PlatformError) {
        let field = asked.field
        guard field.kind != .attribute else {
            let column = try self.column(of: field)
            if let lookup = target.lookups[field.key], case .compare(.equal, .text(let text)) = asked.comparison {
                return add(lookup, [text])
            }
            let isNumber = target.numbers.contains(field.key)
            let (sql, values) = try Self.compare(column, asked, isNumber: isNumber)
            return add(sql, values)
        }
        let keyed = try self.keyed(field)
        let source = { (owner: String) in "SELECT 1 FROM \(keyed.table) k WHERE k.\(keyed.owner) = \(owner) AND k.key = ?\(keyed.also)" }
        let condition = { (sql: @escaping (String) -> String, arguments: [any DatabaseValueConvertible]) in
            Condition(sql: sql(source(keyed.column)), each: { sql(source($0)) }, arguments: arguments)
        }
        switch asked.comparison {
        case .compare(.notEqual, .text("true")) where field.key == Self.promptTag,
            .compare(.equal, .text("false")) where field.key == Self.promptTag:
            // The client adds this to every registry search; models without the tag are no prompts.
            conditions.append(condition({ "NOT EXISTS (\($0) AND k.value = 'true')" }, [field.key]))
        case .isNull: conditions.append(condition({ "NOT EXISTS (\($0))" }, [field.key]))
        case .isNotNull: conditions.append(condition({ "EXISTS (\($0))" }, [field.key]))
        default:
            let (sql, values) = try Self.compare(keyed.value, asked, isNumber: field.kind == .metric)
            // Few have one value: found by it. A range or a pattern is looked at owner by owner.
            if case .compare(.equal, .text) = asked.comparison {
                let isIn = "\(keyed.column) IN (SELECT k.\(keyed.owner) FROM \(keyed.table) k WHERE k.key = ?\(keyed.also) AND \(sql))"
                conditions.append(Condition(sql: isIn, each: { "EXISTS (\(source($0)) AND \(sql))" }, arguments: [field.key] + values))
            } else {
                conditions.append(condition({ "EXISTS (\($0) AND \(sql))" }, [field.key] + values))
            }
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
            case (.number(let number), true) where comparator == .notEqual && condition.field.kind == .metric:
                return ("\(column) IS NOT ?", [number])  // NaN, which is NULL, is another number than any.
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
        isLarge: Bool = false,
        _ items: (Database, ArraySlice<Row>) throws -> [Item]
    ) throws -> Page<Item> {
        var rows: [Row] = []
        for part in try sql.statements(search, isLarge: isLarge) where rows.count <= search.limit {
            // One more than the page, to know whether another follows.
            let arguments = part.arguments + [search.limit + 1 - rows.count]
            rows += try Row.fetchAll(cachedStatement(sql: part.sql), arguments: StatementArguments(arguments))
        }
        let page = rows.prefix(search.limit)
        return Page(items: try items(self, page), nextToken: rows.count > search.limit ? page.last.map { sql.cursor($0).token } : nil)
    }

    /// The keyed values of one owner.
    func keyed(_ table: String, _ column: String, _ owner: some DatabaseValueConvertible) throws -> [String: String] {
        let rows = try Row.fetchAll(cachedStatement(sql: "SELECT key, value FROM \(table) WHERE \(column) = ?"), arguments: [owner])
        return Dictionary(rows.map { ($0["key"], $0["value"]) }, uniquingKeysWith: { _, last in last })
    }

    func setKeyed(_ table: String, _ column: String, _ owner: some DatabaseValueConvertible, _ values: [String: String]) throws {
        guard !values.isEmpty else { return }
        let statement = try cachedStatement(
            sql: "INSERT INTO \(table) (\(column), key, value) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET value = excluded.value"
        )
        for (key, value) in values { try statement.execute(arguments: [owner, key, value]) }
    }
}

extension SearchCursor.Value {
    fileprivate var database: DatabaseValue {
        switch self {
        case .null: .null
        case .integer(let number): number.databaseValue
        case .real(let number): number.databaseValue
        case .text(let text): text.databaseValue
        }
    }
}
