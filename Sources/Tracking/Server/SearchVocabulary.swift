import SlipwayCore
import SlipwayTracking

/// What may be asked in a search of one kind of thing.
///
/// The store could answer more than MLflow does; a client that relies on it would break on MLflow's server,
/// so that the same is refused here, in the same words where those are not a set in Python's order.
struct SearchVocabulary: Sendable {
    /// How this search refuses.
    var words: FilterWords
    /// Entities that conditions look at.
    var kinds: Set<Filter.Field.Kind>
    /// Attributes in conditions; nil: whatever the store has.
    var attributes: [String]?
    /// Attributes in `order_by`.
    var orders: [String]
    /// Entities that may be asked for IS NULL.
    var nullable: Set<Filter.Field.Kind> = []
    /// Attributes that may be compared with a list, and whether datasets may.
    var lists: Set<String> = []
    var listsDatasets = false
    /// Attributes that are numbers.
    var numbers: Set<String> = []

    static let runs = SearchVocabulary(
        words: .runs,
        kinds: [.attribute, .metric, .parameter, .tag, .dataset],
        attributes: [
            "artifact_uri", "created", "Created", "end_time", "run name", "Run name", "Run Name", "run_id", "run_name", "start_time", "status",
            "user_id",
        ],
        orders: ["artifact_uri", "created", "Created", "end_time", "run_id", "run_name", "start_time", "status", "user_id"],
        nullable: [.parameter, .tag],
        lists: ["run_id"],
        listsDatasets: true,
        numbers: ["created", "Created", "end_time", "start_time"]
    )

    static let experiments = SearchVocabulary(
        words: .experiments,
        kinds: [.attribute, .tag],
        attributes: ["creation_time", "experiment_id", "last_update_time", "name"],
        orders: ["creation_time", "experiment_id", "last_update_time", "name"],
        nullable: [.tag],
        lists: ["experiment_id"],
        numbers: ["creation_time", "last_update_time"]
    )

    static let registeredModels = SearchVocabulary(
        words: .registeredModels,
        kinds: [.attribute, .tag],
        attributes: ["name"],
        orders: ["last_updated_timestamp", "name", "timestamp"],
        nullable: [.tag],
        lists: ["name"]
    )

    static let modelVersions = SearchVocabulary(
        words: .modelVersions,
        kinds: [.attribute, .tag],
        attributes: ["name", "run_id", "source_path", "version_number"],
        orders: ["creation_timestamp", "last_updated_timestamp", "name", "version_number"],
        nullable: [.tag],
        lists: ["name", "run_id"],
        numbers: ["version_number"]
    )

    func check(_ search: Search) throws(PlatformError) {
        for condition in search.filter.conditions { try check(condition) }
        for term in search.order { try check(term.field) }
    }

    /// A field to order by.
    private func check(_ field: Filter.Field) throws(PlatformError) {
        switch (words, field.kind) {
        case (_, .attribute) where orders.contains(field.key): return
        case (.runs, .attribute), (.experiments, .attribute), (.modelVersions, .attribute): throw unknown(field.key, orders)
        case (.runs, .dataset): throw refusal("Invalid identifier type 'dataset'")
        case (.runs, _): return
        case (.experiments, .tag): throw refusal("Invalid order_by entity: tag")
        case (.experiments, _): throw words.entity(Self.plural(field.kind))
        case (.registeredModels, _):
            let name = field.kind == .attribute ? field.key : "\(Self.plural(field.kind)).\(field.key)"
            // What it recommends, which is less than it takes.
            throw refusal("Invalid order by key '\(name.prefix(100))' specified. Valid keys are '\(FilterWords.set(["name", "timestamp"]))'")
        case (.modelVersions, _):
            throw refusal("Invalid order by key '\(field.key.prefix(100))' specified. Valid keys are \(FilterWords.set(orders))")
        }
    }

    private func check(_ condition: Filter.Condition) throws(PlatformError) {
        let field = condition.field
        guard kinds.contains(field.kind) else { throw words.entity(Self.plural(field.kind)) }
        if field.kind == .attribute, let attributes, !attributes.contains(field.key) { throw unknown(field.key, attributes) }
        if field.kind == .dataset, !Self.datasetKeys.contains(field.key) {
            throw refusal("Invalid dataset key '\(field.key.prefix(100))' specified. Valid keys are '\(FilterWords.set(Self.datasetKeys))'")
        }
        let isNumber = field.kind == .metric || (field.kind == .attribute && numbers.contains(field.key))
        switch condition.comparison {
        case .isNull, .isNotNull:
            guard nullable.contains(field.kind) else {
                let which = nullable.contains(.parameter) ? "tags and params, not for '\(field.kind.rawValue)'" : "tags, not for \(field.kind.rawValue)"
                throw refusal("IS NULL / IS NOT NULL is only supported for \(which) '\(field.key.prefix(100))'")
            }
        case .isIn(let items), .isNotIn(let items):
            let shown = "(\(items.map { "'\($0)'" }.joined(separator: ", ")))"
            switch field.kind {
            case .attribute where lists.contains(field.key): return
            case .dataset where listsDatasets: return
            case .attribute where isNumber && words != .modelVersions: throw notNumber(shown, field)
            case .attribute: throw refusal("Only \(Self.list(lists.sorted())) attributes support comparison with a list of quoted string values.")
            case .metric: throw notNumber(shown, field)
            default: throw words.notText(shown, for: field)
            }
        case .compare(let comparator, let value):
            try check(value, of: field, isNumber: isNumber)
            guard isNumber || comparator == .equal || comparator == .notEqual else {
                throw words.comparator(comparator.rawValue, of: field, isNumber: false)
            }
        case .like(let pattern, let ignoresCase):
            guard words != .modelVersions || !isNumber else {
                throw words.comparator(ignoresCase ? "ILIKE" : "LIKE", of: field, isNumber: true)
            }
            try check(.text(pattern), of: field, isNumber: isNumber)
        }
    }

    /// Numbers for numbers, texts for texts.
    private func check(_ value: Filter.Value, of field: Filter.Field, isNumber: Bool) throws(PlatformError) {
        switch value {
        case .text(let text) where isNumber: throw notNumber("'\(text)'", field)
        case .number(let number) where !isNumber: throw words.notText(Int64(exactly: number).map { "\($0)" } ?? "\(number)", for: field)
        default: return
        }
    }

    private func notNumber(_ shown: String, _ field: Filter.Field) -> PlatformError {
        switch (words, field.kind) {
        case (_, .metric): refusal("Expected numeric value type for metric. Found \(shown.prefix(100))")
        case (.modelVersions, _): refusal("Invalid value for numeric attribute '\(field.key)': \(shown.prefix(100))")
        default: refusal("Expected numeric value type for numeric attribute: \(field.key). Found \(shown.prefix(100))")
        }
    }

    private func unknown(_ key: String, _ valid: [String]) -> PlatformError {
        refusal("Invalid attribute key '\(key.prefix(100))' specified. Valid keys are '\(FilterWords.set(valid))'")
    }

    private static let datasetKeys = ["context", "digest", "name"]

    /// As clients mostly write it.
    private static func plural(_ kind: Filter.Field.Kind) -> String {
        switch kind {
        case .attribute: "attribute"
        case .metric: "metrics"
        case .parameter: "params"
        case .tag: "tags"
        case .dataset: "datasets"
        }
    }

    private static func list(_ names: [String]) -> String {
        "[\(names.map { "'\($0)'" }.joined(separator: ", "))]"
    }

    private func refusal(_ words: String) -> PlatformError {
        PlatformError(.invalidArgument, words)
    }
}
