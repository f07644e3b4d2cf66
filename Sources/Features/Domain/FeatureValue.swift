public import SlipwayCore

/// One value of a feature, and when what it says was so.
public struct FeatureValue: Sendable, Hashable {
    public let number: Double
    /// The event's time; `nil` when the store does not say.
    public let time: Timestamp?

    public init(_ number: Double, time: Timestamp?) {
        self.number = number
        self.time = time
    }
}

/// What the feature store answered: for each column a value an entity, `nil` where it has none.
public struct FeatureAnswer: Sendable, Equatable {
    public let columns: [String: [FeatureValue?]]

    public init(columns: [String: [FeatureValue?]]) {
        self.columns = columns
    }
}

/// One entity's keys in the order of the settings' ``FeatureSettings/entities``.
public typealias EntityKey = [JSONValue]

/// Where features come from.
public protocol FeatureSource: Sendable {
    /// The features of all entities, in one round trip.
    ///
    /// - Throws: `failed_precondition` while the store is detached, `unavailable` when it does not answer in
    ///   time, `invalid_argument` for what it refuses.
    func answer(_ settings: FeatureSettings, for entities: [EntityKey], timeout: Duration) async throws -> FeatureAnswer
}

/// What is joined, and what happens to a value that is not there.
public struct FeatureSettings: Sendable, Hashable {
    public enum Policy: String, Sendable, CaseIterable {
        case `default`, reject, warn
    }

    public let service: String
    public let entities: [String]
    public let columns: [String]
    public let policy: Policy
    public let defaults: [String: Double]
    public let ageSecondsMax: Int?

    public init(
        service: String,
        entities: [String],
        columns: [String],
        policy: Policy,
        defaults: [String: Double] = [:],
        ageSecondsMax: Int? = nil
    ) {
        self.service = service
        self.entities = entities
        self.columns = columns
        self.policy = policy
        self.defaults = defaults
        self.ageSecondsMax = ageSecondsMax
    }
}
