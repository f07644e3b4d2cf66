import SlipwayCore
import SlipwayRelease
import SlipwayRouting

/// The meters of a gateway: those of what is routed, and for a while those of what was.
struct MeterShelf {
    private let shards: Int
    private var meters: [VariantMeter.Key: VariantMeter] = [:]
    /// Meters of variants that are out of the routes, the longest out first.
    private var retired: [VariantMeter.Key] = []

    init(shards: Int) {
        self.shards = shards
    }

    /// In the order of model, version and alias.
    var all: [VariantMeter] {
        meters.values.sorted {
            ($0.key.model.text, $0.key.version, $0.key.alias.text) < ($1.key.model.text, $1.key.version, $1.key.alias.text)
        }
    }

    var inFlight: Int { meters.values.reduce(0) { $0 + $1.inFlight } }

    func inFlight(model: ModelName, version: ModelVersion) -> Int {
        meters.values.reduce(0) { $0 + ($1.key.model == model && $1.key.version == version ? $1.inFlight : 0) }
    }

    /// Every version that is or lately was routed to.
    func inFlight(of model: ModelName) -> [ModelVersion: Int] {
        meters.values.reduce(into: [:]) { result, meter in
            if meter.key.model == model { result[meter.key.version, default: 0] += meter.inFlight }
        }
    }

    /// A version that has served under two aliases is one count.
    func counters(of model: ModelName) -> [ModelVersion: VariantCounters] {
        var result: [ModelVersion: VariantCounters] = [:]
        for meter in meters.values where meter.key.model == model {
            result[meter.key.version] = result[meter.key.version]?.adding(meter.counters) ?? meter.counters
        }
        return result
    }

    /// The meter of a variant; one that was routed to before goes on counting.
    mutating func meter(_ key: VariantMeter.Key) -> VariantMeter {
        let meter = meters[key] ?? VariantMeter(key: key, shards: shards)
        meters[key] = meter
        return meter
    }

    /// Lets go of the meters that have been out of the routes the longest, unless a request is still in
    /// flight on one.
    mutating func retire(except table: RoutingTable) {
        let routed = Set(table.models.flatMap { model, routes in
            routes.variants.map { VariantMeter.Key(model: model, alias: $0.alias, version: $0.version) }
        })
        retired.removeAll { routed.contains($0) }
        let known = Set(retired)
        retired += meters.keys.filter { !routed.contains($0) && !known.contains($0) }
        for model in Set(retired.map(\.model)) {
            let ofModel = retired.filter { $0.model == model }
            for key in ofModel.dropLast(GatewayLimits.retiredMetersMax) where meters[key]?.inFlight == 0 {
                meters[key] = nil
                retired.removeAll { $0 == key }
            }
        }
    }
}
