import SlipwayClients
import SlipwayCore
import SlipwayFeatures

/// The feature store as it comes and goes with Optional: refuses with a reason while it is not there.
struct SwitchedFeatures: FeatureSource {
    let environment: EnvironmentName
    let address: Locked<FeatureAddress>
    let connections: HTTPConnections

    func answer(_ settings: FeatureSettings, for entities: [EntityKey], timeout: Duration) async throws -> FeatureAnswer {
        switch address.with({ $0 }) {
        case .detached:
            throw PlatformError(.failedPrecondition, "Optional is detached in '\(environment)'", remedy: "slipway optional on --env \(environment)")
        case .starting:
            throw PlatformError(.unavailable, "the feature store is starting")
        case .failing(let reason):
            throw PlatformError(.unavailable, "the feature store does not run: \(reason)", remedy: "slipway optional status --env \(environment)")
        case .serving(let url):
            return try await FeastClient(url: url, connections: connections).answer(settings, for: entities, timeout: timeout)
        }
    }
}
