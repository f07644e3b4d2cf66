import ArgumentParser
import Foundation
import SlipwayCore
import SlipwayStorage
import SlipwayTracking

struct TrackingToken: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "token",
        abstract: "The access tokens of a tracking server.",
        subcommands: [TrackingTokenCreate.self, TrackingTokenList.self, TrackingTokenRevoke.self]
    )
}

struct TrackingTokenCreate: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "create",
        abstract: "Make a token and print it: once, as only its digest is kept.",
        discussion: """
            read: look at everything. write: also change everything. admin: everything, and what later
            versions keep from 'write'.

              slipway tracking token create ci --scope write --expires 30d
            """
    )

    @Argument(help: "Who will hold it: the alias ledger names its holder by this.") var name: String
    @Option(help: ArgumentHelp("read, write or admin.", valueName: "scope"), transform: { try AccessScope(argument: $0) }) var scope: AccessScope
    @Option(help: ArgumentHelp("How long it is valid: 45m, 12h, 30d, 8w. Until it is revoked when left out.", valueName: "duration")) var expires: String?
    @OptionGroup var home: TrackingHomeOption
    @Option(help: "text for people, json for programs.") var output: OutputFormat = .text

    func run() async throws {
        let now = WallClock.system.now
        let end: Timestamp? = if let expires { now.advanced(by: try Lifetime(expires).duration) } else { nil }
        let secret = try AccessTokenFile(folder: home.folder.path).change { tokens throws(PlatformError) in
            var generator = SystemRandomNumberGenerator()
            return try tokens.issue(name: name, scope: scope, now: now, expires: end, using: &generator)
        }
        switch output {
        case .text:
            Talk.note("token '\(name)', scope \(scope.rawValue), \(end.map { "until \($0)" } ?? "until it is revoked"); it is not shown again:")
            Talk.data(secret)
        case .json:
            Talk.data(JSONValue.object([
                "name": .string(name), "scope": .string(scope.rawValue), "token": .string(secret),
                "expires": end.map { .string($0.description) } ?? .null,
            ]).canonicalText)
        }
    }
}

struct TrackingTokenList: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "list", abstract: "The tokens: names, scopes and times, never their texts.")

    @OptionGroup var home: TrackingHomeOption
    @Option(help: "text for people, json for programs.") var output: OutputFormat = .text

    func run() async throws {
        let now = WallClock.system.now
        let tokens = try AccessTokenFile(folder: home.folder.path).current().tokens.sorted { $0.name < $1.name }
        switch output {
        case .text:
            guard !tokens.isEmpty else { return Talk.note("no tokens") }
            let rows = tokens.map { token in
                [
                    token.name, token.scope.rawValue, token.created.description,
                    token.expires.map { "\($0)\(token.isExpired(at: now) ? " (expired)" : "")" } ?? "never",
                ]
            }
            Talk.data(TextTable(header: ["NAME", "SCOPE", "CREATED", "EXPIRES"], rows: rows).text)
        case .json:
            Talk.data(JSONValue.array(tokens.map { token in
                [
                    "name": .string(token.name), "scope": .string(token.scope.rawValue), "created": .string(token.created.description),
                    "expires": token.expires.map { .string($0.description) } ?? .null, "expired": .bool(token.isExpired(at: now)),
                ]
            }).canonicalText)
        }
    }
}

struct TrackingTokenRevoke: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "revoke",
        abstract: "Take a token away: a running server refuses it from its next request on."
    )

    @Argument(help: "The token's name.") var name: String
    @OptionGroup var home: TrackingHomeOption

    func run() async throws {
        try AccessTokenFile(folder: home.folder.path).change { tokens throws(PlatformError) in try tokens.revoke(name) }
        Talk.note("token '\(name)' is revoked")
    }
}

extension AccessScope {
    fileprivate init(argument: String) throws {
        guard let scope = Self(rawValue: argument) else { throw ValidationError("'\(argument)' is no scope: use read, write or admin") }
        self = scope
    }
}

/// `45m`, `12h`, `30d`, `8w`.
struct Lifetime {
    static let daysMax: Int64 = 3_650

    let duration: Duration

    /// - Throws: `invalid_argument` for another form, nothing, or more than ten years.
    init(_ text: String) throws(PlatformError) {
        let units: [Character: Int64] = ["m": 60, "h": 3_600, "d": 86_400, "w": 604_800]
        guard let unit = text.last.flatMap({ units[$0] }), let count = Int64(text.dropLast()), count > 0,
            count <= Self.daysMax * 86_400 / unit
        else {
            throw PlatformError(.invalidArgument, "'\(text.prefix(40))' is no lifetime", remedy: "write it as 45m, 12h, 30d or 8w, up to \(Self.daysMax)d")
        }
        duration = .seconds(count * unit)
    }
}
