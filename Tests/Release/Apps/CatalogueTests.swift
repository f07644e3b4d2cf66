import Foundation
import SlipwayCore
import SlipwayProcesses
import SlipwayTesting
import Testing

@testable import SlipwayApps

@Suite("The Applications of a repository")
struct CatalogueTests {
    @Test("The real tree makes exactly these Applications, with these projects, waves and namespaces")
    func realTree() throws {
        let tree = try Self.tree(attached: [try EnvironmentName("dev")])
        try expectSnapshot(Self.table(tree), named: "applications.txt")
        let broken = tree.conditions { FileManager.default.fileExists(atPath: packageRoot.appending(path: $0).path) }
        #expect(broken.values.flatMap { $0 }.allSatisfy { $0.kind != .invalidSpec }, "\(broken)")
    }

    @Test("Without rendering, the tree is the one that helm renders, in every field")
    func agreesWithHelm() async throws {
        let finder = ToolFinder(path: ProcessInfo.processInfo.environment["PATH"] ?? "", tree: packageRoot.path)
        guard let helm = finder.find("helm") else { return }
        let environment = ProcessInfo.processInfo.environment
        let attached = try Self.attachedNow()
        let rendered = try await AppTreeBuilder(
            renderer: HelmRenderer(helm: helm, tree: packageRoot.path, environment: environment), revision: Self.revision
        ).build()
        let read = try Self.tree(attached: attached)
        #expect(rendered.projects == read.projects)
        #expect(rendered.applications.map(\.name) == read.applications.map(\.name))
        for (left, right) in zip(rendered.applications, read.applications) { #expect(left == right) }
    }

    @Test("A catalogue that does not hold together is refused, and the reason names the entry", arguments: Self.breakages)
    func broken(breakage: Breakage) throws {
        let text = try Self.file(Catalogue.path)
        let changed = text.replacing(breakage.what, with: breakage.by)
        #expect(changed != text, "the breakage changes nothing")
        let error = try #require(throws: PlatformError.self) { try Catalogue.parse(changed) }
        #expect(error.code == .invalidArgument)
        #expect(error.message.contains(breakage.says), "\(error.message)")
    }

    struct Breakage: Sendable, CustomTestStringConvertible {
        let what: String
        let by: String
        let says: String
        var testDescription: String { says }
    }

    static let breakages: [Breakage] = [
        Breakage(what: "environments: [dev, prod]", by: "environments: [dev, dev]", says: "lists 'dev' twice"),
        Breakage(what: "environments: [dev, prod]", by: "environments: [Dev]", says: "'Dev', which is not a valid environment"),
        Breakage(what: "environments: [dev, prod]", by: "environments: []", says: "'environments' names none"),
        Breakage(what: "  - name: triton\n    layer: core\n    wave: 0", by: "  - name: triton\n    layer: core\n    wave: first", says: "'triton' has no wave"),
        Breakage(what: "  - name: triton\n    layer: core\n    wave: 0", by: "  - name: triton\n    layer: core", says: "'triton' has no wave"),
        Breakage(what: "  - name: triton", by: "  - name: mlflow", says: "'mlflow' is there twice"),
        Breakage(what: "  - name: triton\n    layer: core", by: "  - name: triton\n    layer: kernel", says: "names layer 'kernel'"),
        Breakage(what: "podSecurity: privileged", by: "podSecurty: privileged", says: "unknown key 'podSecurty'"),
        Breakage(what: "detachable: true", by: "detachable: perhaps", says: "must be true or false"),
        Breakage(what: "    folder: charts\n", by: "", says: "'layers.core.folder' is missing"),
    ]

    @Test("What a project does not allow is Argo CD's InvalidSpecError; what is not in the repository a ComparisonError")
    func conditions() throws {
        let tree = try Self.tree(attached: [])
        let astray = try tree.application("gateway-dev").with(project: "prod")
        let orphan = try tree.application("mlflow-dev").with(project: "stage")
        let others = tree.applications.filter { $0.name != "gateway-dev" && $0.name != "mlflow-dev" }
        let broken = try AppTree(projects: tree.projects, applications: others + [astray, orphan])
        let conditions = broken.conditions { $0 != "charts/triton" }
        #expect(conditions["gateway-dev"]?.first?.kind == .invalidSpec)
        #expect(conditions["gateway-dev"]?.first?.message.contains("namespace 'gateway-dev'") == true)
        #expect(conditions["mlflow-dev"]?.first?.message == "Application referencing project stage which does not exist")
        #expect(conditions["triton-dev"] == [AppCondition(.comparison, "charts/triton: app path does not exist")])
        #expect(conditions["gateway-prod"] == nil)
    }

    @Test("Two Applications of one name are refused")
    func twice() throws {
        let tree = try Self.tree(attached: [])
        let one = try tree.application("gateway-dev")
        #expect(throws: PlatformError.self) { try AppTree(projects: tree.projects, applications: [one, one]) }
    }

    @Test("A name that is not there is answered with the nearest that is")
    func nearest() throws {
        let tree = try Self.tree(attached: [])
        let error = try #require(throws: PlatformError.self) { try tree.application("gatewy-dev") }
        #expect(error.code == .notFound)
        #expect(error.remedy == "did you mean 'gateway-dev'?")
    }

    // MARK: The real tree

    static let revision = String(repeating: "0123456789", count: 4)

    static func file(_ path: String) throws -> String {
        try String(contentsOf: packageRoot.appending(path: path), encoding: .utf8)
    }

    static func tree(attached: Set<EnvironmentName>) throws -> AppTree {
        try Catalogue.parse(try file(Catalogue.path))
            .tree(place: try RepositoryPlace.parse(try file(Catalogue.commonPath)), revision: revision, attached: attached)
    }

    static func attachedNow() throws -> Set<EnvironmentName> {
        let all = try Catalogue.parse(try file(Catalogue.path)).environments
        return Set(try all.filter { try OptionalSwitch.isAttached(try file(OptionalSwitch.path(in: $0)), in: $0) })
    }

    static func table(_ tree: AppTree) -> String {
        let rows = tree.applications.map { application in
            "\(application.name) \(application.role.rawValue) of \(application.parent ?? "-") project \(application.project) wave \(application.wave) into \(application.destination.namespace) from \(application.path)"
        }
        let fences = tree.projects.map { "project \($0.name): \($0.destinations.map(\.namespace).joined(separator: " "))" }
        return (rows + fences).joined(separator: "\n") + "\n"
    }
}

extension Application {
    func with(project: String) -> Application {
        Application(
            name: name, role: role, parent: parent, layer: layer, environment: environment, project: project, wave: wave, sources: sources,
            destination: destination, isAutomated: isAutomated, selfHeals: selfHeals, prunes: prunes, cascades: cascades
        )
    }
}
