public import SlipwayCore

extension Catalogue {
    private static let server = "https://kubernetes.default.svc"
    private static let argoNamespace = "argocd"

    /// The tree that `bootstrap/` and `apps/` render to, without rendering: for where there is no helm.
    ///
    /// A test renders the repository and compares the two.
    ///
    /// - Parameters:
    ///   - revision: The commit that the parents hand to their children.
    ///   - attached: The environments in which the detachable layers are attached.
    public func tree(place: RepositoryPlace, revision: String, attached: Set<EnvironmentName>) throws(PlatformError) -> AppTree {
        var projects = [
            ProjectFence(
                name: "platform", repositories: [place.url],
                destinations: [Application.Destination(server: Self.server, namespace: Self.argoNamespace)]
            ),
            ProjectFence(name: "default", repositories: [], destinations: []),
        ]
        var applications: [Application] = []
        for layer in layers {
            let own = entries.filter { $0.layer == layer.name }
            projects += fences(of: layer, own, place)
            let root = layer.name == "core" ? "root-apps" : "root-\(layer.name)"
            applications.append(parent(root, .root, of: layer, in: "all", maker: nil, place, rootSource(root, layer, place)))
            for environment in environments {
                let name = "\(layer.name)-\(environment)"
                applications.append(
                    parent(name, .parent, of: layer, in: environment.text, maker: root, place, parentSource(name, layer, environment, place))
                )
                guard !layer.isDetachable || attached.contains(environment) else { continue }
                for entry in own {
                    applications.append(application(entry, layer, environment, place, revision))
                }
            }
        }
        return try AppTree(projects: projects, applications: applications)
    }

    private func fences(of layer: Layer, _ own: [Entry], _ place: RepositoryPlace) -> [ProjectFence] {
        let groups = layer.hasProjectPerEnvironment ? environments.map { ($0.text, [$0]) } : [(layer.name, environments)]
        return groups.map { name, environments in
            var also: [String] = []
            for namespace in own.flatMap(\.alsoNamespaces) where !also.contains(namespace) { also.append(namespace) }
            let namespaces = own.flatMap { entry in environments.map { "\(entry.name)-\($0)" } } + also
            return ProjectFence(
                name: name, repositories: [place.url],
                destinations: namespaces.map { Application.Destination(server: Self.server, namespace: $0) }
            )
        }
    }

    private func rootSource(_ name: String, _ layer: Layer, _ place: RepositoryPlace) -> Application.Source {
        Application.Source(
            repository: place.url, revision: place.revision, path: "apps/root", releaseName: name,
            valueFiles: ["/\(Self.commonPath)", "/\(Self.path)"],
            values: ["layer": .string(layer.name), "argocd": ["namespace": .string(Self.argoNamespace), "server": .string(Self.server)]],
            parameters: [], include: nil
        )
    }

    private func parentSource(_ name: String, _ layer: Layer, _ environment: EnvironmentName, _ place: RepositoryPlace) -> Application.Source {
        let values = layer.isDetachable ? ["/\(OptionalSwitch.path(in: environment))"] : []
        return Application.Source(
            repository: place.url, revision: place.revision, path: "apps/layer", releaseName: name,
            valueFiles: ["/\(Self.commonPath)", "/\(Self.path)"] + values, values: nil,
            parameters: [
                .init(name: "layer", value: layer.name, isText: false),
                .init(name: "env", value: environment.text, isText: true),
                .init(name: "argocd.namespace", value: Self.argoNamespace, isText: false),
                .init(name: "argocd.server", value: Self.server, isText: false),
                .init(name: "revision", value: "$ARGOCD_APP_REVISION", isText: true),
            ],
            include: nil
        )
    }

    private func parent(
        _ name: String,
        _ role: Application.Role,
        of layer: Layer,
        in environment: String,
        maker: String?,
        _ place: RepositoryPlace,
        _ source: Application.Source
    ) -> Application {
        Application(
            name: name, role: role, parent: maker, layer: layer.name, environment: environment, project: "platform", wave: 0,
            sources: [source], destination: .init(server: Self.server, namespace: Self.argoNamespace),
            isAutomated: true, selfHeals: true, prunes: true, cascades: false
        )
    }

    private func application(
        _ entry: Entry,
        _ layer: Layer,
        _ environment: EnvironmentName,
        _ place: RepositoryPlace,
        _ revision: String
    ) -> Application {
        let name = "\(entry.name)-\(environment)"
        return Application(
            name: name, role: .app, parent: "\(layer.name)-\(environment)", layer: layer.name, environment: environment.text,
            project: layer.hasProjectPerEnvironment ? environment.text : layer.name, wave: entry.wave,
            sources: [
                Application.Source(
                    repository: place.url, revision: revision, path: "\(layer.folder)/\(entry.name)", releaseName: entry.name,
                    valueFiles: ["/\(Self.commonPath)", "/envs/\(environment)/values/\(entry.name).yaml"], values: nil, parameters: [], include: nil
                ),
                Application.Source(
                    repository: place.url, revision: revision, path: "envs/\(environment)/sealed/\(entry.name)", releaseName: name,
                    valueFiles: [], values: nil, parameters: [], include: "*.yaml"
                ),
            ],
            destination: .init(server: Self.server, namespace: name),
            isAutomated: true, selfHeals: true, prunes: true, cascades: layer.isDetachable
        )
    }
}
