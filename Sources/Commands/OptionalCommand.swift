import ArgumentParser
import Foundation
import SlipwayApps
import SlipwayCore
import SlipwayGit
import SlipwayRelease
import SlipwayStorage

struct OptionalCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "optional",
        abstract: "Attach and detach the feature store, each by a commit.",
        discussion: """
            The commit changes envs/<env>/optional.yaml and no other byte. It is made in the GitOps tree of
            the working folder, for Argo CD, and in the release repository of this machine's platform, where
            there is one. Detaching keeps the data, and attaching again finds it.

              slipway optional on --env dev
              slipway optional status --env dev
            """,
        subcommands: [OptionalOn.self, OptionalOff.self, OptionalStatus.self]
    )
}

struct OptionalOptions: ParsableArguments {
    @OptionGroup var environment: EnvironmentOptions

    @Option(help: ArgumentHelp("The GitOps tree; the one of the working folder when left out.", valueName: "folder"))
    var tree: String?

    @Flag(help: "Only the release repository of this machine's platform, not the GitOps tree.")
    var local = false

    func gitOpsTree() throws -> GitOpsTree? {
        if local { return nil }
        return tree == nil ? GitOpsTree.nearest() : try GitOpsTree.find(tree)
    }

    /// The platform's own repository, if one was ever started here or is named by `SLIPWAY_REPOSITORY`.
    func releaseRepository() async throws -> GitReleaseRepository? {
        let home = EnvironmentHome(root: environment.root.path, environment: try environment.environmentName())
        let isNamed = ProcessInfo.processInfo.environment["SLIPWAY_REPOSITORY"].map { !$0.isEmpty } ?? false
        guard local || isNamed || FileManager.default.fileExists(atPath: "\(home.releaseRepository)/HEAD") else { return nil }
        return try await environment.repository()
    }

    func switchTo(_ isAttached: Bool) async throws {
        let name = try environment.environmentName()
        let tree = try gitOpsTree()
        let repository = try await releaseRepository()
        guard tree != nil || repository != nil else {
            throw PlatformError(
                .notFound, "there is neither a GitOps tree here nor a platform below '\(environment.home)'",
                remedy: "go to the GitOps repository, or start a platform: slipway up --env \(name)"
            )
        }
        var commits: [(place: String, commit: String?)] = []
        if let tree { commits.append(("tree", try await TreeSwitch(tree: tree, environment: name).set(isAttached))) }
        if let repository { commits.append(("platform", try await Self.commit(isAttached, name, in: repository)?.text)) }
        let word = isAttached ? "attached" : "detached"
        if environment.output == .json {
            return Talk.data(JSONValue.object([
                "environment": .string(name.text), "attached": .bool(isAttached),
                "commits": .object(commits.reduce(into: [:]) { $0[$1.place] = $1.commit.map { .string($0) } ?? .null }),
            ]).canonicalText)
        }
        for (place, commit) in commits {
            Talk.data(commit.map { "Optional is \(word) in '\(name)' by commit \($0.prefix(8)) (\(place))" } ?? "Optional was \(word) in '\(name)' already (\(place))")
        }
    }

    private static let attemptsMax = 5

    /// Commits to a repository without a work tree; tries again when somebody else was faster.
    private static func commit(_ isAttached: Bool, _ name: EnvironmentName, in repository: GitReleaseRepository) async throws -> CommitID? {
        let path = OptionalSwitch.path(in: name)
        var attempt = 1
        while true {
            let head = try await repository.head()
            let text = try await repository.file(path, at: head)
            if text == nil, !isAttached { return nil }
            let edited = try OptionalSwitch.setting(isAttached, in: text, environment: name)
            guard edited != text else { return nil }
            do {
                return try await repository.commit([path: edited], on: head, message: OptionalSwitch.message(isAttached, name))
            } catch let error as PlatformError where error.code == .failedPrecondition && attempt < attemptsMax {
                attempt += 1
            }
        }
    }
}

extension OptionalSwitch {
    static func message(_ isAttached: Bool, _ environment: EnvironmentName) -> String {
        "\(isAttached ? "Attach" : "Detach") Optional in \(environment)\n\nOnly \(path(in: environment)) changes; Core and Baseline do not read it.\n"
    }
}

struct OptionalOn: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "on", abstract: "Attach Feast and Redis, by a commit.")
    @OptionGroup var options: OptionalOptions
    func run() async throws { try await options.switchTo(true) }
}

struct OptionalOff: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "off", abstract: "Detach Feast and Redis, by a commit; their data stays.")
    @OptionGroup var options: OptionalOptions
    func run() async throws { try await options.switchTo(false) }
}

struct OptionalStatus: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status",
        abstract: "What Git says, and what runs.",
        discussion: "Exit code 0 when both agree, 5 when they do not (yet)."
    )
    @OptionGroup var options: OptionalOptions

    func run() async throws {
        let name = try options.environment.environmentName()
        let home = EnvironmentHome(root: options.environment.root.path, environment: name)
        var wanted: [String: Bool] = [:]
        if let tree = try options.gitOpsTree(), let text = try tree.text(OptionalSwitch.path(in: name)) {
            wanted["tree"] = try OptionalSwitch.isAttached(text, in: name)
        }
        if let repository = try await options.releaseRepository() {
            let head = try await repository.head()
            let text = try await repository.file(OptionalSwitch.path(in: name), at: head)
            wanted["platform"] = try text.map { try OptionalSwitch.isAttached($0, in: name) } ?? false
        }
        let isUp = (try? home.endpoints()) != nil
        let state = isUp ? FeatureStoreState.load(home) ?? FeatureStoreState(phase: .detached) : nil
        let files = FeatureStoreFiles(home: home)
        if options.environment.output == .json {
            Talk.data(JSONValue.object([
                "environment": .string(name.text), "attached": .object(wanted.mapValues { .bool($0) }),
                "running": state.map(\.json) ?? .null, "store": .string(files.storeFile),
            ]).canonicalText)
        } else {
            for (place, isAttached) in wanted.sorted(by: { $0.key < $1.key }) {
                Talk.data("Git (\(place)) says: \(isAttached ? "attached" : "detached")")
            }
            Talk.data("Feast and Redis: \(state.map { "\($0.phase.rawValue)\($0.url.map { " at \($0)" } ?? "")" } ?? "the platform of '\(name)' does not run")")
            if let problem = state?.problem { Talk.note("  \(problem)") }
            if state?.phase == .serving { Talk.data("features: feast -f \(files.storeFile) apply") }
        }
        if let asked = wanted["platform"], isUp, asked != (state?.phase == .serving) { throw ExitCode(5) }
    }
}
