import HTTPTypes
public import Hummingbird
import NIOCore

/// A page in Prometheus' text format, version 0.0.4, built family by family.
///
/// Follows https://prometheus.io/docs/instrumenting/exposition_formats/.
public struct MetricsPage: Sendable {
    public enum Kind: String, Sendable {
        case counter
        case gauge
        case histogram
    }

    public private(set) var text = ""

    public init() {}

    /// Begins a family; its samples follow.
    public mutating func family(_ name: String, _ kind: Kind, help: String) {
        text += "# HELP \(name) \(help)\n# TYPE \(name) \(kind.rawValue)\n"
    }

    public mutating func sample(_ name: String, _ labels: KeyValuePairs<String, String> = [:], _ value: Int) {
        text += "\(name)\(Self.text(of: labels)) \(value)\n"
    }

    public mutating func sample(_ name: String, _ labels: KeyValuePairs<String, String> = [:], _ value: Double) {
        text += "\(name)\(Self.text(of: labels)) \(value)\n"
    }

    /// One histogram: cumulative buckets, sum and count.
    ///
    /// - Parameters:
    ///   - counts: One a bound, not cumulative, and one more for what is above the last.
    ///   - sum: In the unit of the bounds.
    public mutating func histogram(
        _ name: String,
        labels: [(String, String)],
        bounds: [Double],
        counts: [Int],
        sum: Double
    ) {
        let inner = labels.map { "\($0)=\"\(Self.escaped($1))\"," }.joined()
        var total = 0
        for (bound, count) in zip(bounds, counts) {
            total += count
            text += "\(name)_bucket{\(inner)le=\"\(bound)\"} \(total)\n"
        }
        total += counts.last ?? 0
        text += "\(name)_bucket{\(inner)le=\"+Inf\"} \(total)\n"
        let plain = inner.isEmpty ? "" : "{\(inner.dropLast())}"
        text += "\(name)_sum\(plain) \(sum)\n\(name)_count\(plain) \(total)\n"
    }

    /// The families of another page behind those of this one; no name may be on both.
    public mutating func append(_ other: MetricsPage) {
        text += other.text
    }

    public var response: Response {
        Response(
            status: .ok,
            headers: [.contentType: "text/plain; version=0.0.4; charset=utf-8"],
            body: ResponseBody(byteBuffer: ByteBuffer(string: text))
        )
    }

    private static func text(of labels: KeyValuePairs<String, String>) -> String {
        guard !labels.isEmpty else { return "" }
        return "{" + labels.map { "\($0.key)=\"\(escaped($0.value))\"" }.joined(separator: ",") + "}"
    }

    private static func escaped(_ value: String) -> String {
        var result = ""
        for character in value {
            switch character {
            case "\\": result += "\\\\"
            case "\"": result += "\\\""
            case "\n": result += "\\n"
            default: result.append(character)
            }
        }
        return result
    }
}
