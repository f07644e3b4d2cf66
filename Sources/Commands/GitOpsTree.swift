import Foundation
import SlipwayApps
import SlipwayCore
import SlipwayProcesses

/// The GitOps tree that a command works on: a folder with `apps/catalogue.yaml`, usually a Git work tree.
struct GitOpsTree {
    /// How far up a tree is looked for.
    private static let levelsMax = 64
    private static let filesMax = 20_000
    private static let fileBytesMax = 16 << 20

    let folder: URL
    let finder: ToolFinder
    private let environment: [String: String]
    private let runner: ToolRunner

    /// - Parameter path: The folder; `nil`: the working folder or the nearest above it that is such a tree.
    /// - Throws: `not_found` when there is none.
    static func find(_ path: String?) throws -> GitOpsTree {
        if let path {
            let folder = URL(filePath: path, directoryHint: .isDirectory).standardizedFileURL.absoluteURL
            guard isTree(folder) else {
                throw PlatformError(.notFound, "'\(path)' holds no 'apps/catalogue.yaml'", remedy: "name the root of the GitOps repository")
            }
            return GitOpsTree(folder: folder)
        }
        guard let tree = nearest() else {
            throw PlatformError(
                .notFound, "neither this folder nor one above it holds 'apps/catalogue.yaml'",
                remedy: "go to the GitOps repository, or name it with --tree"
            )
        }
        return tree
    }

    /// The tree that the working folder is in, if it is in one.
    static func nearest() -> GitOpsTree? {
        var folder = URL(filePath: FileManager.default.currentDirectoryPath, directoryHint: .isDirectory)
        for _ in 0..<levelsMax {
            if isTree(folder) { return GitOpsTree(folder: folder) }
            let above = folder.deletingLastPathComponent().standardizedFileURL
            guard above.path != folder.path else { return nil }
            folder = above
        }
        return nil
    }

    private static func isTree(_ folder: URL) -> Bool {
        FileManager.default.fileExists(atPath: folder.appending(path: Catalogue.path).path)
    }

    private init(folder: URL) {
        self.folder = folder
        var environment = ProcessInfo.processInfo.environment
        environment["GIT_TERMINAL_PROMPT"] = "0"
        environment["LC_ALL"] = "C"
        self.environment = environment
        finder = ToolFinder(path: environment["PATH"] ?? "", tree: folder.path)
        runner = ToolRunner(environment: environment)
    }

    // MARK: Files

    func exists(_ path: String) -> Bool {
        FileManager.default.fileExists(atPath: folder.appending(path: path).path)
    }

    func text(_ path: String) throws -> String? {
        guard exists(path) else { return nil }
        do {
            return try String(contentsOf: folder.appending(path: path), encoding: .utf8)
        } catch {
            throw PlatformError(.unavailable, "'\(path)' cannot be read as text", cause: error)
        }
    }

    private func required(_ path: String) throws -> String {
        guard let text = try text(path) else { throw PlatformError(.notFound, "'\(path)' is not in the repository") }
        return text
    }

    func catalogue() throws -> Catalogue { try Catalogue.parse(try required(Catalogue.path)) }

    func attached() throws -> Set<EnvironmentName> {
        var attached: Set<EnvironmentName> = []
        for environment in try catalogue().environments {
            let path = OptionalSwitch.path(in: environment)
            guard let text = try text(path) else { continue }
            if try OptionalSwitch.isAttached(text, in: environment) { attached.insert(environment) }
        }
        return attached
    }

    /// The digest of everything that an Application is made of: its charts, files and parameters.
    func inputs(of application: Application) throws -> Digest {
        var hasher = DigestHasher()
        for source in application.sources {
            let fields = [source.path, source.releaseName, source.values?.canonicalText ?? ""] + source.parameters.map { "\($0.name)=\($0.value)" }
            hasher.update(Array(fields.joined(separator: "\0").utf8))
            let names = (FileManager.default.enumerator(atPath: folder.appending(path: source.path).path)?.allObjects ?? []).compactMap { $0 as? String }
            guard names.count <= Self.filesMax else {
                throw PlatformError(.exhausted, "'\(source.path)' holds more than \(Self.filesMax) files")
            }
            for path in names.sorted().map({ "\(source.path)/\($0)" }) + source.repositoryValueFiles {
                guard let handle = FileManager.default.contents(atPath: folder.appending(path: path).path), handle.count <= Self.fileBytesMax else { continue }
                hasher.update(Array("\0\(path)\0".utf8))
                hasher.update(Array(handle))
            }
        }
        return hasher.finish()
    }

    // MARK: Tools

    /// - Throws: `failed_precondition` without helm.
    func renderer(to purpose: String) throws -> HelmRenderer {
        HelmRenderer(helm: try finder.require("helm", to: purpose), tree: folder.path, environment: environment)
    }

    func cluster(context: String?, namespace: String) throws -> KubernetesCluster {
        KubernetesCluster(
            kubectl: try finder.require("kubectl", to: "ask the cluster"), context: context, namespace: namespace, environment: environment
        )
    }

    /// Every Application, as rendered where helm is found, else as the catalogue says.
    func applications() async throws -> (tree: AppTree, isRendered: Bool) {
        let revision = try await commit() ?? String(repeating: "0", count: 40)
        if finder.find("helm") != nil {
            return (try await AppTreeBuilder(renderer: try renderer(to: "render the Applications"), revision: revision).build(), true)
        }
        let place = try RepositoryPlace.parse(try required(Catalogue.commonPath))
        return (try catalogue().tree(place: place, revision: revision, attached: try attached()), false)
    }

    // MARK: Git

    private static let gitSeconds = 60

    func git(_ arguments: [String], input: [UInt8] = []) async throws -> ToolAnswer {
        try await runner.run("git", ["-C", folder.path] + arguments, input: input, folder: folder.path, seconds: Self.gitSeconds)
    }

    /// The commit that is checked out; `nil` outside of Git.
    func commit() async throws -> String? {
        guard finder.find("git") != nil else { return nil }
        let answer = try await git(["rev-parse", "--verify", "--quiet", "HEAD"])
        let text = answer.text.trimmingCharacters(in: .whitespacesAndNewlines)
        return answer.status == 0 && !text.isEmpty ? text : nil
    }

    /// Where `make proof-…` writes: evidence about the tree, and no part of the state that it asks for.
    private static let evidence = "docs/proof/latest/"

    /// Paths that differ from the commit, staged or not, and files that Git does not know; without evidence.
    func changes() async throws -> [String] {
        let answer = try await git(["status", "--porcelain=v1", "-z", "--untracked-files=normal", "--no-renames"])
        guard answer.status == 0 else {
            throw PlatformError(.failedPrecondition, "the tree is no Git work tree", remedy: "git init, or name another with --tree")
        }
        return answer.output.split(separator: 0).map { String(decoding: $0.dropFirst(3), as: UTF8.self) }
            .filter { !$0.hasPrefix(Self.evidence) }
    }
}
