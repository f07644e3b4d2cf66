import ArgumentParser
import Foundation
import SlipwayApps
import SlipwayCore
import SlipwayProcesses

struct AppCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "app",
        abstract: "The Argo CD view of the same repository: Applications, waves, health, differences.",
        discussion: """
            Works on the GitOps tree of the working folder. On one machine, health is that of the embedded
            engines and a difference is one to what was synced last; with --cluster both are the cluster's,
            through kubectl.

              slipway app list
              slipway app diff gateway-dev
              slipway app sync gateway-dev --cluster
            """,
        subcommands: [AppList.self, AppGet.self, AppDiff.self, AppSyncCommand.self]
    )
}

/// What every `slipway app` command takes.
struct AppOptions: ParsableArguments {
    @Option(help: ArgumentHelp("The GitOps tree; the one of the working folder when left out.", valueName: "folder"))
    var tree: String?

    @Option(help: ArgumentHelp("Where everything local lives.", valueName: "folder"))
    var home: String = ".slipway"

    @Flag(help: "Ask the cluster of the current kubectl context, and Argo CD in it.")
    var cluster = false

    @Option(help: ArgumentHelp("Another kubectl context; implies --cluster.", valueName: "name"))
    var context: String?

    @Option(help: ArgumentHelp("Argo CD's namespace.", valueName: "name"))
    var argocdNamespace: String = "argocd"

    @Option(name: .long, help: "text for people, json for programs.")
    var output: OutputFormat = .text

    var root: URL { URL(filePath: home, directoryHint: .isDirectory).standardizedFileURL.absoluteURL }
    var usesCluster: Bool { cluster || context != nil }

    func gitOpsTree() throws -> GitOpsTree { try GitOpsTree.find(tree) }

    func kubernetes(_ tree: GitOpsTree) throws -> KubernetesCluster {
        try tree.cluster(context: context, namespace: argocdNamespace)
    }
}

/// The tree with everything that is known about it: what `list` and `get` show.
struct AppReport {
    let tree: AppTree
    let statuses: [String: AppStatus]
    let conditions: [String: [AppCondition]]

    static func make(_ options: AppOptions) async throws -> AppReport {
        let place = try options.gitOpsTree()
        let (tree, isRendered) = try await place.applications()
        if !isRendered {
            Talk.note("helm was not found: the Applications are read from apps/catalogue.yaml (bash ops/tools.sh fetches helm)")
        }
        let conditions = tree.conditions(exists: place.exists)
        var statuses: [String: AppStatus]
        if options.usesCluster {
            statuses = try await options.kubernetes(place).statuses()
            for application in tree.applications where statuses[application.name] == nil {
                statuses[application.name] = AppStatus(sync: .outOfSync, health: .missing, message: "not in the cluster")
            }
        } else {
            statuses = try await MachineState(root: options.root).statuses(of: tree, in: place)
            for (name, found) in conditions {
                statuses[name]?.sync = .unknown
                if statuses[name]?.message.isEmpty == true { statuses[name]?.message = found[0].message }
            }
            statuses = tree.completing(statuses)
        }
        return AppReport(tree: tree, statuses: statuses, conditions: conditions)
    }

    func json(_ application: Application) -> JSONValue {
        let status = statuses[application.name]
        return [
            "name": .string(application.name), "role": .string(application.role.rawValue),
            "parent": application.parent.map { .string($0) } ?? .null, "project": .string(application.project),
            "layer": .string(application.layer), "env": .string(application.environment), "wave": .int(Int64(application.wave)),
            "destination": ["server": .string(application.destination.server), "namespace": .string(application.destination.namespace)],
            "path": .string(application.path),
            "sync": .string(status?.sync.rawValue ?? AppSync.unknown.rawValue),
            "health": .string(status?.health.rawValue ?? AppHealth.unknown.rawValue),
            "message": .string(status?.message ?? ""),
            "conditions": .array((conditions[application.name] ?? []).map { ["type": .string($0.kind.rawValue), "message": .string($0.message)] }),
        ]
    }
}

struct AppList: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "Every Application in the order in which it syncs, with project, wave, state and health.",
        discussion: "Exit code 0; 5 when an Application is one that Argo CD would refuse (a condition)."
    )

    @Option(help: "Only those of this environment.") var env: String?
    @Option(help: "Only those of this layer: core, baseline, optional.") var layer: String?
    @OptionGroup var options: AppOptions

    func run() async throws {
        let report = try await AppReport.make(options)
        let shown = report.tree.applications.filter { application in
            env.map { application.environment == $0 } ?? true && layer.map { application.layer == $0 } ?? true
        }
        if options.output == .json {
            Talk.data(JSONValue.object(["applications": .array(shown.map { report.json($0) })]).canonicalText)
        } else {
            var table = TextTable(header: ["NAME", "PROJECT", "WAVE", "NAMESPACE", "SYNC", "HEALTH", "PATH", "CONDITION"])
            for application in shown {
                let status = report.statuses[application.name]
                table.rows.append([
                    application.name, application.project, application.role == .app ? "\(application.wave)" : "-", application.destination.namespace,
                    status?.sync.rawValue ?? "", status?.health.rawValue ?? "", application.path,
                    report.conditions[application.name]?.first.map { "\($0.kind.rawValue): \($0.message)" } ?? "",
                ])
            }
            Talk.data(table.text)
        }
        guard shown.allSatisfy({ report.conditions[$0.name] == nil }) else { throw ExitCode(5) }
    }
}

struct AppGet: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "get", abstract: "One Application: its sources, fences, state and children.")

    @Argument(help: "As in: gateway-dev.") var name: String
    @OptionGroup var options: AppOptions

    func run() async throws {
        let report = try await AppReport.make(options)
        let application = try report.tree.application(name)
        let children = report.tree.children(of: name)
        if options.output == .json {
            var members = report.json(application).objectValue ?? [:]
            members["sources"] = .array(application.sources.map { source in
                [
                    "repository": .string(source.repository), "revision": .string(source.revision), "path": .string(source.path),
                    "valueFiles": .array(source.repositoryValueFiles.map { .string($0) }),
                ]
            })
            members["automated"] = .bool(application.isAutomated)
            members["selfHeal"] = .bool(application.selfHeals)
            members["prune"] = .bool(application.prunes)
            members["children"] = .array(children.map { .string($0.name) })
            return Talk.data(JSONValue.object(members).canonicalText)
        }
        let status = report.statuses[name]
        var lines = [
            "name       \(application.name)", "project    \(application.project)", "wave       \(application.wave)",
            "parent     \(application.parent ?? "-")", "namespace  \(application.destination.namespace)",
            "sync       \(status?.sync.rawValue ?? "") (\(application.isAutomated ? "automatic" : "manual")\(application.selfHeals ? ", self-heal" : "")\(application.prunes ? ", prune" : ""))",
            "health     \(status?.health.rawValue ?? "")\(status?.message.isEmpty == false ? ": \(status?.message ?? "")" : "")",
        ]
        for source in application.sources {
            lines.append("source     \(source.path) at \(source.revision)")
            for file in source.repositoryValueFiles { lines.append("           with \(file)") }
        }
        for child in children { lines.append("makes      \(child.name) (wave \(child.wave), \(report.statuses[child.name]?.health.rawValue ?? ""))") }
        for condition in report.conditions[name] ?? [] { lines.append("condition  \(condition.kind.rawValue): \(condition.message)") }
        Talk.data(lines.joined(separator: "\n"))
    }
}

struct AppDiff: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "diff",
        abstract: "What a sync would change: rendered by helm, against the last synced state or, with --cluster, the live objects.",
        discussion: "Exit code 0 when nothing differs, 5 when something does."
    )

    @Argument(help: "The Applications; all that deploy something when left out.") var names: [String] = []
    @OptionGroup var options: AppOptions

    func run() async throws {
        let place = try options.gitOpsTree()
        let renderer = try place.renderer(to: "show differences")
        let revision = try await place.commit() ?? ""
        let (tree, _) = try await place.applications()
        let wanted = try names.isEmpty ? tree.applications.filter { $0.role == .app } : names.map { try tree.application($0) }
        var entries: [JSONValue] = []
        var differs = false
        for application in wanted {
            let objects: [JSONValue]
            do {
                objects = try await rendered(application, by: renderer, revision: revision)
            } catch {
                // One chart that cannot be rendered does not hide the others.
                guard names.isEmpty else { throw error }
                let known = PlatformError.wrapping(error, doing: "render '\(application.name)'")
                Talk.note("\(application.name): ComparisonError: \(known.message)\(known.remedy.map { " (try: \($0))" } ?? "")")
                entries.append(["name": .string(application.name), "condition": .string(known.message), "diff": .null])
                differs = true
                continue
            }
            let text: String
            if options.usesCluster {
                text = try await options.kubernetes(place).difference(of: objects, namespace: application.destination.namespace)
            } else {
                let synced = try SyncedState.load(application.name, root: options.root)?.objects ?? []
                text = try ObjectDiff(before: synced, after: objects, namespace: application.destination.namespace).text
            }
            entries.append(["name": .string(application.name), "diff": .string(text)])
            guard !text.isEmpty else { continue }
            differs = true
            if options.output == .text { Talk.data("=== \(application.name)\n\(text)") }
        }
        if options.output == .json { Talk.data(JSONValue.object(["applications": .array(entries)]).canonicalText) }
        if differs { throw ExitCode(5) }
        if options.output == .text { Talk.note("nothing differs") }
    }
}

/// The objects of all sources of an Application.
func rendered(_ application: Application, by renderer: any ManifestRenderer, revision: String) async throws -> [JSONValue] {
    var objects: [JSONValue] = []
    for source in application.sources {
        objects += try await renderer.objects(of: source, namespace: application.destination.namespace, revision: revision)
    }
    return objects
}

/// Not `AppSync`: that is the state.
struct AppSyncCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sync",
        abstract: "Carry an Application to what Git says now.",
        discussion: """
            With --cluster, Argo CD syncs. On one machine there are no objects: the rendered ones are recorded
            as synced, wave by wave, and a running platform looks at Git at once.
            """
    )

    @Argument(help: "The Applications; all that deploy something when left out.") var names: [String] = []
    @OptionGroup var options: AppOptions

    func run() async throws {
        let place = try options.gitOpsTree()
        let (tree, _) = try await place.applications()
        let wanted = try names.isEmpty ? tree.applications.filter { $0.role == .app } : names.map { try tree.application($0) }
        let conditions = tree.conditions(exists: place.exists)
        var done: [JSONValue] = []
        var refused: [String] = []
        for application in wanted {
            if let condition = conditions[application.name]?.first {
                refused.append("\(application.name): \(condition.kind.rawValue): \(condition.message)")
                continue
            }
            if options.usesCluster {
                try await options.kubernetes(place).sync(application.name)
            } else {
                do {
                    try await record(application, place)
                } catch {
                    guard names.isEmpty else { throw error }
                    let known = PlatformError.wrapping(error, doing: "render '\(application.name)'")
                    refused.append("\(application.name): \(known.message)\(known.remedy.map { " (try: \($0))" } ?? "")")
                    continue
                }
            }
            done.append(.string(application.name))
            if options.output == .text { Talk.data("\(application.name) \(options.usesCluster ? "sync started" : "recorded as synced")") }
        }
        if !options.usesCluster { await MachineState(root: options.root).wake(Set(wanted.map(\.environment))) }
        if options.output == .json {
            Talk.data(JSONValue.object(["synced": .array(done), "refused": .array(refused.map { .string($0) })]).canonicalText)
        }
        for sentence in refused { Talk.note(sentence) }
        if !refused.isEmpty { throw ExitCode(5) }
    }

    private func record(_ application: Application, _ place: GitOpsTree) async throws {
        let revision = try await place.commit() ?? ""
        let objects = try await rendered(application, by: try place.renderer(to: "sync"), revision: revision)
        // Refuses what could not be applied: an object twice, or one without a name.
        _ = try ObjectDiff(before: [], after: objects, namespace: application.destination.namespace)
        try SyncedState(revision: revision, inputs: try place.inputs(of: application), time: WallClock.system.now, objects: objects)
            .save(application.name, root: options.root)
    }
}
