public import SlipwayCore

/// What one environment's platform is like: `envs/<env>/platform.yaml`.
///
/// No file is the same as one that says nothing. Strict: an unknown key, a doubled one or a name that is
/// none is refused with file and line, as a typing mistake must not leave an alias unprotected.
public struct PlatformFile: Sendable, Hashable, Codable {
    public static let aliasesMax = 100
    public static let addressesMax = 100

    /// Where the tracking server is; `nil`: embedded.
    public let tracking: String?
    /// Where the model servers are; of a name with several addresses each is one. Empty: embedded.
    public let modelServers: [String]
    /// Where the gateways are, in the same way.
    public let gateways: [String]
    /// Aliases, of every model, that only the reconciler moves; in the order of their names.
    public let protectedAliases: [Alias]
    /// Where `observe` looks for what variants did; `nil`: at the gateways' own counters.
    public let prometheus: PrometheusSource?

    public init(
        protectedAliases: some Sequence<Alias> = [],
        tracking: String? = nil,
        modelServers: [String] = [],
        gateways: [String] = [],
        prometheus: PrometheusSource? = nil
    ) {
        self.protectedAliases = Set(protectedAliases).sorted()
        self.tracking = tracking
        self.modelServers = modelServers
        self.gateways = gateways
        self.prometheus = prometheus
    }

    /// A file kept by an earlier version says nothing of engines.
    public init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        self.init(
            protectedAliases: try values.decode([Alias].self, forKey: .protectedAliases),
            tracking: try values.decodeIfPresent(String.self, forKey: .tracking),
            modelServers: try values.decodeIfPresent([String].self, forKey: .modelServers) ?? [],
            gateways: try values.decodeIfPresent([String].self, forKey: .gateways) ?? [],
            prometheus: try values.decodeIfPresent(PrometheusSource.self, forKey: .prometheus)
        )
    }

    public static func path(in environment: EnvironmentName) -> String {
        "envs/\(environment)/platform.yaml"
    }

    /// - Throws: `invalid_argument` with `<path>:<line>: <reason>`.
    public static func parse(_ text: String, environment: EnvironmentName) throws(PlatformError) -> PlatformFile {
        let root = try YAMLSection.parse(text, file: path(in: environment))
        try root.expect(["apiVersion", "kind", "metadata", "spec"])
        guard try root.text("apiVersion") == ReleaseFile.apiVersion else {
            throw root.mistake("apiVersion", "must be '\(ReleaseFile.apiVersion)'")
        }
        guard try root.text("kind") == "Platform" else { throw root.mistake("kind", "must be 'Platform'") }
        let metadata = try root.section("metadata")
        try metadata?.expect(["name"])
        guard try metadata?.text("name") == environment.text else {
            throw (metadata ?? root).mistake("name", "must be '\(environment)', as the folder is called")
        }
        guard let spec = try root.section("spec") else { return PlatformFile() }
        try spec.expect(["tracking", "modelServers", "gateways", "observe", "registry"])
        let tracking = try spec.section("tracking")
        try tracking?.expect(["url"])
        let registry = try spec.section("registry")
        try registry?.expect(["protectedAliases"])
        var protected: [Alias] = []
        if let registry { protected = try aliases("protectedAliases", in: registry) }
        var trackingAddress: String?
        if let tracking { trackingAddress = try address(try tracking.text("url"), "url", in: tracking) }
        return PlatformFile(
            protectedAliases: protected,
            tracking: trackingAddress,
            modelServers: try addresses("modelServers", in: spec),
            gateways: try addresses("gateways", in: spec),
            prometheus: try PrometheusSource(spec: spec)
        )
    }

    private static func addresses(_ key: String, in section: YAMLSection) throws(PlatformError) -> [String] {
        guard section.has(key), let texts = try section.texts(key) else { return [] }
        guard texts.count <= addressesMax else { throw section.mistake(key, "lists more than \(addressesMax) addresses") }
        for text in texts { _ = try address(text, key, in: section) }
        return texts
    }

    static func address(_ text: String?, _ key: String, in section: YAMLSection) throws(PlatformError) -> String {
        guard let text, text.hasPrefix("http://") || text.hasPrefix("https://"), !text.contains("@"), !text.contains(" ") else {
            throw section.mistake(
                key,
                // One with a password in it is not repeated.
                "has '\(text.map { $0.contains("@") ? "…" : String($0.prefix(80)) } ?? "")', which is not an address",
                remedy: "write http://host:port or https://host:port, without a user or a password"
            )
        }
        return text
    }

    private static func aliases(_ key: String, in section: YAMLSection) throws(PlatformError) -> [Alias] {
        guard section.has(key), let texts = try section.texts(key) else { return [] }
        guard texts.count <= aliasesMax else { throw section.mistake(key, "lists more than \(aliasesMax) aliases") }
        var aliases: [Alias] = []
        for text in texts {
            guard let alias = try? Alias(text) else {
                throw section.mistake(key, "has '\(text.prefix(80))', which is not a valid alias", remedy: "use letters, digits, '_' or '-'")
            }
            guard !aliases.contains(alias) else { throw section.mistake(key, "lists '\(alias)' twice") }
            aliases.append(alias)
        }
        return aliases
    }
}
