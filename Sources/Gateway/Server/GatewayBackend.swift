public import SlipwayCore
public import SlipwayInference

/// Where the gateway sends what it has routed.
public enum GatewayBackend: Sendable {
    /// The model server of this process: no socket, no second parse.
    case embedded(any InferenceDataPlane)
    /// A model server behind a URL.
    case upstream(UpstreamDataPlane)

    /// What a version takes and gives.
    ///
    /// - Throws: `not_found` or `unavailable` when the version does not serve.
    func signature(of model: ModelName, version: ModelVersion) async throws -> ModelSignature {
        switch self {
        case .embedded(let dataPlane): try dataPlane.signature(model: model.text, version: version)
        case .upstream(let dataPlane): try await dataPlane.signature(of: model, version: version)
        }
    }
}

/// What the model server says about which versions serve. The gateway's second witness beside Git.
public protocol VersionReadiness: Sendable {
    /// The versions that can be inferred with now, at every replica.
    func readyVersions() async throws -> [ModelName: Set<ModelVersion>]
}

/// Asks each replica of the model server for its index.
public struct ModelServerReadiness: VersionReadiness {
    private let servers: [any ModelServer]

    /// - Parameter servers: At least one.
    public init(_ servers: [any ModelServer]) {
        precondition(!servers.isEmpty, "a gateway without a model server")
        self.servers = servers
    }

    public func readyVersions() async throws -> [ModelName: Set<ModelVersion>] {
        var common: [ModelName: Set<ModelVersion>]?
        for server in servers {
            var ready: [ModelName: Set<ModelVersion>] = [:]
            for entry in try await server.index() where entry.state == .ready {
                ready[entry.model, default: []].insert(entry.version)
            }
            common = common?.merging(ready.filter { common?[$0.key] != nil }) { $0.intersection($1) }
                .filter { ready[$0.key] != nil } ?? ready
        }
        return common ?? [:]
    }
}
