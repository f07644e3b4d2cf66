import SlipwayCore
import SlipwayHTTP
import SlipwayRelease
import SlipwayRouting
import Synchronization

extension GatewayService {
    /// `/metrics`: only labels from closed sets, or that Git names.
    func metricsPage() -> MetricsPage {
        var page = MetricsPage()
        let meters = allMeters
        page.family("slipway_gateway_requests_total", .counter, help: "Requests by the variant that they were routed to.")
        for meter in meters {
            for outcome in Outcome.allCases {
                page.sample(
                    "slipway_gateway_requests_total",
                    [
                        "model": meter.key.model.text, "variant": meter.key.alias.text,
                        "version": "\(meter.key.version)", "outcome": outcome.label,
                    ],
                    meter.count(of: outcome)
                )
            }
        }
        addLatency(meters, to: &page)
        page.family("slipway_gateway_requests_in_flight", .gauge, help: "Requests that have begun and not ended.")
        for meter in meters { page.sample("slipway_gateway_requests_in_flight", labels(meter), meter.inFlight) }
        page.family("slipway_gateway_non_finite_total", .counter, help: "Answers with NaN or infinite numbers.")
        for meter in meters {
            page.sample("slipway_gateway_non_finite_total", labels(meter), meter.count(of: .nonFinite))
        }
        addRoutes(to: &page)
        page.family("slipway_gateway_unrouted_total", .counter, help: "Requests that ended before a variant was chosen.")
        for (reason, count) in unrouted.counts {
            page.sample("slipway_gateway_unrouted_total", ["reason": reason], count)
        }
        addShadows(to: &page)
        addUpstream(to: &page)
        return page
    }

    private func addShadows(to page: inout MetricsPage) {
        let meters = shadowMeters
        guard !meters.isEmpty else { return }
        page.family(
            "slipway_gateway_shadow_requests_total", .counter,
            help: "Copies of a variant's requests by what came of them at the shadow."
        )
        for meter in meters {
            for outcome in ShadowOutcome.allCases {
                page.sample(
                    "slipway_gateway_shadow_requests_total",
                    [
                        "model": meter.key.model.text, "variant": meter.key.alias.text, "version": "\(meter.key.version)",
                        "shadow": "\(meter.key.shadow)", "outcome": outcome.label,
                    ],
                    meter.count(of: outcome)
                )
            }
        }
        let name = "slipway_gateway_shadow_duration_seconds"
        page.family(name, .histogram, help: "From a copy's start to the shadow's answer.")
        for meter in meters {
            let latencies = meter.latencies
            page.histogram(
                name,
                labels: [
                    ("model", meter.key.model.text), ("variant", meter.key.alias.text), ("version", "\(meter.key.version)"),
                    ("shadow", "\(meter.key.shadow)"),
                ],
                bounds: VariantCounters.latencyBoundsMicroseconds.map { Double($0) / 1e6 },
                counts: latencies.counts,
                sum: latencies.seconds
            )
        }
        page.family("slipway_gateway_shadow_queue_length", .gauge, help: "Copies that wait or are being answered.")
        for (key, inFlight) in shadowsWaiting {
            page.sample("slipway_gateway_shadow_queue_length", ["model": key.model.text, "shadow": "\(key.version)"], inFlight)
        }
    }

    private func labels(_ meter: VariantMeter) -> KeyValuePairs<String, String> {
        ["model": meter.key.model.text, "variant": meter.key.alias.text, "version": "\(meter.key.version)"]
    }

    private func addLatency(_ meters: [VariantMeter], to page: inout MetricsPage) {
        let name = "slipway_gateway_request_duration_seconds"
        page.family(name, .histogram, help: "From a request's last byte to its answer; client errors left out.")
        for meter in meters {
            page.histogram(
                name,
                labels: [
                    ("model", meter.key.model.text), ("variant", meter.key.alias.text), ("version", "\(meter.key.version)"),
                ],
                bounds: VariantCounters.latencyBoundsMicroseconds.map { Double($0) / 1e6 },
                counts: meter.counters.latencyCounts,
                sum: meter.latencySeconds
            )
        }
    }

    private func addRoutes(to page: inout MetricsPage) {
        let snapshot = snapshot
        page.family("slipway_gateway_routing_generation", .gauge, help: "Grows by one with every change of routes.")
        page.sample("slipway_gateway_routing_generation", [:], snapshot.generation)
        page.family("slipway_gateway_variant_weight_ratio", .gauge, help: "The share of traffic that Git gives a variant.")
        for (_, routes) in snapshot.table.models.sorted(by: { $0.key < $1.key }) {
            for variant in routes.variants {
                page.sample(
                    "slipway_gateway_variant_weight_ratio",
                    ["model": routes.model.text, "variant": variant.alias.text, "version": "\(variant.version)"],
                    Double(variant.weightHundredths) / 10_000
                )
            }
        }
    }

    private func addUpstream(to page: inout MetricsPage) {
        guard case .upstream(let upstream) = backend else { return }
        let counts = upstream.counts
        page.family("slipway_gateway_upstream_connections", .gauge, help: "Open connections to the model server.")
        page.sample("slipway_gateway_upstream_connections", [:], counts.connections.load(ordering: .relaxed))
        page.family("slipway_gateway_upstream_retries_total", .counter, help: "Requests sent again over a new connection.")
        page.sample("slipway_gateway_upstream_retries_total", [:], counts.retries.load(ordering: .relaxed))
        page.family("slipway_gateway_upstream_failures_total", .counter, help: "Requests that the model server did not answer.")
        for (reason, count) in [
            ("refused", counts.refused.load(ordering: .relaxed)), ("expired", counts.expired.load(ordering: .relaxed)),
            ("saturated", counts.saturated.load(ordering: .relaxed)),
        ] {
            page.sample("slipway_gateway_upstream_failures_total", ["reason": reason], count)
        }
    }
}
