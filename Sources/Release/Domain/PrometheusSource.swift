public import SlipwayCore

/// `spec.observe.prometheus` of a platform file: the Prometheus that scrapes an environment's gateways.
public struct PrometheusSource: Sendable, Hashable, Codable {
    public static let labelsMax = 10
    public static let labelBytesMax = 200
    public static let staleSecondsRange = 1...3_600
    /// Three scrapes at the 30 s of `baseline/`.
    public static let staleSecondsDefault = 90

    public let url: String
    /// What tells this environment's gateways from others that the same Prometheus scrapes.
    public let labels: [String: String]
    /// How long after its last scrape a gateway counts as seen. Must be longer than two scrape intervals.
    public let staleSeconds: Int

    public init(url: String, labels: [String: String] = [:], staleSeconds: Int = staleSecondsDefault) {
        self.url = url
        self.labels = labels
        self.staleSeconds = staleSeconds
    }

    /// One that a person names.
    ///
    /// - Throws: `invalid_argument` when the address or a label is none.
    public init(checking url: String, labels: [String: String]) throws(PlatformError) {
        guard url.hasPrefix("http://") || url.hasPrefix("https://"), !url.contains("@"), !url.contains(" ") else {
            throw PlatformError(
                .invalidArgument,
                "the address of Prometheus is not an address",
                remedy: "write http://host:port or https://host:port, without a user or a password; SLIPWAY_PROMETHEUS_TOKEN is for a token"
            )
        }
        guard labels.count <= Self.labelsMax else { throw PlatformError(.invalidArgument, "more than \(Self.labelsMax) labels are given") }
        for (name, value) in labels.sorted(by: { $0.key < $1.key }) where !Self.canBeLabel(name, value) {
            throw PlatformError(.invalidArgument, "no series can have the label '\(name.prefix(80))=\(value.prefix(80))'")
        }
        self.init(url: url, labels: labels)
    }

    /// - Parameter spec: The section that may have `observe`.
    init?(spec: YAMLSection) throws(PlatformError) {
        guard let observe = try spec.section("observe") else { return nil }
        try observe.expect(["prometheus"])
        guard let section = try observe.section("prometheus") else { return nil }
        try section.expect(["url", "labels", "staleSeconds"])
        url = try PlatformFile.address(try section.text("url"), "url", in: section)
        staleSeconds = try section.integer("staleSeconds", in: Self.staleSecondsRange) ?? Self.staleSecondsDefault
        labels = try section.table("labels")
        guard labels.count <= Self.labelsMax else { throw section.mistake("labels", "has more than \(Self.labelsMax) labels") }
        for (name, value) in labels.sorted(by: { $0.key < $1.key }) {
            guard Self.canBeLabel(name, value) else {
                throw section.mistake(
                    "labels",
                    "has '\(name.prefix(80)): \(value.prefix(80))', which no series can have",
                    remedy: "write labels that Prometheus gives the gateways, such as 'namespace: gateway-dev'"
                )
            }
        }
    }

    private static func canBeLabel(_ name: String, _ value: String) -> Bool {
        isLabelName(name) && !value.isEmpty && value.utf8.count <= labelBytesMax
    }

    /// A label of a target: the ones that the gateway's own series have are not for choosing gateways by.
    private static func isLabelName(_ text: String) -> Bool {
        guard let first = text.utf8.first, !(UInt8(ascii: "0")...UInt8(ascii: "9")).contains(first), !text.hasPrefix("__") else { return false }
        guard !["model", "variant", "version", "outcome", "le", "prediction"].contains(text) else { return false }
        return text.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"):
                true
            default: false
            }
        }
    }
}
