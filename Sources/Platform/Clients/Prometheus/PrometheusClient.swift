import NIOHTTP1
import SlipwayCore

/// One Prometheus, asked over its HTTP API.
///
/// Follows https://prometheus.io/docs/prometheus/latest/querying/api/.
struct PrometheusClient: Sendable {
    /// One series of an answer.
    struct Series: Sendable, Hashable {
        let labels: [String: String]
        let samples: [Sample]
    }

    struct Sample: Sendable, Hashable {
        let seconds: Double
        let value: Double
    }

    private let peer: Peer

    init(url: String, token: String?, connections: HTTPConnections, clock: any Clock<Duration> = ContinuousClock()) {
        let headers = token.map { [(name: "authorization", value: "Bearer \($0)")] } ?? []
        peer = Peer(url, name: "Prometheus", headers: headers, connections: connections, clock: clock)
    }

    /// What time it is there: the clock that samples are stamped by.
    func now() async throws -> Double {
        let result = try await ask("time()", at: nil)
        guard result["resultType"]?.stringValue == "scalar", let sample = Self.sample(result["result"]), sample.value.isFinite else {
            throw Self.strange("no time")
        }
        return sample.value
    }

    /// The answer to an expression, a range of samples or one of each series.
    ///
    /// - Throws: `unavailable` when it does not answer, refuses, or answers in part; `exhausted` when the answer is too large.
    func series(_ expression: String, at seconds: Double) async throws -> [Series] {
        let result = try await ask(expression, at: seconds)
        guard let items = result["result"]?.arrayValue else { throw Self.strange("no 'result'") }
        guard items.count <= PrometheusLimits.seriesMax else {
            throw PlatformError(.exhausted, "Prometheus answered more than \(PrometheusLimits.seriesMax) series")
        }
        var total = 0
        var found: [Series] = []
        found.reserveCapacity(items.count)
        for item in items {
            let values = item["values"]?.arrayValue ?? item["value"].map { [$0] } ?? []
            total += values.count
            guard total <= PrometheusLimits.samplesMax else {
                throw PlatformError(.exhausted, "Prometheus answered more than \(PrometheusLimits.samplesMax) samples")
            }
            var samples: [Sample] = []
            samples.reserveCapacity(values.count)
            for value in values {
                guard let sample = Self.sample(value) else { throw Self.strange("a sample that cannot be read") }
                samples.append(sample)
            }
            found.append(Series(labels: (item["metric"]?.objectValue ?? [:]).compactMapValues(\.stringValue), samples: samples))
        }
        return found
    }

    private func ask(_ expression: String, at seconds: Double?) async throws -> JSONValue {
        var query = [("query", expression), ("timeout", "\(PrometheusLimits.query.milliseconds)ms")]
        if let seconds { query.append(("time", "\(seconds)")) }
        let answer = try await peer.call(
            PeerRequest(.GET, "/api/v1/query", query: query),
            limit: PrometheusLimits.query,
            bytesMax: PrometheusLimits.answerBytesMax
        )
        let body = try? JSONValue(parsing: answer.body)
        guard answer.isSuccess, body?["status"]?.stringValue == "success", let data = body?["data"] else {
            let said = body?["error"]?.stringValue.map { String($0.prefix(ClientLimits.saidCharactersMax)) } ?? answer.said
            throw PlatformError(.unavailable, "Prometheus answered \(answer.status): \(said)")
        }
        // A part of the data is missing: less trouble than there was would be seen.
        if let warning = body?["warnings"]?.arrayValue?.first {
            throw PlatformError(.unavailable, "Prometheus answered in part: \((warning.stringValue ?? "").prefix(ClientLimits.saidCharactersMax))")
        }
        return data
    }

    /// `[1700000000.123, "5"]`; the number is text, as NaN and infinities are no JSON.
    private static func sample(_ value: JSONValue?) -> Sample? {
        guard let pair = value?.arrayValue, pair.count == 2, let seconds = pair[0].doubleValue, let text = pair[1].stringValue else { return nil }
        switch text {
        case "NaN": return Sample(seconds: seconds, value: .nan)
        case "+Inf": return Sample(seconds: seconds, value: .infinity)
        case "-Inf": return Sample(seconds: seconds, value: -.infinity)
        default: return Double(text).map { Sample(seconds: seconds, value: $0) }
        }
    }

    private static func strange(_ what: String) -> PlatformError {
        PlatformError(.unavailable, "Prometheus's answer has \(what)", remedy: "check that the address is that of a Prometheus")
    }
}
