public import SlipwayCore

/// The rows that features make, and what about them is not fresh.
///
/// A pure function of what the store answered, of the values known from earlier answers and of the time. A
/// value that the store does not have now is taken from the last known ones and is **stale**; one that was
/// never known is **missing**. A value whose event is older than the settings allow is stale as well.
public struct FeatureJoin: Sendable, Equatable {
    /// One an entity, in the order of the settings' columns.
    public let rows: [[Double]]
    /// Columns with a stale value in some row, in the order of the settings.
    public let stale: [String]
    /// Columns with a default in some row.
    public let missing: [String]

    /// - Parameters:
    ///   - answer: `nil`: the store did not answer.
    ///   - known: The last value of a column for an entity, by its place.
    /// - Throws: `failed_precondition` that names the column, where the policy refuses.
    public init(
        _ settings: FeatureSettings,
        entities: [EntityKey],
        answer: FeatureAnswer?,
        known: (EntityKey, String) -> FeatureValue?,
        now: Timestamp
    ) throws(PlatformError) {
        var rows = [[Double]](repeating: [], count: entities.count)
        var stale: [String] = []
        var missing: [String] = []
        for column in settings.columns {
            let values = answer?.columns[column]
            for (index, entity) in entities.enumerated() {
                let fresh = values.flatMap { index < $0.count ? $0[index] : nil }
                guard let value = fresh ?? known(entity, column) else {
                    rows[index].append(try Self.filling(column, entity, settings))
                    if missing.last != column { missing.append(column) }
                    continue
                }
                if fresh == nil || Self.isOld(value, settings, now) {
                    guard settings.policy != .reject else {
                        throw PlatformError(
                            .failedPrecondition,
                            "feature '\(column)' of \(Self.text(entity, settings)) is stale",
                            remedy: "materialize service '\(settings.service)', or use policy 'default' or 'warn'"
                        )
                    }
                    if stale.last != column { stale.append(column) }
                }
                rows[index].append(value.number)
            }
        }
        self.rows = rows
        self.stale = stale
        self.missing = missing
    }

    private static func filling(_ column: String, _ entity: EntityKey, _ settings: FeatureSettings) throws(PlatformError) -> Double {
        guard settings.policy != .reject, let value = settings.defaults[column] else {
            throw PlatformError(
                .failedPrecondition,
                "feature '\(column)' of \(text(entity, settings)) is missing",
                remedy: settings.policy == .reject ? "materialize service '\(settings.service)', or use policy 'default' or 'warn'" : "give it a default"
            )
        }
        return value
    }

    private static func isOld(_ value: FeatureValue, _ settings: FeatureSettings, _ now: Timestamp) -> Bool {
        guard let limit = settings.ageSecondsMax, let time = value.time else { return false }
        return now.since(time) > .seconds(limit)
    }

    private static let shownCharacters = 80

    /// `patient_id=7`.
    private static func text(_ entity: EntityKey, _ settings: FeatureSettings) -> String {
        zip(settings.entities, entity).map { "\($0)=\($1.canonicalText.prefix(shownCharacters))" }.joined(separator: ",")
    }
}
