import SlipwayCore

/// The newest value of each feature that the store ever answered, for as many entities as fit.
///
/// When it is full, the entity that was first remembered goes first.
public struct LastKnownFeatures: Sendable {
    private struct Key: Hashable {
        let service: String
        let entity: EntityKey
    }

    private let entitiesMax: Int
    private var values: [Key: [String: FeatureValue]] = [:]
    /// A ring of keys in the order in which they came.
    private var order: [Key] = []
    private var oldest = 0

    public init(entitiesMax: Int) {
        precondition(entitiesMax > 0)
        self.entitiesMax = entitiesMax
    }

    public var count: Int { values.count }

    public func value(of column: String, for entity: EntityKey, in service: String) -> FeatureValue? {
        values[Key(service: service, entity: entity)]?[column]
    }

    public mutating func remember(_ answer: FeatureAnswer, of entities: [EntityKey], in service: String) {
        for (index, entity) in entities.enumerated() {
            let key = Key(service: service, entity: entity)
            var known = values[key] ?? [:]
            for (column, numbers) in answer.columns where index < numbers.count {
                if let number = numbers[index] { known[column] = number }
            }
            guard !known.isEmpty else { continue }
            if values.updateValue(known, forKey: key) == nil { admit(key) }
        }
    }

    private mutating func admit(_ key: Key) {
        guard order.count >= entitiesMax else { return order.append(key) }
        values[order[oldest]] = nil
        order[oldest] = key
        oldest = (oldest + 1) % entitiesMax
    }
}
