public import SlipwayCore

/// `apps/catalogue.yaml` with `envs/common.yaml`: every application, its layer and its wave.
///
/// Strict, as everything that decides where something may be deployed: an unknown key or layer, a name
/// that is none and a wave that is no number are refused with file and line.
public struct Catalogue: Sendable, Equatable {
    public struct Layer: Sendable, Equatable {
        public let name: String
        public let folder: String
        public let hasProjectPerEnvironment: Bool
        public let isDetachable: Bool
    }

    public struct Entry: Sendable, Equatable {
        public let name: String
        public let layer: String
        public let wave: Int
        public let podSecurity: String
        public let alsoNamespaces: [String]
    }

    public static let path = "apps/catalogue.yaml"
    public static let commonPath = "envs/common.yaml"
    static let namesMax = 200

    public let environments: [EnvironmentName]
    public let layers: [Layer]
    public let entries: [Entry]

    public static func parse(_ text: String) throws(PlatformError) -> Catalogue {
        let root = try YAMLSection.parse(text, file: path)
        try root.expect(["environments", "layers", "apps"])
        var environments: [EnvironmentName] = []
        for text in try root.texts("environments") ?? [] {
            guard let environment = try? EnvironmentName(text) else {
                throw root.mistake("environments", "has '\(text.prefix(60))', which is not a valid environment")
            }
            guard !environments.contains(environment) else { throw root.mistake("environments", "lists '\(environment)' twice") }
            environments.append(environment)
        }
        guard !environments.isEmpty else { throw root.mistake("environments", "names none") }
        guard let table = try root.section("layers") else { throw root.mistake("layers", "is missing") }
        var layers: [Layer] = []
        for name in table.keys {
            guard let layer = try table.section(name) else { throw table.mistake(name, "is empty") }
            try layer.expect(["folder", "projectPerEnvironment", "description", "clusterResources", "detachable"])
            guard let folder = try layer.text("folder") else { throw layer.mistake("folder", "is missing") }
            layers.append(
                Layer(
                    name: name, folder: folder,
                    hasProjectPerEnvironment: try layer.flag("projectPerEnvironment") ?? false,
                    isDetachable: try layer.flag("detachable") ?? false
                )
            )
        }
        let entries = try Self.entries(text, layers: layers.map(\.name))
        return Catalogue(environments: environments, layers: layers, entries: entries)
    }

    /// A list of mappings, which ``YAMLSection`` does not read.
    private static func entries(_ text: String, layers: [String]) throws(PlatformError) -> [Entry] {
        let document = try YAMLDocuments.parse(text, name: path).first
        guard let items = document?["apps"]?.arrayValue, !items.isEmpty, items.count <= namesMax else {
            throw PlatformError(.invalidArgument, "\(path): 'apps' must be a list of 1 to \(namesMax) applications")
        }
        let known = ["name", "layer", "wave", "secrets", "podSecurity", "alsoNamespaces"]
        var entries: [Entry] = []
        for item in items {
            guard let name = item["name"]?.stringValue, (try? EnvironmentName(name)) != nil else {
                throw PlatformError(.invalidArgument, "\(path): an entry of 'apps' has no name that is a lower-case DNS label: \(item.canonicalText.prefix(80))")
            }
            func wrong(_ what: String, _ remedy: String? = nil) -> PlatformError {
                PlatformError(.invalidArgument, "\(path): application '\(name)' \(what)", remedy: remedy)
            }
            for key in item.objectValue?.keys.sorted() ?? [] where !known.contains(key) {
                throw wrong("has the unknown key '\(key.prefix(60))'", YAMLSection.nearest(key, known).map { "did you mean '\($0)'?" })
            }
            guard let layer = item["layer"]?.stringValue, layers.contains(layer) else {
                throw wrong("names layer '\(item["layer"]?.stringValue ?? "")', which is not one of \(layers.joined(separator: ", "))")
            }
            guard let wave = item["wave"]?.intValue, let wave = Int(exactly: wave) else {
                throw wrong("has no wave that is a whole number", "an application without a wave would start before what it stands on")
            }
            guard !entries.contains(where: { $0.name == name }) else { throw wrong("is there twice") }
            entries.append(
                Entry(
                    name: name, layer: layer, wave: wave,
                    podSecurity: item["podSecurity"]?.stringValue ?? "restricted",
                    alsoNamespaces: (item["alsoNamespaces"]?.arrayValue ?? []).compactMap(\.stringValue)
                )
            )
        }
        return entries
    }
}

/// Where the repository stands, of `envs/common.yaml`.
public struct RepositoryPlace: Sendable, Equatable {
    public let url: String
    public let revision: String

    public static func parse(_ text: String) throws(PlatformError) -> RepositoryPlace {
        guard let repository = try YAMLDocuments.parse(text, name: Catalogue.commonPath).first?["global"]?["repository"],
            let url = repository["url"]?.stringValue, let revision = repository["revision"]?.stringValue, !url.isEmpty, !revision.isEmpty
        else { throw PlatformError(.invalidArgument, "'\(Catalogue.commonPath)' does not say 'global.repository.url' and 'revision'") }
        return RepositoryPlace(url: url, revision: revision)
    }
}
