public import SlipwayCore

/// The words of MLflow's refusals, which differ from one search to the other.
///
/// People read them in tracebacks and search the web for them. A Python set in them has no order: ours is sorted.
public enum FilterWords: Sendable {
    /// The search for runs (and for logged models).
    case runs
    case experiments
    case registeredModels
    case modelVersions

    /// What is no condition, each in the words of the client.
    func clauses(_ pieces: [String]) -> PlatformError {
        let shown = pieces.map { piece in self == .runs ? "'\(piece.prefix(Self.shownMax))'" : String(piece.prefix(Self.shownMax)) }
        let rest = shown.count > Self.piecesMax ? ", …" : ""
        return refusal("Invalid clause(s) in filter string: \(shown.prefix(Self.piecesMax).joined(separator: ", "))\(rest)")
    }

    public func entity(_ name: String) -> PlatformError {
        let valid = self == .runs ? "values are ['metric', 'parameter', 'tag', 'attribute', 'dataset']" : "entity types are ('attribute', 'tag', 'tags')"
        return refusal("Invalid entity type '\(name.prefix(Self.shownMax))'. Valid \(valid)")
    }

    /// - Parameter isNumber: Whether the field is an attribute that is a number.
    public func comparator(_ name: String, of field: Filter.Field, isNumber: Bool) -> PlatformError {
        switch self {
        case .runs: break
        case .experiments where field.kind == .attribute: break
        case .modelVersions where isNumber: return refusal("Invalid comparator for attribute \(field.key): \(name)")
        case .experiments, .registeredModels, .modelVersions: return refusal("Invalid comparator for \(field.kind.rawValue): \(name)")
        }
        let valid: [String]
        // Whether the list ends with a quote as it begins with one.
        let endsQuoted: Bool
        switch field.kind {
        case .metric: (valid, endsQuoted) = (Self.numeric, false)
        case .parameter: (valid, endsQuoted) = (["=", "!=", "LIKE", "ILIKE", "IS NULL", "IS NOT NULL"], true)
        case .tag: (valid, endsQuoted) = (["=", "!=", "LIKE", "ILIKE", "IS NULL", "IS NOT NULL"], false)
        case .attribute: (valid, endsQuoted) = (Self.textual, !isNumber)
        case .dataset: (valid, endsQuoted) = (Self.textual, false)
        }
        return refusal("Invalid comparator '\(name)' not one of '\(Self.set(valid))\(endsQuoted ? "'" : "")")
    }

    /// A value that is a word instead of a number or of a text in quotes.
    func unquoted(_ value: String, for field: Filter.Field) -> PlatformError {
        switch field.kind {
        case .metric: refusal("Expected numeric value type for metric. Found \(value.prefix(Self.shownMax))")
        case .attribute where Self.numbers.contains(field.key):
            refusal("Expected numeric value type for numeric attribute: \(field.key). Found \(value.prefix(Self.shownMax))")
        case .attribute, .parameter, .tag, .dataset:
            refusal(
                "Parameter value is either not quoted or unidentified quote types used for string value \(value.prefix(Self.shownMax)). "
                    + "Use either single or double quotes."
            )
        }
    }

    /// A number (or a list) where a text must be.
    public func notText(_ value: String, for field: Filter.Field) -> PlatformError {
        switch (field.kind, self) {
        case (.dataset, _): refusal("Expected a quoted string value for dataset attributes. Got value \(value.prefix(Self.shownMax))")
        case (.attribute, .registeredModels):
            refusal("Expected a quoted string value or a list of quoted string values for attributes. Got value \(value.prefix(Self.shownMax))")
        case (.attribute, .modelVersions):
            refusal(
                "Only the '\(Self.set(["creation_timestamp", "last_updated_timestamp", "version_number"]))' attributes support comparison with numeric values."
            )
        case (.attribute, _): refusal("Expected a quoted string value for attributes. Got value \(value.prefix(Self.shownMax))")
        default: refusal("Expected a quoted string value for \(field.kind.rawValue) (e.g. 'my-value'). Got value \(value.prefix(Self.shownMax))")
        }
    }

    /// - Parameter items: What is between the parentheses.
    func list(_ items: [String], for field: Filter.Field) -> PlatformError {
        if field.kind == .attribute, Self.numbers.contains(field.key) {
            guard self != .modelVersions else {
                return refusal("Only ['name', 'run_id'] attributes support comparison with a list of quoted string values.")
            }
            return unquoted("(\(items.joined(separator: ", ")))", for: field)
        }
        let what = "While parsing a list in the query, expected"
        guard let first = items.first else { return refusal("\(what) a non-empty list of string values, but got empty list") }
        let shown = items.count == 1 ? "\(first)," : items.joined(separator: ", ")
        return refusal("\(what) string value, punctuation, or whitespace, but got different type in list: (\(shown.prefix(Self.shownMax)))")
    }

    /// A set as Python shows it.
    public static func set(_ items: [String]) -> String {
        "{\(items.sorted().map { "'\($0)'" }.joined(separator: ", "))}"
    }

    private func refusal(_ words: String) -> PlatformError {
        PlatformError(.invalidArgument, words)
    }

    private static let numeric = ["<", "<=", "=", "!=", ">", ">="]
    private static let textual = ["=", "!=", "LIKE", "ILIKE", "IN", "NOT IN"]
    private static let numbers: Set<String> = [
        "start_time", "end_time", "created", "Created", "creation_time", "last_update_time", "creation_timestamp", "last_updated_timestamp",
        "version_number",
    ]
    /// Of a client's text, in characters; and of its pieces.
    private static let shownMax = 300
    private static let piecesMax = 20
}
