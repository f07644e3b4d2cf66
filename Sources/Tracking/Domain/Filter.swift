/// A search filter, parsed: conditions that must all hold.
public struct Filter: Sendable, Hashable {
    public var conditions: [Condition]

    public static let everything = Filter(conditions: [])

    public init(conditions: [Condition]) {
        self.conditions = conditions
    }

    public struct Condition: Sendable, Hashable {
        public let field: Field
        public let comparison: Comparison

        public init(field: Field, comparison: Comparison) {
            self.field = field
            self.comparison = comparison
        }
    }

    /// What a condition or an order looks at.
    public struct Field: Sendable, Hashable {
        public enum Kind: String, Sendable, Hashable, CaseIterable {
            case attribute
            case metric
            case parameter
            case tag
            case dataset
        }

        public let kind: Kind
        public let key: String

        public init(kind: Kind, key: String) {
            self.kind = kind
            self.key = key
        }
    }

    public enum Comparison: Sendable, Hashable {
        case compare(Operator, Value)
        case like(pattern: String, ignoresCase: Bool)
        case isIn([String])
        case isNotIn([String])
        case isNull
        case isNotNull
    }

    public enum Operator: String, Sendable, Hashable, CaseIterable {
        case equal = "="
        case notEqual = "!="
        case less = "<"
        case lessOrEqual = "<="
        case greater = ">"
        case greaterOrEqual = ">="
    }

    public enum Value: Sendable, Hashable {
        case text(String)
        case number(Double)
    }
}

/// One term of `order_by`.
public struct SortTerm: Sendable, Hashable {
    public let field: Filter.Field
    public let isAscending: Bool

    public init(field: Filter.Field, isAscending: Bool) {
        self.field = field
        self.isAscending = isAscending
    }
}
