public import SlipwayCore

/// What a version was trained on, small enough to keep beside it: a sorted sample or the counts of each
/// column.
public struct Profile: Sendable, Hashable, Codable {
    public struct Column: Sendable, Hashable, Codable {
        public let name: String
        /// Rows with a value.
        public let count: Int
        /// Rows without one.
        public let missing: Int
        /// For numbers: at most ``PipelineLimits/profileSampleMax`` values, sorted, evenly spaced in rank.
        public let sample: [Double]?
        /// For texts: how often each of the most frequent values comes.
        public let categories: [String: Int]?

        public var isNumeric: Bool { sample != nil }
    }

    public let rows: Int
    public let columns: [Column]

    public init(of table: CSVTable) {
        rows = table.rows
        columns = table.columns.map(Self.column)
    }

    public func column(_ name: String) -> Column? {
        columns.first { $0.name == name }
    }

    private static func column(_ column: CSVTable.Column) -> Column {
        switch column.cells {
        case .numbers(let numbers):
            // JSON has no infinity, and only the order matters: the largest number stands for it.
            let values = numbers.filter { !$0.isNaN }.map { $0.isFinite ? $0 : $0 < 0 ? -.greatestFiniteMagnitude : .greatestFiniteMagnitude }.sorted()
            return Column(
                name: column.name,
                count: values.count,
                missing: numbers.count - values.count,
                sample: sample(values),
                categories: nil
            )
        case .texts(let texts):
            var counts: [String: Int] = [:]
            for text in texts where !text.isEmpty { counts[text, default: 0] += 1 }
            let count = counts.values.reduce(0, +)
            return Column(
                name: column.name,
                count: count,
                missing: texts.count - count,
                sample: nil,
                categories: mostFrequent(counts)
            )
        }
    }

    /// The smallest and the largest are always in it.
    private static func sample(_ sorted: [Double]) -> [Double] {
        let size = PipelineLimits.profileSampleMax
        guard sorted.count > size else { return sorted }
        return (0..<size).map { sorted[$0 * (sorted.count - 1) / (size - 1)] }
    }

    /// The key under which the rare categories are counted together.
    public static let otherCategories = "(other)"

    private static func mostFrequent(_ counts: [String: Int]) -> [String: Int] {
        guard counts.count > PipelineLimits.profileCategoriesMax else { return counts }
        let ordered = counts.sorted { ($1.value, $0.key) < ($0.value, $1.key) }
        var kept = Dictionary(
            ordered.prefix(PipelineLimits.profileCategoriesMax).map { ($0.key, $0.value) },
            uniquingKeysWith: +
        )
        kept[otherCategories, default: 0] += ordered.dropFirst(PipelineLimits.profileCategoriesMax).reduce(0)
        { $0 + $1.value }
        return kept
    }
}

extension Profile {
    public init(json bytes: [UInt8]) throws(PlatformError) {
        self = try JSONValue(parsing: bytes).decoded(as: Profile.self)
    }

    public func json() throws(PlatformError) -> [UInt8] {
        try JSONValue(encoding: self).canonicalBytes
    }
}
