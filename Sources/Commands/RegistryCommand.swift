import ArgumentParser
import Foundation
import SlipwayClients
import SlipwayCore
import SlipwayStorage
import SlipwayTracking

struct RegistryCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "registry",
        abstract: "Which version each alias points at, and since when.",
        subcommands: [RegistryHistory.self]
    )
}

struct RegistryHistory: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "history",
        abstract: "Every move of a model's aliases: when, from where to where, by whom, why, by which commit.",
        discussion: """
            Newest first. The tracking server writes each move down together with the move itself, and
            nothing can change it afterwards; history goes on when a version or the model is deleted.

              slipway registry history tumor
              slipway registry history tumor --alias champion --limit 5
              slipway registry history tumor --as-of 2026-01-31T12:00:00Z
              slipway registry history tumor --tracking http://127.0.0.1:5000 --output json

            With --as-of it says what each alias pointed at then. A name in WHO that ends with '?' is what
            the caller said of itself; the others were checked.

            Exit code 3 when the model never was in the registry, 5 when what answers is no embedded
            tracking server, 7 when nothing answers. MLFLOW_TRACKING_TOKEN is sent as a bearer token.
            """
    )

    static let limitMax = 10_000
    private static let pageMax = 1_000

    @Argument(help: "The model.")
    var model: String

    @Option(help: "Only this alias.")
    var alias: String?

    @Option(help: ArgumentHelp("What they pointed at then: RFC 3339, or milliseconds since 1970.", valueName: "time"))
    var asOf: String?

    @Option(help: "How many.")
    var limit: Int = 20

    @Option(help: ArgumentHelp("The tracking server; the environment's own when left out.", valueName: "url"))
    var tracking: String?

    @OptionGroup var options: EnvironmentOptions

    func run() async throws {
        guard (1...Self.limitMax).contains(limit) else {
            throw PlatformError(.invalidArgument, "'--limit \(limit)' is not between 1 and \(Self.limitMax)")
        }
        let time = try asOf.map { try Timestamp($0) }
        let url = try tracking ?? address()
        let token = ProcessInfo.processInfo.environment["MLFLOW_TRACKING_TOKEN"].flatMap { $0.isEmpty ? nil : $0 }
        let connections = HTTPConnections()
        do {
            try await show(AliasLedgerClient(url: url, token: token, connections: connections), time)
        } catch {
            // The first error is the one to tell; closing idle connections can add nothing to it.
            try? await connections.close()
            throw error
        }
        try await connections.close()
    }

    private func address() throws -> String {
        let home = EnvironmentHome(root: options.root.path, environment: try options.environmentName())
        guard let tracking = try home.endpoints().tracking else {
            throw PlatformError(.unavailable, "environment '\(options.env)' has no tracking server", remedy: "name one with --tracking")
        }
        return tracking
    }

    private func show(_ ledger: any AliasLedger, _ time: Timestamp?) async throws {
        let view = AliasHistoryView()
        guard let time else {
            let history = try await history(ledger)
            Talk.data(options.output == .json ? try JSONValue(encoding: history).canonicalText : view.text(history))
            if options.output == .text, let note = view.note(history, alias: alias) { Talk.note(note) }
            return
        }
        let snapshot = try await snapshot(ledger, time)
        Talk.data(options.output == .json ? try JSONValue(encoding: snapshot).canonicalText : view.text(snapshot))
        if options.output == .text, let note = view.note(snapshot, alias: alias) { Talk.note(note) }
    }

    /// As many pages as the limit needs.
    private func history(_ ledger: any AliasLedger) async throws -> AliasHistory {
        var page = try await ledger.aliasMoves(of: model, alias: alias, limit: min(limit, Self.pageMax), before: nil)
        var moves = page.moves
        while moves.count < limit, let token = page.nextPageToken.flatMap({ Int64($0) }), !page.moves.isEmpty {
            page = try await ledger.aliasMoves(of: model, alias: alias, limit: min(limit - moves.count, Self.pageMax), before: token)
            moves += page.moves
        }
        return AliasHistory(model: page.model, recordedSince: page.recordedSince, moves: moves, nextPageToken: page.nextPageToken)
    }

    private func snapshot(_ ledger: any AliasLedger, _ time: Timestamp) async throws -> AliasSnapshot {
        var page = try await ledger.aliases(of: model, alias: alias, asOf: time, limit: min(limit, Self.pageMax), after: nil)
        var aliases = page.aliases
        while aliases.count < limit, let token = page.nextPageToken, !page.aliases.isEmpty {
            page = try await ledger.aliases(of: model, alias: alias, asOf: time, limit: min(limit - aliases.count, Self.pageMax), after: token)
            aliases += page.aliases
        }
        return AliasSnapshot(
            model: page.model, asOf: page.asOf, recordedSince: page.recordedSince, aliases: aliases, nextPageToken: page.nextPageToken
        )
    }
}
