import SlipwayCore
import Testing

@testable import SlipwayApps

@Suite("Argo CD's objects")
struct ApplicationTests {
    private func application(_ change: (inout [String: JSONValue]) -> Void = { _ in }) throws -> Application {
        var object: [String: JSONValue] = [
            "metadata": ["name": "gateway-dev", "annotations": ["argocd.argoproj.io/sync-wave": "2"], "labels": ["slipway.dev/env": "dev", "slipway.dev/layer": "core"]],
            "spec": [
                "project": "dev", "destination": ["server": "https://c", "namespace": "gateway-dev"],
                "source": ["repoURL": "https://r", "path": "charts/gateway", "helm": ["valueFiles": ["/envs/dev/values/gateway.yaml", "more.yaml"]]],
                "syncPolicy": ["automated": ["selfHeal": true]],
            ],
        ]
        change(&object)
        return try Application(.object(object), role: .app, parent: "core-dev")
    }

    @Test("An Application is read with its wave, its files and its destination")
    func reads() throws {
        let application = try application()
        #expect(application.wave == 2)
        #expect(application.labels == ["slipway.dev/env": "dev", "slipway.dev/layer": "core"])
        #expect(application.sources[0].repositoryValueFiles == ["envs/dev/values/gateway.yaml", "charts/gateway/more.yaml"])
        #expect(application.selfHeals && application.isAutomated && !application.prunes && !application.cascades)
    }

    @Test("A wave that is no number is refused and not taken for 0")
    func wave() throws {
        for value in [JSONValue.string("first"), .int(1), .string("")] {
            let error = try #require(throws: PlatformError.self) {
                try application { $0["metadata"] = ["name": "gateway-dev", "annotations": ["argocd.argoproj.io/sync-wave": value]] }
            }
            #expect(error.message.contains("sync-wave"))
        }
    }

    @Test("An Application without project, source, destination, or with a path outside of the repository is refused")
    func incomplete() throws {
        for (field, value) in [("project", JSONValue.null), ("destination", .null), ("source", .null), ("source", ["repoURL": "https://r", "path": "../x"])] {
            #expect(throws: PlatformError.self, "\(field)") {
                try application { object in
                    var spec = object["spec"]?.objectValue ?? [:]
                    spec[field] = value.isNull ? nil : value
                    object["spec"] = .object(spec)
                }
            }
        }
    }

    @Test("An ApplicationSet makes one Application an element")
    func expands() throws {
        let made = try ApplicationSetExpansion(try set(), maker: "root-apps").applications
        #expect(made.map(\.name) == ["core-dev", "core-prod"])
        #expect(made.map(\.environment) == ["dev", "prod"])
        #expect(made.allSatisfy { $0.parent == "root-apps" && $0.role == .parent })
    }

    @Test("A generator, an expression or a key that is not read here is refused by its name")
    func refusesTemplates() throws {
        let cases: [(String, JSONValue, String)] = [
            ("generators", [["git": ["directories": []]]], "'git'"),
            ("generators", [["list": ["elements": [["name": "dev"]]]]], "asks for 'env'"),
            ("generators", [], "generates nothing"),
            ("goTemplate", false, "goTemplate"),
        ]
        for (field, value, says) in cases {
            let error = try #require(throws: PlatformError.self) { try ApplicationSetExpansion(try set(field, value), maker: nil) }
            #expect(error.message.contains(says), "\(error.message)")
        }
        #expect(throws: PlatformError.self) { try ApplicationSetExpansion.fill("{{ .env | upper }}", ["env": "dev"], of: "core") }
        #expect(throws: PlatformError.self) { try ApplicationSetExpansion.fill("{{ .env", ["env": "dev"], of: "core") }
        #expect(try ApplicationSetExpansion.fill("a-{{.env}}-{{ .env }}", ["env": "dev"], of: "core") == "a-dev-dev")
    }

    private func set(_ field: String? = nil, _ value: JSONValue = .null) throws -> JSONValue {
        var spec: [String: JSONValue] = [
            "goTemplate": true, "generators": [["list": ["elements": [["env": "dev"], ["env": "prod"]]]]],
            "template": [
                "metadata": ["name": "core-{{ .env }}", "labels": ["slipway.dev/env": "{{ .env }}"]],
                "spec": [
                    "project": "platform", "destination": ["server": "https://c", "namespace": "argocd"],
                    "source": ["repoURL": "https://r", "path": "apps/layer", "helm": ["parameters": [["name": "env", "value": "{{ .env }}", "forceString": true]]]],
                ],
            ],
        ]
        if let field { spec[field] = value }
        return ["metadata": ["name": "core"], "spec": .object(spec)]
    }

    @Test("A pattern of a project matches as Argo CD's does", arguments: [
        ("*", "anything", true), ("gateway-*", "gateway-dev", true), ("gateway-*", "mlflow-dev", false), ("*-dev", "gateway-dev", true),
        ("a*b*c", "axxbyyc", true), ("a*b*c", "acb", false), ("gateway-dev", "gateway-dev", true), ("gateway-dev", "gateway-dev2", false),
        ("ab*ba", "aba", false),
    ])
    func patterns(pattern: String, text: String, matches: Bool) {
        #expect(ProjectFence.matches(pattern, text) == matches)
    }
}

@Suite("Health, differences and Optional's switch")
struct AppStateTests {
    @Test("A parent is as its worst child; missing and unknown children do not count")
    func health() {
        #expect(AppHealth.ofParent(children: [.healthy, .progressing, .healthy]) == .progressing)
        #expect(AppHealth.ofParent(children: [.healthy, .degraded, .progressing]) == .degraded)
        #expect(AppHealth.ofParent(children: [.healthy, .missing, .unknown]) == .healthy)
        #expect(AppHealth.ofParent(children: [.suspended, .healthy]) == .suspended)
        #expect(AppHealth.ofParent(children: []) == .healthy)
    }

    @Test("Roots and parents get the state of what they make")
    func completing() throws {
        let tree = try CatalogueTests.tree(attached: [])
        var known: [String: AppStatus] = [:]
        for application in tree.applications where application.role == .app { known[application.name] = AppStatus(sync: .synced, health: .healthy) }
        known["gateway-dev"] = AppStatus(sync: .outOfSync, health: .progressing)
        let all = tree.completing(known)
        #expect(all["core-dev"] == AppStatus(sync: .outOfSync, health: .progressing))
        #expect(all["root-apps"] == AppStatus(sync: .outOfSync, health: .progressing))
        #expect(all["core-prod"] == AppStatus(sync: .synced, health: .healthy))
        #expect(all["root-baseline"] == AppStatus(sync: .synced, health: .healthy))
    }

    @Test("A difference names objects that came, went and changed, and the fields with both values")
    func difference() throws {
        func deployment(_ name: String, _ replicas: Int64) -> JSONValue {
            ["apiVersion": "apps/v1", "kind": "Deployment", "metadata": ["name": .string(name)], "spec": ["replicas": .int(replicas), "list": [1, .int(replicas)]]]
        }
        let diff = try ObjectDiff(before: [deployment("a", 1), deployment("b", 1)], after: [deployment("b", 3), deployment("c", 1)], namespace: "n")
        #expect(diff.text == """
            - apps/Deployment/n/a
            ~ apps/Deployment/n/b
                spec.list[1]: 1 → 3
                spec.replicas: 1 → 3
            + apps/Deployment/n/c
            """)
        #expect(try ObjectDiff(before: [deployment("a", 1)], after: [deployment("a", 1)], namespace: "n").isEmpty)
        #expect(throws: PlatformError.self) { try ObjectDiff(before: [], after: [deployment("a", 1), deployment("a", 1)], namespace: "n") }
        #expect(throws: PlatformError.self) { try ObjectDiff(before: [["kind": "Secret"]], after: [], namespace: "n") }
    }

    @Test("The switch changes one word and no other byte, and back again")
    func optional() throws {
        let dev = try EnvironmentName("dev")
        let off = try CatalogueTests.file("envs/dev/optional.yaml").replacing("attached: true", with: "attached: false")
        let on = try OptionalSwitch.setting(true, in: off, environment: dev)
        #expect(on == off.replacing("attached: false", with: "attached: true"))
        #expect(try OptionalSwitch.isAttached(on, in: dev))
        #expect(try OptionalSwitch.setting(false, in: on, environment: dev) == off)
        #expect(try OptionalSwitch.setting(true, in: on, environment: dev) == on)
        let fresh = try OptionalSwitch.setting(true, in: nil, environment: dev)
        #expect(try OptionalSwitch.isAttached(fresh, in: dev))
    }

    @Test("A switch that is not understood is refused, not guessed", arguments: ["", "attached: yes please\n", "atached: true\n", "attached: true\nmore: 1\n", "[]\n"])
    func optionalRefusals(text: String) throws {
        let dev = try EnvironmentName("dev")
        #expect(throws: PlatformError.self) { try OptionalSwitch.isAttached(text, in: dev) }
        #expect(throws: PlatformError.self) { try OptionalSwitch.setting(true, in: text, environment: dev) }
    }

    @Test("Any other path in the change is named")
    func foreign() throws {
        let dev = try EnvironmentName("dev")
        #expect(OptionalSwitch.foreignPath(in: ["envs/dev/optional.yaml"], environment: dev) == nil)
        #expect(OptionalSwitch.foreignPath(in: ["envs/dev/optional.yaml", "envs/prod/optional.yaml"], environment: dev) == "envs/prod/optional.yaml")
    }
}
