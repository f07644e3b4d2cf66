import SlipwayCore

/// What a reload came to.
struct ReloadReport: Sendable, Equatable {
    let model: ModelName
    let alias: Alias
    let version: ModelVersion
    let generation: Int
}

/// Whether a replica should get traffic, and if not, why.
struct ReadinessReport: Sendable, Equatable {
    var isDraining = false
    /// `nil`: ready.
    var reason: String?

    var isReady: Bool { reason == nil }
}
