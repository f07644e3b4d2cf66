import Foundation
public import SlipwayApps
public import SlipwayCore

/// Renders sources with `helm template`, as Argo CD's repository server does, and reads folders of manifests.
public struct HelmRenderer: ManifestRenderer {
    /// What charts see as the cluster's version.
    public static let kubernetesVersion = "1.36.2"
    /// Definitions that the cluster has by the time an application is rendered.
    public static let apiVersions = ["monitoring.coreos.com/v1"]
    static let secondsMax = 120
    /// Manifests in one folder.
    static let filesMax = 1000

    private let helm: String
    private let tree: String
    private let runner: ToolRunner

    /// - Parameters:
    ///   - helm: The program, absolute.
    ///   - tree: The repository's folder, absolute.
    public init(helm: String, tree: String, environment: [String: String]) {
        self.helm = helm
        self.tree = tree
        runner = ToolRunner(environment: environment)
    }

    public func objects(of source: Application.Source, namespace: String, revision: String) async throws -> [JSONValue] {
        guard source.isChart else { return try manifests(of: source) }
        guard FileManager.default.fileExists(atPath: "\(tree)/\(source.path)/Chart.yaml") else {
            throw PlatformError(.notFound, "'\(source.path)' is no chart of the repository")
        }
        try requireDependencies(of: source.path)
        var arguments = [
            "template", source.releaseName, "./\(source.path)", "--namespace", namespace, "--include-crds", "--skip-tests",
            "--kube-version", Self.kubernetesVersion,
        ]
        for version in Self.apiVersions { arguments += ["--api-versions", version] }
        for file in source.repositoryValueFiles {
            guard FileManager.default.fileExists(atPath: "\(tree)/\(file)") else {
                throw PlatformError(.notFound, "'\(file)', which '\(source.path)' is rendered with, is not in the repository")
            }
            arguments += ["--values", file]
        }
        var input: [UInt8] = []
        if let values = source.values {
            arguments += ["--values", "-"]
            input = values.canonicalBytes
        }
        for parameter in source.parameters {
            let value = parameter.value.replacing("$ARGOCD_APP_REVISION", with: revision).replacing(",", with: "\\,")
            arguments += [parameter.isText ? "--set-string" : "--set", "\(parameter.name)=\(value)"]
        }
        let answer = try await runner.run(helm, arguments, input: input, folder: tree, seconds: Self.secondsMax)
        guard answer.status == 0 else {
            throw PlatformError(.invalidArgument, "'\(source.path)' does not render: \(Self.short(answer.messages))")
        }
        return try YAMLDocuments.parse(answer.text, name: source.path)
    }

    private func manifests(of source: Application.Source) throws -> [JSONValue] {
        let folder = "\(tree)/\(source.path)"
        guard let names = try? FileManager.default.contentsOfDirectory(atPath: folder) else {
            throw PlatformError(.notFound, "'\(source.path)' is no folder of the repository")
        }
        let wanted = names.filter { $0.hasSuffix(".yaml") }.sorted()
        guard wanted.count <= Self.filesMax else {
            throw PlatformError(.exhausted, "'\(source.path)' holds more than \(Self.filesMax) manifests")
        }
        return try wanted.flatMap { name in
            try YAMLDocuments.parse(try String(contentsOfFile: "\(folder)/\(name)", encoding: .utf8), name: "\(source.path)/\(name)")
        }
    }

    /// Charts of others are dependencies, and are not in the repository.
    private func requireDependencies(of path: String) throws {
        let text = try String(contentsOfFile: "\(tree)/\(path)/Chart.yaml", encoding: .utf8)
        for dependency in try YAMLDocuments.parse(text, name: "\(path)/Chart.yaml").first?["dependencies"]?.arrayValue ?? [] {
            let name = dependency["name"]?.stringValue ?? ""
            let version = dependency["version"]?.stringValue ?? ""
            let places = ["\(tree)/\(path)/charts/\(name)-\(version).tgz", "\(tree)/\(path)/charts/\(name)"]
            guard places.contains(where: { FileManager.default.fileExists(atPath: $0) }) else {
                throw PlatformError(
                    .failedPrecondition,
                    "'\(path)' needs the chart '\(name)' \(version), which is not fetched yet",
                    remedy: "helm dependency build \(path)"
                )
            }
        }
    }

    private static let shownCharacters = 800

    static func short(_ messages: String) -> String {
        String(messages.trimmingCharacters(in: .whitespacesAndNewlines).prefix(shownCharacters))
    }
}
