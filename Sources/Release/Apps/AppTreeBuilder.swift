public import SlipwayCore

/// Renders a source as Argo CD's repository server would.
public protocol ManifestRenderer: Sendable {
    /// The objects of one source.
    ///
    /// - Parameter revision: What `$ARGOCD_APP_REVISION` stands for.
    /// - Throws: `not_found` without the tool, `invalid_argument` with the tool's words for a broken chart.
    func objects(of source: Application.Source, namespace: String, revision: String) async throws -> [JSONValue]
}

/// Follows a repository from its roots to its last Application, as Argo CD would: renders what writes into
/// Argo CD's own namespace, expands each ApplicationSet, and goes on with what they make.
public struct AppTreeBuilder: Sendable {
    private let renderer: any ManifestRenderer
    private let revision: String

    public init(renderer: any ManifestRenderer, revision: String) {
        self.renderer = renderer
        self.revision = revision
    }

    /// - Throws: As ``ManifestRenderer`` and ``AppTree`` do; `invalid_argument` for an object that cannot be read.
    public func build() async throws -> AppTree {
        let bootstrap = Application.Source(
            repository: "", revision: revision, path: "bootstrap", releaseName: "bootstrap",
            valueFiles: ["/envs/common.yaml"], values: nil, parameters: [], include: nil
        )
        var projects: [ProjectFence] = []
        var applications: [Application] = []
        var pending: [(application: Application, depth: Int)] = []

        func take(_ object: JSONValue, role: Application.Role, parent: String?, depth: Int) throws {
            guard object["apiVersion"]?.stringValue?.hasPrefix("argoproj.io/") == true else { return }
            switch object["kind"]?.stringValue {
            case "AppProject": projects.append(try ProjectFence(object))
            case "Application": pending.append((try Application(object, role: role, parent: parent), depth))
            case "ApplicationSet":
                for application in try ApplicationSetExpansion(object, maker: parent).applications { pending.append((application, depth)) }
            default: break
            }
        }

        for object in try await renderer.objects(of: bootstrap, namespace: Self.argoNamespace, revision: revision) {
            try take(object, role: .root, parent: nil, depth: 1)
        }
        guard let first = pending.first else {
            throw PlatformError(.invalidArgument, "'bootstrap' declares no Application", remedy: "it must declare the roots")
        }
        let home = first.application.destination.namespace
        while !pending.isEmpty {
            let (application, depth) = pending.removeFirst()
            applications.append(application)
            guard applications.count <= AppLimits.applicationsMax else {
                throw PlatformError(.exhausted, "the tree makes more than \(AppLimits.applicationsMax) Applications")
            }
            // The fences let nothing else write Applications.
            guard application.destination.namespace == home else { continue }
            guard depth < AppLimits.depthMax else {
                throw PlatformError(.invalidArgument, "Application '\(application.name)' is nested deeper than \(AppLimits.depthMax)")
            }
            for source in application.sources {
                for object in try await renderer.objects(of: source, namespace: home, revision: revision) {
                    try take(object, role: .app, parent: application.name, depth: depth + 1)
                }
            }
        }
        return try AppTree(projects: projects, applications: applications)
    }

    private static let argoNamespace = "argocd"
}
