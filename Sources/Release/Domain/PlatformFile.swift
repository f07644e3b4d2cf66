public import SlipwayCore

/// What one environment's platform is like: `envs/<env>/platform.yaml`.
///
/// No file is the same as one that says nothing. Strict: an unknown key, a doubled one or a name that is
/// none is refused with file and line, as a typing mistake must not leave an alias unprotected.
public struct PlatformFile: Sendable, Hashable, Codable {
    public static let aliasesMax = 100

    /// Aliases, of every model, that only the reconciler moves; in the order of their names.
    public let protectedAliases: [Alias]

    public init(protectedAliases: some Sequence<Alias> = []) {
        self.protectedAliases = Set(protectedAliases).sorted()
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
        try spec.expect(["registry"])
        guard let registry = try spec.section("registry") else { return PlatformFile() }
        try registry.expect(["protectedAliases"])
        return PlatformFile(protectedAliases: try aliases("protectedAliases", in: registry))
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
