import Foundation
import SlipwayApps
import SlipwayCore
import SlipwayTesting
import Testing

@testable import SlipwayProcesses

@Suite("A cluster through kubectl")
struct KubernetesClusterTests {
    @Test("What Argo CD says of its Applications is read; what it does not say is unknown")
    func statuses() async throws {
        let list = """
            {"items":[{"metadata":{"name":"gateway-dev"},"status":{"sync":{"status":"Synced"},"health":{"status":"Degraded","message":"no replica"}}},
            {"metadata":{"name":"mlflow-dev"},"status":{"sync":{"status":"OutOfSync"},"conditions":[{"message":"no such file"}]}},{"metadata":{"name":"new"}}]}
            """
        try await withKubectl("cat <<'EOF'\n\(list)\nEOF\n") { cluster, calls in
            let statuses = try await cluster.statuses()
            #expect(statuses["gateway-dev"] == AppStatus(sync: .synced, health: .degraded, message: "no replica"))
            #expect(statuses["mlflow-dev"] == AppStatus(sync: .outOfSync, health: .unknown, message: "no such file"))
            #expect(statuses["new"] == AppStatus(sync: .unknown, health: .unknown))
            let called = try calls()
            #expect(called == ["--context test --namespace argocd get applications.argoproj.io --output json"])
        }
    }

    @Test("A difference is kubectl's exit code 1; any higher one is a failure", arguments: [(0, ""), (1, "-a\n+b\n")])
    func difference(code: Int, text: String) async throws {
        try await withKubectl("cat >/dev/null\nprintf '%s' '\(text)'\nexit \(code)\n") { cluster, calls in
            let difference = try await cluster.difference(of: [["kind": "ConfigMap"]], namespace: "gateway-dev")
            #expect(difference == text)
            let called = try calls()
            #expect(called[0].contains("diff --server-side --force-conflicts"))
        }
    }

    struct Failure: Sendable {
        let says: String
        let code: PlatformError.Code
    }

    static let reasons: [Failure] = [
        Failure(says: "The connection to the server localhost:8080 was refused", code: .unavailable),
        Failure(says: "Error from server (Forbidden): applications.argoproj.io is forbidden", code: .permissionDenied),
        Failure(says: "Error from server (NotFound): applications.argoproj.io \"x\" not found", code: .notFound),
        Failure(says: "error: something else", code: .unexpected),
    ]

    @Test("Why kubectl failed decides the code, and its words are in the message", arguments: reasons)
    func failures(failure: Failure) async throws {
        try await withKubectl("cat >/dev/null\necho 'E0101 memcache.go] \"Unhandled Error\" noise' >&2\necho '\(failure.says)' >&2\nexit 3\n") { cluster, _ in
            let calls: [@Sendable () async throws -> Void] = [
                { _ = try await cluster.statuses() }, { _ = try await cluster.difference(of: [], namespace: "n") }, { try await cluster.sync("x") },
            ]
            for call in calls {
                let error = try await #require(throws: PlatformError.self) { try await call() }
                #expect(error.code == failure.code)
                #expect(error.message.contains(failure.says) && !error.message.contains("noise"), "\(error.message)")
            }
        }
    }

    @Test("A sync is an operation on the Application")
    func sync() async throws {
        try await withKubectl("") { cluster, calls in
            try await cluster.sync("gateway-dev")
            let called = try calls()
            #expect(called[0].hasPrefix("--context test --namespace argocd patch applications.argoproj.io gateway-dev --type merge --patch {\"operation\""))
        }
    }

    @Test("A tool is found in PATH first, then in .tools/bin; else the error says how to get it")
    func finder() async throws {
        try await withScratchFolder { folder in
            let place = folder.appending(path: ".tools/bin")
            try FileManager.default.createDirectory(at: place, withIntermediateDirectories: true)
            let finder = ToolFinder(path: "\(folder.path)/bin", tree: folder.path)
            let error = try #require(throws: PlatformError.self) { try finder.require("helm", to: "render") }
            #expect(error.code == .failedPrecondition && error.remedy?.contains("ops/tools.sh") == true)
            try writeShellScript("", at: place.appending(path: "helm"))
            #expect(finder.find("helm") == place.appending(path: "helm").path)
            try FileManager.default.createDirectory(at: folder.appending(path: "bin"), withIntermediateDirectories: true)
            try writeShellScript("", at: folder.appending(path: "bin/helm"))
            #expect(finder.find("helm") == folder.appending(path: "bin/helm").path)
        }
    }

    /// A kubectl that notes its arguments and does what the body says.
    private func withKubectl(
        _ body: String,
        _ use: (KubernetesCluster, () throws -> [String]) async throws -> Void
    ) async throws {
        try await withScratchFolder { folder in
            let calls = folder.appending(path: "calls")
            let kubectl = folder.appending(path: "kubectl")
            try writeShellScript("echo \"$*\" >>'\(calls.path)'\n\(body)", at: kubectl)
            let cluster = KubernetesCluster(kubectl: kubectl.path, context: "test", namespace: "argocd", environment: ["PATH": "/usr/bin:/bin"])
            try await use(cluster) { try String(contentsOf: calls, encoding: .utf8).split(separator: "\n").map(String.init) }
        }
    }
}
