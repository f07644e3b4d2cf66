import SlipwayCore
import SlipwayTracking

/// What may be asked in a search of one kind of thing.
///
/// The store could answer more than MLflow does; a client that relies on it would break on MLflow's server,
/// so that the same is refused here, in the same words where those are not a set in Python's order.
struct SearchVocabulary: Sendable {
    /// Entities that conditions look at, and how messages list them.
    var kinds: Set<Filter.Field.Kind>
    /// Attributes in conditions; nil: whatever the store has.
    var attributes: [String]?
    /// Attributes in `order_by`.
    var orders: [String]
    /// Whether `order_by` takes metrics, parameters and tags too.
    var ordersByValues = false
    /// Entities that may be asked for IS NULL.
    var nullable: Set<Filter.Field.Kind> = []
    /// Attributes that may be compared with a list, and whether datasets may.
    var lists: Set<String> = []
    var listsDatasets = false
    /// Attributes that are numbers.
    var numbers: Set<String> = []

    static let runs = SearchVocabulary(
        kinds: [.attribute, .metric, .parameter, .tag, .dataset],
        attributes: [
            "artifact_uri", "created", "Created", "end_time", "run name", "Run name", "Run Name", "run_id", "run_name", "start_time", "status",
            "user_id",
        ],
        orders: ["artifact_uri", "created", "Created", "end_time", "run_id", "run_name", "start_time", "status", "user_id"],
        ordersByValues: true,
        nullable: [.parameter, .tag],
        lists: ["run_id"],
        listsDatasets: true,
        numbers: ["created", "Created", "end_time", "start_time"]
    )

    static let experiments = SearchVocabulary(
        kinds: [.attribute, .tag],
        attributes: nil,
        orders: ["creation_time", "experiment_id", "last_update_time", "name"],
        nullable: [.tag],
        lists: ["name", "experiment_id"],
        numbers: ["creation_time", "last_update_time"]
    )

    static let registeredModels = SearchVocabulary(
        kinds: [.attribute, .tag],
        attributes: ["name"],
        orders: ["last_updated_timestamp", "name", "timestamp"],
        nullable: [.tag],
        lists: ["name"]
    )

    static let modelVersions = SearchVocabulary(
        kinds: [.attribute, .tag],
        attributes: ["name", "run_id", "source_path", "version_number"],
        orders: ["creation_timestamp", "last_updated_timestamp", "name", "version_number"],
        nullable: [.tag],
        lists: ["name", "run_id", "source_path"],
        numbers: ["version_number"]
    )

    func check(_ search: Search) throws(PlatformError) {
        for condition in search.filter.conditions { try check(condition) }
        for term in search.order {
            guard term.field.kind != .attribute else {
                guard orders.contains(term.field.key) else {
                    throw refusal("Invalid order by key '\(term.field.key)' specified. Valid keys are \(Self.list(orders))")
                }
                continue
            }
            guard ordersByValues, term.field.kind != .dataset else { throw refusal("Invalid order_by entity: \(term.field.kind.rawValue)") }
        }
    }

    private func check(_ condition: Filter.Condition) throws(PlatformError) {
        let field = condition.field
        guard kinds.contains(field.kind) else {
            throw refusal("Invalid entity type '\(field.kind.rawValue)'. Valid entity types are \(Self.list(kinds.map(\.rawValue).sorted()))")
        }
        if field.kind == .attribute, let attributes, !attributes.contains(field.key) {
            throw refusal("Invalid attribute key '\(field.key.prefix(100))' specified. Valid keys are \(Self.list(attributes))")
        }
        if field.kind == .dataset, !Self.datasetKeys.contains(field.key) {
            throw refusal("Invalid dataset key '\(field.key.prefix(100))' specified. Valid keys are \(Self.list(Self.datasetKeys))")
        }
        switch condition.comparison {
        case .isNull, .isNotNull:
            guard nullable.contains(field.kind) else {
                throw refusal(
                    "IS NULL / IS NOT NULL is only supported for tags and params, not for '\(field.kind.rawValue)' '\(field.key.prefix(100))'"
                )
            }
        case .isIn, .isNotIn:
            switch field.kind {
            case .attribute where lists.contains(field.key): return
            case .dataset where listsDatasets: return
            case .attribute: throw refusal("Only \(Self.list(lists.sorted())) attributes support comparison with a list of quoted string values.")
            default: throw refusal("Expected a quoted string value for \(field.kind.rawValue) (e.g. 'my-value'). Got a list")
            }
        case .compare(_, let value): try check(value, of: field)
        case .like(let pattern, _): try check(.text(pattern), of: field)
        }
    }

    /// Numbers for numbers, texts for texts, in the words of the search for runs.
    private func check(_ value: Filter.Value, of field: Filter.Field) throws(PlatformError) {
        switch (field.kind, value) {
        case (.metric, .text(let text)): throw refusal("Expected numeric value type for metric. Found '\(text.prefix(100))'")
        case (.attribute, .text(let text)) where numbers.contains(field.key):
            throw refusal("Expected numeric value type for numeric attribute: \(field.key). Found '\(text.prefix(100))'")
        case (.parameter, .number(let number)), (.tag, .number(let number)):
            let shown = Int64(exactly: number).map { "\($0)" } ?? "\(number)"
            throw refusal("Expected a quoted string value for \(field.kind.rawValue) (e.g. 'my-value'). Got value \(shown)")
        default: return
        }
    }

    private static let datasetKeys = ["context", "digest", "name"]

    private static func list(_ names: [String]) -> String {
        "[\(names.map { "'\($0)'" }.joined(separator: ", "))]"
    }

    private func refusal(_ words: String) -> PlatformError {
        PlatformError(.invalidArgument, words)
    }
}
