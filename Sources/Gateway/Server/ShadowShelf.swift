import SlipwayCore
import SlipwayRouting

/// The lanes and the counts of all shadows, and for a while those of shadows that were.
struct ShadowShelf {
    private var lanes: [ShadowLane.Key: ShadowLane] = [:]
    private var meters: [ShadowMeter.Key: ShadowMeter] = [:]
    /// Meters of what is mirrored no more, the longest out first.
    private var retired: [ShadowMeter.Key] = []

    /// In the order of model, shadow, version and alias.
    var all: [ShadowMeter] {
        meters.values.sorted {
            ($0.key.model.text, $0.key.shadow, $0.key.version, $0.key.alias.text)
                < ($1.key.model.text, $1.key.shadow, $1.key.version, $1.key.alias.text)
        }
    }

    func inFlight(model: ModelName, version: ModelVersion) -> Int {
        lanes[ShadowLane.Key(model: model, version: version)]?.inFlight ?? 0
    }

    var waiting: [(key: ShadowLane.Key, inFlight: Int)] {
        lanes.values.map { ($0.key, $0.inFlight) }.sorted { ($0.key.model.text, $0.key.version) < ($1.key.model.text, $1.key.version) }
    }

    mutating func lane(_ key: ShadowLane.Key, _ backend: GatewayBackend, queueMax: Int) -> ShadowLane {
        let lane = lanes[key] ?? ShadowLane(key: key, backend: backend, queueMax: queueMax)
        lane.open(queueMax: queueMax)
        lanes[key] = lane
        return lane
    }

    mutating func meter(_ key: ShadowMeter.Key) -> ShadowMeter {
        let meter = meters[key] ?? ShadowMeter(key: key)
        meters[key] = meter
        retired.removeAll { $0 == key }
        return meter
    }

    /// Closes the lanes that the table names no more; forgets those that are empty, and the oldest counts.
    mutating func retire(except table: RoutingTable) {
        let routed = Set(table.models.compactMap { model, routes in
            routes.policy.shadow.map { ShadowLane.Key(model: model, version: $0.version) }
        })
        for (key, lane) in lanes where !routed.contains(key) {
            lane.close()
            if lane.inFlight == 0 { lanes[key] = nil }
        }
        let known = Set(retired)
        for key in meters.keys where !known.contains(key) {
            let isMirrored = table.models[key.model]?.variants.contains { $0.alias == key.alias && $0.version == key.version } ?? false
            guard !isMirrored || !routed.contains(ShadowLane.Key(model: key.model, version: key.shadow)) else { continue }
            retired.append(key)
        }
        while retired.count > GatewayLimits.retiredShadowMetersMax { meters[retired.removeFirst()] = nil }
    }
}
