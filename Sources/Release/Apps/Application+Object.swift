public import SlipwayCore

extension Application {
    public static let waveAnnotation = "argocd.argoproj.io/sync-wave"
    static let finalizer = "resources-finalizer.argocd.argoproj.io"
    static let layerLabel = "slipway.dev/layer"
    static let environmentLabel = "slipway.dev/env"

    /// Reads an object of kind Application.
    ///
    /// - Throws: `invalid_argument` that names the Application and the field. A wave that is no number is
    ///   refused: Argo CD would take it for 0, and order nothing.
    public init(_ object: JSONValue, role: Role, parent: String?) throws(PlatformError) {
        guard let name = object["metadata"]?["name"]?.stringValue, !name.isEmpty else {
            throw PlatformError(.invalidArgument, "an Application\(parent.map { " of '\($0)'" } ?? "") has no name")
        }
        func wrong(_ field: String, _ what: String) -> PlatformError {
            PlatformError(.invalidArgument, "'\(field)' of Application '\(name)' \(what)")
        }
        let labels = object["metadata"]?["labels"]
        guard let spec = object["spec"], spec.objectValue != nil else { throw wrong("spec", "is missing") }
        guard let project = spec["project"]?.stringValue, !project.isEmpty else { throw wrong("spec.project", "is missing") }
        let declared = spec["sources"]?.arrayValue ?? spec["source"].map { [$0] } ?? []
        guard !declared.isEmpty else { throw wrong("spec.source", "is missing") }
        guard declared.count <= AppLimits.sourcesMax else { throw wrong("spec.sources", "has more than \(AppLimits.sourcesMax) entries") }
        var sources: [Source] = []
        for item in declared { sources.append(try Source(item, of: name)) }
        guard let namespace = spec["destination"]?["namespace"]?.stringValue else { throw wrong("spec.destination.namespace", "is missing") }
        guard let server = (spec["destination"]?["server"] ?? spec["destination"]?["name"])?.stringValue else {
            throw wrong("spec.destination.server", "is missing")
        }
        var wave = 0
        if let text = object["metadata"]?["annotations"]?[Self.waveAnnotation] {
            guard let number = text.stringValue.flatMap({ Int($0) }) else {
                throw wrong("metadata.annotations.\(Self.waveAnnotation)", "is \(text.canonicalText), not a whole number as a text")
            }
            wave = number
        }
        let automated = spec["syncPolicy"]?["automated"]
        self.init(
            name: name,
            role: role,
            parent: parent,
            layer: labels?[Self.layerLabel]?.stringValue ?? "",
            environment: labels?[Self.environmentLabel]?.stringValue ?? "",
            project: project,
            wave: wave,
            sources: sources,
            destination: Destination(server: server, namespace: namespace),
            isAutomated: automated?.objectValue != nil,
            selfHeals: automated?["selfHeal"]?.boolValue ?? false,
            prunes: automated?["prune"]?.boolValue ?? false,
            cascades: (object["metadata"]?["finalizers"]?.arrayValue ?? []).contains(.string(Self.finalizer))
        )
    }
}

extension Application.Source {
    init(_ object: JSONValue, of application: String) throws(PlatformError) {
        guard let repository = object["repoURL"]?.stringValue, !repository.isEmpty else {
            throw PlatformError(.invalidArgument, "a source of Application '\(application)' has no 'repoURL'")
        }
        guard let path = object["path"]?.stringValue, !path.isEmpty, !path.hasPrefix("/"), !path.split(separator: "/").contains("..") else {
            throw PlatformError(.invalidArgument, "a source of Application '\(application)' has no 'path' inside the repository")
        }
        let helm = object["helm"]
        var parameters: [Parameter] = []
        for item in helm?["parameters"]?.arrayValue ?? [] {
            guard let name = item["name"]?.stringValue, let value = item["value"]?.stringValue else {
                throw PlatformError(.invalidArgument, "a Helm parameter of Application '\(application)' has no name and text")
            }
            parameters.append(Parameter(name: name, value: value, isText: item["forceString"]?.boolValue ?? false))
        }
        self.init(
            repository: repository,
            revision: object["targetRevision"]?.stringValue ?? "HEAD",
            path: path,
            releaseName: helm?["releaseName"]?.stringValue ?? application,
            valueFiles: (helm?["valueFiles"]?.arrayValue ?? []).compactMap(\.stringValue),
            values: helm?["valuesObject"],
            parameters: parameters,
            include: helm == nil ? object["directory"]?["include"]?.stringValue : nil
        )
    }
}

extension ProjectFence {
    init(_ object: JSONValue) throws(PlatformError) {
        guard let name = object["metadata"]?["name"]?.stringValue, !name.isEmpty else {
            throw PlatformError(.invalidArgument, "an AppProject has no name")
        }
        var destinations: [Application.Destination] = []
        for item in object["spec"]?["destinations"]?.arrayValue ?? [] {
            guard let namespace = item["namespace"]?.stringValue else {
                throw PlatformError(.invalidArgument, "a destination of AppProject '\(name)' has no namespace")
            }
            destinations.append(Application.Destination(server: item["server"]?.stringValue ?? "*", namespace: namespace))
        }
        self.init(
            name: name,
            repositories: (object["spec"]?["sourceRepos"]?.arrayValue ?? []).compactMap(\.stringValue),
            destinations: destinations
        )
    }

    /// Why an Application may not be in this project; `nil` when it may.
    func refusal(of application: Application) -> String? {
        for source in application.sources where !repositories.contains(where: { Self.matches($0, source.repository) }) {
            return "application repo \(source.repository) is not permitted in project '\(name)'"
        }
        let destination = application.destination
        let isAllowed = destinations.contains {
            Self.matches($0.server, destination.server) && Self.matches($0.namespace, destination.namespace)
        }
        guard isAllowed else {
            return "application destination server '\(destination.server)' and namespace '\(destination.namespace)' do not match any of the allowed destinations in project '\(name)'"
        }
        return nil
    }

    /// Argo CD's patterns: `*` stands for any text.
    static func matches(_ pattern: String, _ text: String) -> Bool {
        let parts = pattern.split(separator: "*", omittingEmptySubsequences: false)
        guard parts.count > 1, let first = parts.first, let last = parts.last else { return pattern == text }
        guard text.hasPrefix(first), text.utf8.count >= first.utf8.count + last.utf8.count, text.hasSuffix(last) else { return false }
        var rest = text.dropFirst(first.count).dropLast(last.count)
        for part in parts.dropFirst().dropLast() where !part.isEmpty {
            guard let range = rest.firstRange(of: part) else { return false }
            rest = rest[range.upperBound...]
        }
        return true
    }
}

/// What reading a tree of Applications bounds.
public enum AppLimits {
    public static let applicationsMax = 1000
    public static let sourcesMax = 16
    public static let elementsMax = 100
    /// Root → parent → app.
    public static let depthMax = 4
}
