import ArgumentParser
import Foundation
import SlipwayClients
import SlipwayCore
import SlipwayGit
import SlipwayRelease

struct ReleaseCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "release",
        abstract: "What Git says serves, and going back.",
        subcommands: [ReleaseShow.self, ReleaseHistory.self, ReleaseRollback.self, ReleasePromote.self]
    )
}

extension EnvironmentOptions {
    /// The release repository, without a running platform.
    func repository() async throws -> GitReleaseRepository {
        try await PlatformHome(root: root).repository()
    }
}

struct ReleaseShow: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show",
        abstract: "The release file of a model, or of all, at the head."
    )

    @Argument(help: "The model; all when left out.")
    var model: String?

    @OptionGroup var options: EnvironmentOptions

    func run() async throws {
        let environment = try options.environmentName()
        let repository = try await options.repository()
        let head = try await repository.head()
        let files = try await repository.releaseFiles(of: environment, at: head)
        var releases: [Release] = []
        for (path, text) in files.sorted(by: { $0.key < $1.key }) where try model.map({ ReleaseFile.model(of: path) == (try ModelName($0)) }) ?? true {
            releases.append(try ReleaseFile.parse(text, path: path))
        }
        guard model == nil || !releases.isEmpty else {
            throw PlatformError(.notFound, "'\(environment)' has no release of '\(model ?? "")'", remedy: "slipway run PROJECT --env \(environment)")
        }
        if options.output == .json {
            return Talk.data(JSONValue.object([
                "commit": .string(head.text), "releases": .array(try releases.map { try JSONValue(encoding: $0) }),
            ]).canonicalText)
        }
        Talk.note("# at \(head.short)")
        Talk.data(releases.map { ReleaseFile.text($0) }.joined(separator: "---\n").trimmingCharacters(in: .newlines))
    }
}

struct ReleaseHistory: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "history",
        abstract: "The commits that changed what serves for a model, newest first."
    )

    @Argument(help: "The model.")
    var model: String

    @OptionGroup var options: EnvironmentOptions

    @Option(help: "How many.")
    var limit: Int = 20

    func run() async throws {
        let path = ReleaseFile.path(of: try ModelName(model), in: try options.environmentName())
        let records = try await options.repository().history(of: path, limit: limit)
        if options.output == .json {
            return Talk.data(JSONValue.array(try records.map { try JSONValue(encoding: $0) }).canonicalText)
        }
        var table = TextTable(header: ["COMMIT", "TIME", "WHAT"])
        for record in records {
            let title = record.message.split(separator: "\n").first.map(String.init) ?? ""
            table.rows.append([record.id.short, String(record.time.description.prefix(19)), title])
        }
        Talk.data(table.text)
    }
}

struct ReleaseRollback: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rollback",
        abstract: "Commit the last good version back into service.",
        discussion: """
            Works without a running platform: it is a commit. A running one carries it out at once, without
            a failed request, as the last good version stays loaded.
            """
    )

    @Argument(help: "The model.")
    var model: String

    @OptionGroup var options: EnvironmentOptions

    @Option(help: "Why, for the history.")
    var reason: String = "rolled back by hand"

    func run() async throws {
        let environment = try options.environmentName()
        let name = try ModelName(model)
        let path = ReleaseFile.path(of: name, in: environment)
        let repository = try await options.repository()
        let head = try await repository.head()
        guard let text = try await repository.file(path, at: head) else {
            throw PlatformError(.notFound, "'\(environment)' has no release of '\(name)'")
        }
        let current = try ReleaseFile.parse(text, path: path)
        var back = try current.rollingBack()
        back.features = current.features
        guard back != current else {
            throw PlatformError(.failedPrecondition, "release '\(name)' serves its last good version already")
        }
        let commit = try await repository.commit(
            [path: ReleaseFile.text(back)],
            on: head,
            message: "Roll \(name) back to version \(back.champion.version)\n\n\(reason)\n\nSlipway-Action: rollback\n"
        )
        Talk.data(options.output == .json ? JSONValue.object(["commit": .string(commit.text)]).canonicalText : "\(commit.short): \(name) goes back to version \(back.champion.version)")
    }
}

struct ReleasePromote: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "promote",
        abstract: "Bring what serves in one environment into another, through the same gates.",
        discussion: """
            Both platforms must run. The version is copied with its artifacts, digests unchanged and checked,
            and then takes the same road as any candidate.

              slipway release promote tumor --from dev --to prod
            """
    )

    @Argument(help: "The model.")
    var model: String

    @Option(help: "The environment to copy from.")
    var from: String

    @Option(help: "The environment to bring it into.")
    var to: String

    @Option(name: .long, help: ArgumentHelp("Where everything local lives.", valueName: "folder"))
    var home: String = ".slipway"

    @Option(name: .long, help: "text for people, json for programs.")
    var output: OutputFormat = .text

    func run() async throws {
        let name = try ModelName(model)
        let source = try EnvironmentName(from)
        guard from != to else { throw PlatformError(.invalidArgument, "'--from' and '--to' are the same environment") }
        var options = EnvironmentOptions()
        options.env = to
        options.home = home
        options.output = output
        try await PlatformConnection.with(options) { platform in
            let answer = try await platform.control.post("promotions", ["model": .string(name.text), "from": .string(source.text)])
            guard let id = answer["id"]?.stringValue else { throw PlatformError(.unexpected, "the platform answered no run id") }
            try await RunWatch(control: platform.control, output: output).watch(id)
        }
    }
}
