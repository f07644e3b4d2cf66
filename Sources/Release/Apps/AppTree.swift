public import SlipwayCore

/// Every Application that Argo CD would make of a repository, with the projects that fence them.
public struct AppTree: Sendable, Equatable {
    public let projects: [ProjectFence]
    /// Roots, then parents, then apps; each in the order in which they sync.
    public let applications: [Application]

    /// - Throws: `invalid_argument` for two Applications or projects of one name.
    public init(projects: [ProjectFence], applications: [Application]) throws(PlatformError) {
        for (index, project) in projects.enumerated() where projects[..<index].contains(where: { $0.name == project.name }) {
            throw PlatformError(.invalidArgument, "AppProject '\(project.name)' is declared twice")
        }
        guard applications.count <= AppLimits.applicationsMax else {
            throw PlatformError(.exhausted, "the tree makes more than \(AppLimits.applicationsMax) Applications")
        }
        var seen: Set<String> = []
        for application in applications where !seen.insert(application.name).inserted {
            throw PlatformError(.invalidArgument, "Application '\(application.name)' is made twice", remedy: "give each entry of apps/catalogue.yaml a name of its own")
        }
        self.projects = projects.sorted { $0.name < $1.name }
        self.applications = applications.sorted { Self.order($0) < Self.order($1) }
    }

    private static func order(_ application: Application) -> (Int, String, String, Int, String) {
        let role = Application.Role.allCases.firstIndex(of: application.role) ?? 0
        return (role, application.environment, application.layer, application.wave, application.name)
    }

    /// - Throws: `not_found` with the nearest name.
    public func application(_ name: String) throws(PlatformError) -> Application {
        guard let application = applications.first(where: { $0.name == name }) else {
            let near = YAMLSection.nearest(name, applications.map(\.name))
            throw PlatformError(
                .notFound, "there is no Application '\(name.prefix(80))'",
                remedy: near.map { "did you mean '\($0)'?" } ?? "slipway app list names them all"
            )
        }
        return application
    }

    public func children(of name: String) -> [Application] {
        applications.filter { $0.parent == name }
    }

    /// What Argo CD would say about each Application before it renders anything.
    ///
    /// - Parameter exists: Whether a path of the repository is there.
    public func conditions(exists: (String) -> Bool) -> [String: [AppCondition]] {
        var conditions: [String: [AppCondition]] = [:]
        for application in applications {
            var found: [AppCondition] = []
            if let project = projects.first(where: { $0.name == application.project }) {
                if let refusal = project.refusal(of: application) { found.append(AppCondition(.invalidSpec, refusal)) }
            } else {
                found.append(AppCondition(.invalidSpec, "Application referencing project \(application.project) which does not exist"))
            }
            for source in application.sources {
                if !exists(source.path) {
                    found.append(AppCondition(.comparison, "\(source.path): app path does not exist"))
                } else if source.isChart, !exists("\(source.path)/Chart.yaml") {
                    found.append(AppCondition(.comparison, "\(source.path)/Chart.yaml: no such file"))
                }
                for file in source.repositoryValueFiles where !exists(file) {
                    found.append(AppCondition(.comparison, "\(file): no such file"))
                }
            }
            if !found.isEmpty { conditions[application.name] = found }
        }
        return conditions
    }
}
