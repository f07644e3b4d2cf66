import Foundation
public import SlipwayApps
public import SlipwayCore

/// The cluster that `kubectl` reaches, with Argo CD in it.
///
/// Argo CD's own API is its objects: their status is what it shows, and an `operation` on one is a sync.
public struct KubernetesCluster: Sendable {
    static let secondsMax = 120

    private let kubectl: String
    private let context: String?
    private let namespace: String
    private let runner: ToolRunner

    /// - Parameters:
    ///   - context: One of the configuration's; `nil`: the current one.
    ///   - namespace: Argo CD's.
    public init(kubectl: String, context: String?, namespace: String, environment: [String: String]) {
        self.kubectl = kubectl
        self.context = context
        self.namespace = namespace
        runner = ToolRunner(environment: environment)
    }

    private func call(_ arguments: [String], input: [UInt8] = []) async throws -> ToolAnswer {
        let arguments = (context.map { ["--context", $0] } ?? []) + arguments
        return try await runner.run(kubectl, arguments, input: input, folder: "/", seconds: Self.secondsMax)
    }

    private func failure(_ answer: ToolAnswer, doing: String) -> PlatformError {
        // kubectl logs its attempts before it says what is wrong.
        let words = answer.messages.split(separator: "\n").filter { !$0.contains("Unhandled Error") }
        let message = HelmRenderer.short(words.isEmpty ? answer.messages : words.joined(separator: " "))
        let isAway = ["refused", "no such host", "i/o timeout", "Unable to connect", "no configuration"].contains { message.contains($0) }
        return PlatformError(
            isAway ? .unavailable : message.contains("(Forbidden)") ? .permissionDenied : message.contains("(NotFound)") ? .notFound : .unexpected,
            "could not \(doing): \(message)",
            remedy: isAway ? "check the kubectl context: kubectl config get-contexts" : nil
        )
    }

    /// What Argo CD says of each Application.
    public func statuses() async throws -> [String: AppStatus] {
        let answer = try await call(["--namespace", namespace, "get", "applications.argoproj.io", "--output", "json"])
        guard answer.status == 0 else { throw failure(answer, doing: "ask the cluster for its Applications") }
        let list = try JSONValue(parsing: answer.output, depthMax: 128)
        var statuses: [String: AppStatus] = [:]
        for item in list["items"]?.arrayValue ?? [] {
            guard let name = item["metadata"]?["name"]?.stringValue else { continue }
            let status = item["status"]
            statuses[name] = AppStatus(
                sync: status?["sync"]?["status"]?.stringValue.flatMap { AppSync(rawValue: $0) } ?? .unknown,
                health: status?["health"]?["status"]?.stringValue.flatMap { AppHealth(rawValue: $0) } ?? .unknown,
                message: status?["health"]?["message"]?.stringValue ?? status?["conditions"]?.arrayValue?.first?["message"]?.stringValue ?? ""
            )
        }
        return statuses
    }

    /// What a server-side apply of `objects` would change; empty when nothing.
    public func difference(of objects: [JSONValue], namespace: String) async throws -> String {
        let list: JSONValue = ["apiVersion": "v1", "kind": "List", "items": .array(objects)]
        let answer = try await call(
            ["--namespace", namespace, "diff", "--server-side", "--force-conflicts", "--filename", "-"], input: list.canonicalBytes
        )
        switch answer.status {
        case 0: return ""
        case 1: return answer.text
        default: throw failure(answer, doing: "compare with the cluster")
        }
    }

    /// Starts a sync of one Application to the revision that it names; Argo CD carries it out.
    public func sync(_ application: String) async throws {
        let patch: JSONValue = [
            "operation": ["initiatedBy": ["username": "slipway"], "sync": ["syncStrategy": ["apply": ["force": false]]]]
        ]
        let answer = try await call([
            "--namespace", namespace, "patch", "applications.argoproj.io", application, "--type", "merge", "--patch", patch.canonicalText,
        ])
        guard answer.status == 0 else { throw failure(answer, doing: "start a sync of '\(application)'") }
    }

    /// What a Service answers to a POST through the API server's proxy; `nil` when it does not answer with success.
    public func posted(_ body: [UInt8], to service: String, port: Int, path: String, namespace: String) async throws -> [UInt8]? {
        let target = "/api/v1/namespaces/\(namespace)/services/\(service):\(port)/proxy/\(path)"
        let answer = try await call(["create", "--raw", target, "--filename", "-"], input: body)
        return answer.status == 0 ? answer.output : nil
    }

    /// What a Service answers through the API server's proxy; `nil` when it does not answer with success.
    public func proxied(_ service: String, port: Int, path: String, namespace: String) async throws -> [UInt8]? {
        let answer = try await call(["get", "--raw", "/api/v1/namespaces/\(namespace)/services/\(service):\(port)/proxy/\(path)"])
        return answer.status == 0 ? answer.output : nil
    }
}
