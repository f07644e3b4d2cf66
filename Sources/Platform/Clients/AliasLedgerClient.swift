import NIOHTTP1
public import SlipwayCore
public import SlipwayTracking

/// Asks an embedded tracking server what its aliases pointed at, and who moved them.
public struct AliasLedgerClient: AliasLedger {
    private let peer: Peer

    /// - Parameters:
    ///   - url: `http://127.0.0.1:5000`; `user:password@` in it becomes Basic authentication.
    ///   - token: Sent as a bearer token, where the server wants one.
    public init(url: String, token: String? = nil, connections: HTTPConnections) {
        let headers = token.map { [(name: "authorization", value: "Bearer \($0)")] } ?? []
        peer = Peer(url, name: "the tracking server", headers: headers, connections: connections)
    }

    public func aliasMoves(of model: String, alias: String?, limit: Int, before: Int64?) async throws -> AliasHistory {
        try await ask(model, alias: alias, asOf: nil, limit: limit, token: before.map { "\($0)" }).decoded(as: AliasHistory.self)
    }

    public func aliases(of model: String, alias: String?, asOf time: Timestamp, limit: Int, after: String?) async throws -> AliasSnapshot {
        try await ask(model, alias: alias, asOf: time, limit: limit, token: after).decoded(as: AliasSnapshot.self)
    }

    private func ask(_ model: String, alias: String?, asOf time: Timestamp?, limit: Int, token: String?) async throws -> JSONValue {
        var query = [("max_results", "\(limit)")]
        if let alias { query.append(("alias", alias)) }
        if let time { query.append(("as_of", "\(time.milliseconds)")) }
        if let token { query.append(("page_token", token)) }
        let path = "/api/slipway/v1/registered-models/\(model.urlEncoded)/alias-history"
        let answer = try await peer.call(PeerRequest(.GET, path, query: query))
        if answer.isSuccess, let json = try? JSONValue(parsing: answer.body), json["recorded_since"] != nil { return json }
        let error = PlatformError.own(answer, peer: "the tracking server")
        // Only an answer of ours names its code: any other 404, or a page that is no JSON, is another program's.
        let isOurs = (try? JSONValue(parsing: answer.body))?["error"]?["code"] != nil
        guard isOurs || ![200, 404, 405].contains(answer.status) else {
            throw PlatformError(
                .failedPrecondition,
                "what answers keeps no history of aliases (\(answer.status): \(answer.said))",
                remedy: "ask the embedded tracking server: an MLflow server does not write down how its aliases move"
            )
        }
        throw error
    }
}
