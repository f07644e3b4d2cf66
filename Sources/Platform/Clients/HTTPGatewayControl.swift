import NIOHTTP1
public import SlipwayCore
public import SlipwayRelease

/// One replica of a gateway, asked over HTTP by its own address.
public struct HTTPGatewayControl: GatewayControl {
    private let peer: Peer

    /// - Parameter token: The environment's, which a reload needs.
    public init(url: String, token: String, connections: HTTPConnections, clock: any Clock<Duration> = ContinuousClock()) {
        let headers = [(name: "x-token", value: token)]
        peer = Peer(url, name: "the gateway", headers: headers, connections: connections, clock: clock)
    }

    public var address: String { peer.address }

    public func reload(_ release: Release, commit: CommitID) async throws -> Int {
        let variant = release.champion
        let request = PeerRequest(
            .POST, "/variant/\(variant.alias.text.urlEncoded)/reload",
            json: ["model": .string(release.model.text), "version": .int(Int64(variant.version.number))]
        )
        let answer = try await json(request)
        guard let generation = answer["generation"]?.intValue else { throw strange("no 'generation'") }
        // The reload itself speaks of one variant: the rest must be what was asked for too.
        let serving = try await routes().first { $0.release.model == release.model }
        guard serving?.release == release else {
            throw PlatformError(
                .failedPrecondition,
                "gateway '\(address)' does not serve what commit \(commit.short) says for '\(release.model)'",
                remedy: "look at what is newer in Git"
            )
        }
        return Int(clamping: generation)
    }

    public func routes() async throws -> [ServingRoute] {
        try await models().map { item in
            do {
                return try Self.route(item).joining(item["features"])
            } catch let error as PlatformError {
                throw PlatformError(.unexpected, "the gateway's list of models cannot be read: \(error.message)", cause: error)
            }
        }
    }

    public func inFlight(model: ModelName, version: ModelVersion) async throws -> Int {
        let item = try await models().first { $0["model"]?.stringValue == model.text }
        return Int(clamping: item?["inFlight"]?["\(version)"]?.intValue ?? 0)
    }

    /// What this replica counted for each version of a model.
    func counters(of model: ModelName) async throws -> [ModelVersion: VariantCounters] {
        let answer = try await json(PeerRequest(.GET, "/models/\(model.text.urlEncoded)/counters"))
        var counters: [ModelVersion: VariantCounters] = [:]
        for (version, value) in answer["versions"]?.objectValue ?? [:] {
            counters[try ModelVersion(version)] = try value.decoded(as: VariantCounters.self)
        }
        return counters
    }

    private func models() async throws -> [JSONValue] {
        guard let items = try await json(PeerRequest(.GET, "/models"))["models"]?.arrayValue else { throw strange("no 'models'") }
        return items
    }

    private static func route(_ item: JSONValue) throws(PlatformError) -> ServingRoute {
        var variants: [Release.Variant] = []
        for variant in item["variants"]?.arrayValue ?? [] {
            variants.append(
                Release.Variant(
                    alias: try Alias(variant["alias"]?.stringValue ?? ""),
                    version: try ModelVersion(Int(clamping: variant["version"]?.intValue ?? 0)),
                    weight: try Weight(percent: variant["weight"]?.doubleValue ?? -1)
                )
            )
        }
        var lastGood: ModelVersion?
        if let number = item["lastGood"]?.intValue { lastGood = try ModelVersion(Int(clamping: number)) }
        var shadow: Release.Shadow?
        var report: ShadowReport?
        if let member = item["shadow"] {
            shadow = try Release.Shadow(json: member)
            let counts = member["counts"]?.objectValue ?? [:]
            report = ShadowReport(
                isMirrored: member["mirrored"]?.boolValue ?? false,
                counts: counts.compactMapValues { $0.intValue.map { Int(clamping: $0) } }
            )
        }
        var stickiness: Release.Stickiness?
        if let member = item["stickiness"] { stickiness = try Release.Stickiness(json: member) }
        return ServingRoute(
            release: try Release(
                model: try ModelName(item["model"]?.stringValue ?? ""),
                variants: variants,
                lastGood: lastGood,
                shadow: shadow,
                stickiness: stickiness,
                allowsVariantHeader: item["variantHeader"]?.boolValue ?? false
            ),
            commit: try CommitID(item["commit"]?.stringValue ?? ""),
            generation: Int(clamping: item["generation"]?.intValue ?? 0),
            shadow: report
        )
    }

    private func json(_ request: PeerRequest) async throws -> JSONValue {
        let answer = try await peer.call(request)
        guard answer.isSuccess else { throw PlatformError.own(answer, peer: "the gateway") }
        do {
            return try JSONValue(parsing: answer.body)
        } catch {
            throw PlatformError(.unavailable, "what answers is no gateway: \(answer.said)", cause: error)
        }
    }

    private func strange(_ what: String) -> PlatformError {
        PlatformError(.unexpected, "the gateway's answer has \(what)")
    }
}

/// What all gateway replicas counted, added up.
public struct HTTPVariantObserver: VariantCounting {
    private let replicas: [HTTPGatewayControl]

    public init(_ replicas: [HTTPGatewayControl]) {
        self.replicas = replicas
    }

    /// - Throws: When any replica does not answer: a sum over the others would look like less traffic.
    public func counters(of model: ModelName) async throws -> [ModelVersion: VariantCounters] {
        var sums: [ModelVersion: VariantCounters] = [:]
        for replica in replicas {
            for (version, counters) in try await replica.counters(of: model) {
                sums[version, default: VariantCounters()].add(counters)
            }
        }
        return sums
    }
}

extension VariantCounters {
    mutating func add(_ other: VariantCounters) {
        requests += other.requests
        errors += other.errors
        nonFinite += other.nonFinite
        latencyCounts = zip(latencyCounts, other.latencyCounts).map { $0 + $1 }
        predictions.merge(other.predictions) { $0 + $1 }
    }
}
