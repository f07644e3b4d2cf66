import SlipwayCore
import SlipwayRelease

/// Ports whose other end is made later: the reconciler, the gateway and the engine each need the others.
///
/// Until `set` is called they say that they are not ready.
final class Late<Port: Sendable>: Sendable {
    private let port = Locked<Port?>(nil)

    func set(_ port: Port) {
        self.port.with { $0 = port }
    }

    var value: Port {
        get throws(PlatformError) {
            guard let value = port.with({ $0 }) else { throw PlatformError(.unavailable, "the platform is still starting") }
            return value
        }
    }
}

extension Late: CandidateHolds where Port: CandidateHolds {
    func held() async throws -> [ModelName: Set<ModelVersion>] { try await value.held() }
}

extension Late: ReleaseSource where Port: ReleaseSource {
    func accepted() async throws -> AcceptedReleases { try await value.accepted() }
}
