public import SlipwayCore
public import SlipwayInference
public import SlipwayRelease

/// Every replica of the model server and of the gateway, each by its own address.
public struct Replicas: Sendable {
    public var servers: [any ModelServer]
    public var gateways: [any GatewayControl]

    public init(servers: [any ModelServer], gateways: [any GatewayControl]) {
        self.servers = servers
        self.gateways = gateways
    }

    /// Whether every replica serves the release, as they say themselves.
    public func serve(_ release: Release) async throws -> Bool {
        for server in servers {
            let ready = try await server.index().filter { $0.model == release.model && $0.state == .ready }
            guard release.requiredVersions.isSubset(of: ready.map(\.version)) else { return false }
        }
        for gateway in gateways {
            guard try await gateway.routes().contains(where: { $0.release == release }) else { return false }
        }
        return true
    }

    /// What they say of a model now.
    public func report(_ model: ModelName, _ commit: CommitID) async throws -> SyncReport {
        var generations: [String: Int] = [:]
        for gateway in gateways {
            generations[gateway.address] = try await gateway.routes().first { $0.release.model == model }?.generation ?? 0
        }
        var ready: [String: [ModelVersion]] = [:]
        for server in servers {
            ready[server.address] = try await server.index().filter { $0.model == model && $0.state == .ready }.map(\.version).sorted()
        }
        return SyncReport(commit: commit, gatewayGenerations: generations, readyVersions: ready)
    }
}

/// Where the replicas are now: they come and go as their number is changed.
///
/// Throws `unavailable` when that cannot be said; a part of them is never answered.
public typealias ReplicaSource = @Sendable () async throws -> Replicas
