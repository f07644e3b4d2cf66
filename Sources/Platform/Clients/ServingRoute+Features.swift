import SlipwayCore
import SlipwayRelease

extension ServingRoute {
    /// The route with what the gateway says that it joins.
    func joining(_ features: JSONValue?) throws(PlatformError) -> ServingRoute {
        guard let features, !features.isNull else { return self }
        var route = self
        route.release.features = try features.decoded(as: Release.Features.self)
        return route
    }
}
