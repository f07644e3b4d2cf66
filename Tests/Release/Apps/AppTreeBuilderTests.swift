import SlipwayCore
import Testing

@testable import SlipwayApps

@Suite("From the roots to the last Application")
struct AppTreeBuilderTests {
    /// Path of a source → the objects that it renders to.
    private struct Scripted: ManifestRenderer {
        let objects: [String: [JSONValue]]

        func objects(of source: Application.Source, namespace: String, revision: String) async throws -> [JSONValue] {
            guard let found = objects[source.path] else { throw PlatformError(.notFound, "'\(source.path)' is no chart") }
            return found.map { Self.revised($0, revision) }
        }

        private static func revised(_ value: JSONValue, _ revision: String) -> JSONValue {
            switch value {
            case .string("$REVISION"): .string(revision)
            case .array(let items): .array(items.map { revised($0, revision) })
            case .object(let members): .object(members.mapValues { revised($0, revision) })
            default: value
            }
        }
    }

    private func application(_ name: String, path: String, namespace: String = "argocd", wave: String? = nil) -> JSONValue {
        [
            "apiVersion": "argoproj.io/v1alpha1", "kind": "Application",
            "metadata": ["name": .string(name), "annotations": wave.map { ["argocd.argoproj.io/sync-wave": .string($0)] } ?? [:]],
            "spec": [
                "project": "platform", "destination": ["server": "https://c", "namespace": .string(namespace)],
                "source": ["repoURL": "https://r", "path": .string(path), "targetRevision": "$REVISION", "helm": [:]],
            ],
        ]
    }

    private func set(_ name: String, path: String) -> JSONValue {
        [
            "apiVersion": "argoproj.io/v1alpha1", "kind": "ApplicationSet", "metadata": ["name": .string(name)],
            "spec": [
                "goTemplate": true, "generators": [["list": ["elements": [["env": "dev"]]]]],
                "template": [
                    "metadata": ["name": .string("\(name)-{{ .env }}")],
                    "spec": [
                        "project": "platform", "destination": ["server": "https://c", "namespace": "argocd"],
                        "source": ["repoURL": "https://r", "path": .string(path), "helm": [:]],
                    ],
                ],
            ],
        ]
    }

    private func build(_ objects: [String: [JSONValue]]) async throws -> AppTree {
        try await AppTreeBuilder(renderer: Scripted(objects: objects), revision: "abc").build()
    }

    @Test("What a root makes is followed through its set to the children; what deploys elsewhere is not rendered")
    func follows() async throws {
        let tree = try await build([
            "bootstrap": [application("root", path: "apps/root")],
            "apps/root": [set("core", path: "apps/layer"), ["apiVersion": "v1", "kind": "ConfigMap", "metadata": ["name": "x"]]],
            "apps/layer": [application("b", path: "charts/b", namespace: "b-dev", wave: "1"), application("a", path: "charts/a", namespace: "a-dev", wave: "0")],
        ])
        #expect(tree.applications.map(\.name) == ["root", "core-dev", "a", "b"])
        #expect(tree.applications.map(\.role) == [.root, .parent, .app, .app])
        #expect(tree.applications.map(\.parent) == [nil, "root", "core-dev", "core-dev"])
        #expect(tree.children(of: "core-dev").map(\.wave) == [0, 1])
        #expect(tree.applications[2].sources[0].revision == "abc")
    }

    @Test("A tree without roots, one that makes a name twice and one that never ends are refused; a chart's error is passed on")
    func refusals() async throws {
        await #expect(throws: PlatformError.self) { try await build(["bootstrap": []]) }
        await #expect(throws: PlatformError.self) { try await build(["bootstrap": [application("root", path: "gone")]]) }
        let twice = [application("root", path: "p"), application("root", path: "p")]
        await #expect(throws: PlatformError.self) { try await build(["bootstrap": twice, "p": []]) }
        let endless = try await #require(throws: PlatformError.self) {
            try await build(["bootstrap": [application("root", path: "p")], "p": [application("next", path: "p")]])
        }
        #expect(endless.message.contains("nested deeper") || endless.message.contains("made twice"), "\(endless.message)")
        let noWave = try await #require(throws: PlatformError.self) {
            try await build(["bootstrap": [application("root", path: "p")], "p": [application("x", path: "c", namespace: "x", wave: "first")]])
        }
        #expect(noWave.message.contains("'x'") && noWave.message.contains("sync-wave"))
    }
}
