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
        addPredictions(meters, to: &page)
        addRoutes(to: &page)
        page.family("slipway_gateway_unrouted_total", .counter, help: "Requests that ended before a variant was chosen.")
        for (reason, count) in unrouted.counts {
            page.sample("slipway_gateway_unrouted_total", ["reason": reason], count)
        }
        addFeatures(to: &page)
        addShadows(to: &page)
        addUpstream(to: &page)
        return page
    }

    private func addFeatures(to page: inout MetricsPage) {
        let joins = features.joins
        guard !joins.isEmpty else { return }
        let name = "slipway_gateway_feature_joins_total"
        page.family(name, .counter, help: "Requests that features were joined to, by the state of the features.")
        for (model, counts) in joins {
            for outcome in FeatureOutcome.allCases { page.sample(name, ["model": model, "outcome": outcome.rawValue], counts[outcome] ?? 0) }
        }
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

    /// The labels are those that ``PredictionBucket`` knows, and for texts the first few that a model answered.
    private func addPredictions(_ meters: [VariantMeter], to page: inout MetricsPage) {
        let name = "slipway_gateway_predictions_total"
        page.family(name, .counter, help: "Predictions by label, or by the range that a score falls into.")
        for meter in meters {
            for (prediction, count) in meter.counters.predictions.sorted(by: { $0.key < $1.key }) {
                page.sample(
                    name,
                    [
                        "model": meter.key.model.text, "variant": meter.key.alias.text, "version": "\(meter.key.version)",
                        "prediction": prediction,
                    ],
                    count
                )
            }
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
        page.family("slipway_gateway_upstream_absences_total", .counter, help: "Requests sent on because a replica did not have the version.")
        page.sample("slipway_gateway_upstream_absences_total", [:], counts.absences.load(ordering: .relaxed))
        page.family("slipway_gateway_upstream_failures_total", .counter, help: "Requests that the model server did not answer.")
        for (reason, count) in [
            ("refused", counts.refused.load(ordering: .relaxed)), ("expired", counts.expired.load(ordering: .relaxed)),
            ("saturated", counts.saturated.load(ordering: .relaxed)), ("broken", counts.broken.load(ordering: .relaxed)),
        ] {
            page.sample("slipway_gateway_upstream_failures_total", ["reason": reason], count)
        }
        page.family("slipway_gateway_upstream_replicas", .gauge, help: "Addresses of the model server.")
        page.sample("slipway_gateway_upstream_replicas", [:], counts.replicas.load(ordering: .relaxed))
        page.family("slipway_gateway_upstream_ejections_total", .counter, help: "Times that a replica got no more requests for a while.")
        page.sample("slipway_gateway_upstream_ejections_total", [:], counts.ejections.load(ordering: .relaxed))
        page.family("slipway_gateway_upstream_breaker_openings_total", .counter, help: "Times that an event loop's circuit breaker opened.")
        page.sample("slipway_gateway_upstream_breaker_openings_total", [:], counts.openings.load(ordering: .relaxed))
        page.family("slipway_gateway_upstream_abandoned_total", .counter, help: "Requests whose client went before the answer came.")
        page.sample("slipway_gateway_upstream_abandoned_total", [:], counts.abandoned.load(ordering: .relaxed))
        page.family("slipway_gateway_upstream_lookup_failures_total", .counter, help: "Look-ups of the model server's name that failed.")
        page.sample("slipway_gateway_upstream_lookup_failures_total", [:], counts.lookupFailures.load(ordering: .relaxed))
    }
}
