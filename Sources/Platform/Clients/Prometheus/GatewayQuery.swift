import SlipwayCore
import SlipwayRelease

/// What is asked about a model's versions, and how the answer is read. Decides nothing.
struct GatewayQuery: Sendable {
    enum Metric {
        /// Stands on every page of a gateway, with no label of its own.
        static let heartbeat = "slipway_gateway_routing_generation"
        static let requests = "slipway_gateway_requests_total"
        static let latency = "slipway_gateway_request_duration_seconds_bucket"
        static let predictions = "slipway_gateway_predictions_total"
    }

    private static let ownLabels: Set<String> = ["__name__", "model", "variant", "version", "outcome", "le", "prediction"]

    let model: ModelName
    let versions: Set<ModelVersion>
    /// The labels that tell this environment's gateways.
    let labels: [String: String]

    /// Every sample of the last seconds, as scraped: one question, so that all of it is of one moment.
    ///
    /// An empty `model` or `version` is that of the heartbeat, which has neither.
    func samples(seconds: Double) -> String {
        let names = [Metric.heartbeat, Metric.requests, Metric.latency, Metric.predictions].joined(separator: "|")
        let numbers = versions.sorted().map { "\($0)|" }.joined()
        let matchers = ["__name__=~\"\(names)\"", "model=~\"\(Self.pattern(model.text))|\"", "version=~\"\(numbers)\""] + selector
        return "{\(matchers.joined(separator: ","))}[\(Int((seconds * 1_000).rounded(.up)))ms]"
    }

    /// Which targets of the jobs could not be scraped last.
    func down(jobs: [String]) -> String {
        let pattern = jobs.map(Self.pattern).joined(separator: "|")
        return "up{\((["job=~\"\(pattern)\""] + selector).joined(separator: ","))} == 0"
    }

    private var selector: [String] {
        labels.sorted { $0.key < $1.key }.map { "\($0.key)=\"\(Self.quoted($0.value))\"" }
    }

    /// - Throws: `unavailable` when the answer is not what a gateway's page would give.
    func read(_ series: PrometheusClient.Series) throws(PlatformError) -> ScrapedSeries? {
        let samples = series.samples.map { ScrapedSeries.Sample(seconds: $0.seconds, value: $0.value) }
        guard let kind = try kind(of: series.labels) else { return nil }
        return ScrapedSeries(target: Self.target(series.labels), kind: kind, samples: samples)
    }

    private func kind(of labels: [String: String]) throws(PlatformError) -> ScrapedSeries.Kind? {
        let name = labels["__name__"]
        if name == Metric.heartbeat { return .heartbeat }
        guard labels["model"] == model.text, let text = labels["version"], let version = try? ModelVersion(text), versions.contains(version),
            let variant = labels["variant"]
        else { return nil }
        switch name {
        case Metric.requests: return labels["outcome"].map { .requests(version, variant: variant, outcome: $0) }
        case Metric.predictions:
            // A label without a text is no label to Prometheus.
            return .prediction(version, variant: variant, labels["prediction"] ?? "")
        case Metric.latency:
            guard let bound = Self.bound(labels["le"] ?? "") else {
                throw PlatformError(.unavailable, "a gateway's latencies have a bucket '\((labels["le"] ?? "").prefix(40))' that this version does not know")
            }
            return .latency(version, variant: variant, bound: bound)
        default: return nil
        }
    }

    /// The index of a bucket; `le` may be written in any way a number can.
    private static func bound(_ text: String) -> Int? {
        if text == "+Inf" { return VariantCounters.latencyBoundsMicroseconds.count }
        guard let seconds = Double(text), seconds.isFinite, seconds >= 0, seconds < 1_000 else { return nil }
        return VariantCounters.latencyBoundsMicroseconds.firstIndex(of: Int((seconds * 1e6).rounded()))
    }

    static func target(_ labels: [String: String]) -> String {
        labels.filter { !ownLabels.contains($0.key) }.sorted { $0.key < $1.key }
            .map { "\($0.key)=\($0.value.prefix(PrometheusLimits.labelCharactersMax))" }.joined(separator: ",")
    }

    /// A text inside quotes.
    static func quoted(_ text: String) -> String {
        text.reduce(into: "") { result, character in
            switch character {
            case "\\": result += "\\\\"
            case "\"": result += "\\\""
            case "\n": result += "\\n"
            default: result.append(character)
            }
        }
    }

    /// A text as a pattern that matches it alone, inside quotes.
    static func pattern(_ text: String) -> String {
        let special = "\\.+*?()|[]{}^$"
        return quoted(text.reduce(into: "") { $0 += special.contains($1) ? "\\\($1)" : "\($1)" })
    }
}
