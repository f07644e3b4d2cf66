public import SlipwayCore

extension Release {
    /// What a release takes from the feature store: `spec.features`.
    ///
    /// The gateway joins these columns, in this order, behind those that a request brings itself.
    public struct Features: Sendable, Hashable, Codable {
        /// What happens to a value that is not there.
        public enum Policy: String, Sendable, Hashable, Codable, CaseIterable {
            /// Its default is taken; every column has one.
            case `default`
            /// The request is refused, also for a value that is too old.
            case reject
            /// As `default`, with a warning to whoever asked; a column without a default is refused.
            case warn
        }

        public static let columnsMax = 1000
        public static let timeoutMillisecondsDefault = 50
        public static let timeoutMillisecondsMax = 5000
        public static let ageSecondsMax = 10 * 365 * 86_400

        /// The name of Feast's feature service.
        public let service: String
        /// The join keys: what a request must name.
        public let entities: [String]
        public let columns: [String]
        public let policy: Policy
        public let defaults: [String: Double]
        /// For the whole round trip to the feature server.
        public let timeoutMilliseconds: Int
        /// A value whose event is older than this is stale; `nil`: never.
        public let ageSecondsMax: Int?

        public init(
            service: String,
            entities: [String],
            columns: [String],
            policy: Policy,
            defaults: [String: Double] = [:],
            timeoutMilliseconds: Int = Self.timeoutMillisecondsDefault,
            ageSecondsMax: Int? = nil
        ) {
            self.service = service
            self.entities = entities
            self.columns = columns
            self.policy = policy
            self.defaults = defaults
            self.timeoutMilliseconds = timeoutMilliseconds
            self.ageSecondsMax = ageSecondsMax
        }
    }
}

extension Release {
    /// - Throws: `failed_precondition` for a release that begins to need features while there are none. One
    ///   that needed them before may change what serves all the same: a rollback must never be refused.
    func checkFeatures(areThere: Bool?, before: Release?, path: String) throws(PlatformError) {
        guard let features, areThere == false, features != before?.features else { return }
        throw PlatformError(
            .failedPrecondition,
            "\(path): '\(model)' takes features of service '\(features.service)', and Optional is detached",
            remedy: "slipway optional on, or take spec.features out"
        )
    }
}

extension ReleaseFile {
    /// Whether some file may ask for features: a cheap no for the many that do not.
    public static func mayTakeFeatures(_ files: [String: String]) -> Bool {
        files.values.contains { $0.contains("features:") }
    }

    /// - Throws: `invalid_argument` with `<path>:<line>: <reason>`.
    public static func parse(_ text: String, path: String) throws(PlatformError) -> Release {
        var release = try parseServing(text, path: path)
        if let spec = try YAMLSection.parse(text, file: path).section("spec") { release.features = try features(in: spec) }
        return release
    }

    /// The same release is always the same text.
    public static func text(_ release: Release) -> String {
        servingText(release) + (release.features.map { lines($0).joined(separator: "\n") + "\n" } ?? "")
    }

    /// The text of a release that follows another: what serves changes, what the gateway joins stays.
    ///
    /// - Parameter before: The file that it follows; one that cannot be read has no features to keep.
    public static func text(_ text: String, keepingFeaturesOf before: String?, path: String) -> String {
        guard let before, let features = (try? parse(before, path: path))?.features, var release = try? parse(text, path: path),
            release.features == nil
        else { return text }
        release.features = features
        return self.text(release)
    }

    /// Reads `spec.features`.
    static func features(in spec: YAMLSection) throws(PlatformError) -> Release.Features? {
        guard spec.has("features"), let section = try spec.section("features") else { return nil }
        try section.expect(["service", "entities", "columns", "policy", "defaults", "timeoutMilliseconds", "ageSecondsMax"])
        guard let service = try section.text("service"), !service.isEmpty else {
            throw section.mistake("service", "is missing", remedy: "name a feature service of Feast")
        }
        let entities = try names("entities", in: section)
        let columns = try names("columns", in: section)
        guard let policy = try section.choice("policy", Release.Features.Policy.self) else {
            throw section.mistake("policy", "is missing", remedy: "say 'default', 'reject' or 'warn'")
        }
        var defaults: [String: Double] = [:]
        if let table = try section.section("defaults") {
            try table.expect(columns)
            for column in table.keys {
                guard let number = try table.number(column, in: -Double.greatestFiniteMagnitude...Double.greatestFiniteMagnitude) else {
                    throw table.mistake(column, "is empty")
                }
                defaults[column] = number
            }
        }
        if policy == .default, let column = columns.first(where: { defaults[$0] == nil }) {
            throw section.mistake("defaults", "has none for column '\(column)'", remedy: "give one, or use policy 'reject' or 'warn'")
        }
        return Release.Features(
            service: service, entities: entities, columns: columns, policy: policy, defaults: defaults,
            timeoutMilliseconds: try section.integer("timeoutMilliseconds", in: 1...Release.Features.timeoutMillisecondsMax)
                ?? Release.Features.timeoutMillisecondsDefault,
            ageSecondsMax: try section.integer("ageSecondsMax", in: 1...Release.Features.ageSecondsMax)
        )
    }

    private static func names(_ key: String, in section: YAMLSection) throws(PlatformError) -> [String] {
        guard let names = try section.texts(key), !names.isEmpty else { throw section.mistake(key, "names none") }
        guard names.count <= Release.Features.columnsMax else { throw section.mistake(key, "names more than \(Release.Features.columnsMax)") }
        for (index, name) in names.enumerated() {
            guard !name.isEmpty, name.allSatisfy({ $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "_") }) else {
                throw section.mistake(key, "has '\(name.prefix(80))', which is no name of a feature")
            }
            guard !names[..<index].contains(name) else { throw section.mistake(key, "names '\(name)' twice") }
        }
        return names
    }

    /// The lines of `spec.features`, for ``text(_:)``.
    static func lines(_ features: Release.Features) -> [String] {
        var lines = [
            "  features:",
            "    service: \(JSONValue.string(features.service).canonicalText)",
            "    entities: [\(features.entities.joined(separator: ", "))]",
            "    columns: [\(features.columns.joined(separator: ", "))]",
            "    policy: \(features.policy.rawValue)",
        ]
        if !features.defaults.isEmpty {
            let pairs = features.columns.compactMap { column in features.defaults[column].map { "\(column): \(JSONValue.double($0).canonicalText)" } }
            lines.append("    defaults: { \(pairs.joined(separator: ", ")) }")
        }
        lines.append("    timeoutMilliseconds: \(features.timeoutMilliseconds)")
        if let age = features.ageSecondsMax { lines.append("    ageSecondsMax: \(age)") }
        return lines
    }
}
