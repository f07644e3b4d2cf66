import ArgumentParser
import Foundation
import SlipwayClients
import SlipwayCore
import SlipwayRelease

/// Where `observe` looks for what variants did.
///
/// An option wins over its variable, and that over `envs/<env>/platform.yaml` in Git. Where none of them
/// names a Prometheus, the gateways are asked themselves.
struct ObserveOptions: ParsableArguments {
    @Option(help: ArgumentHelp("The Prometheus that 'observe' judges by, else SLIPWAY_PROMETHEUS, else the platform file's, else the gateways' own counters.", valueName: "url"))
    var prometheus: String?
    @Option(help: ArgumentHelp("A label that its series of this environment's gateways have; may be repeated. Only with --prometheus or SLIPWAY_PROMETHEUS.", valueName: "name=value"))
    var prometheusLabel: [String] = []

    /// What options and variables say; `nil` when they say nothing.
    func source(_ environment: [String: String] = ProcessInfo.processInfo.environment) throws -> PrometheusSource? {
        guard let url = prometheus ?? environment["SLIPWAY_PROMETHEUS"].flatMap({ $0.isEmpty ? nil : $0 }) else {
            guard prometheusLabel.isEmpty else {
                throw PlatformError(.invalidArgument, "'--prometheus-label' is given without a Prometheus", remedy: "give '--prometheus URL', or write the label in the platform file")
            }
            return nil
        }
        var labels: [String: String] = [:]
        for text in prometheusLabel {
            let parts = text.split(separator: "=", maxSplits: 1)
            guard parts.count == 2 else {
                throw PlatformError(.invalidArgument, "'--prometheus-label \(text.prefix(80))' is no label", remedy: "write it as 'namespace=gateway-dev'")
            }
            labels[String(parts[0])] = String(parts[1])
        }
        return try PrometheusSource(checking: url, labels: labels)
    }

    /// By `source`; without one the gateways' own counters.
    static func observer(_ source: PrometheusSource?, finder: ReplicaFinder, connections: HTTPConnections) -> any VariantObserver {
        guard let source else { return FoundObserver(finder: finder) }
        let token = ProcessInfo.processInfo.environment["SLIPWAY_PROMETHEUS_TOKEN"].flatMap { $0.isEmpty ? nil : $0 }
        return PrometheusObserver(source, token: token, connections: connections)
    }
}
