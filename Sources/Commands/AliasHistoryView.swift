import SlipwayCore
import SlipwayTracking

/// `slipway registry history` for people.
struct AliasHistoryView {
    func text(_ history: AliasHistory) -> String {
        var table = TextTable(header: ["TIME", "ALIAS", "FROM", "TO", "WHO", "COMMIT", "PROOF", "WHY"])
        for move in history.moves {
            table.rows.append([
                Self.time(move.time), move.alias, Self.version(move.from), Self.version(move.to), Self.who(move.origin),
                Self.commit(move.origin), Self.proof(move.origin), Self.why(move.origin),
            ])
        }
        return table.text
    }

    func text(_ snapshot: AliasSnapshot) -> String {
        var table = TextTable(header: ["ALIAS", "VERSION", "SINCE", "WHO", "COMMIT", "PROOF", "WHY"])
        for move in snapshot.aliases {
            table.rows.append([
                move.alias, Self.version(move.to), Self.time(move.time), Self.who(move.origin), Self.commit(move.origin),
                Self.proof(move.origin), Self.why(move.origin),
            ])
        }
        return table.text
    }

    /// What the table alone would not tell.
    func note(_ history: AliasHistory, alias: String?) -> String? {
        if history.moves.isEmpty { return "\(Self.subject(alias)) of '\(history.model)' has moved since \(Self.time(history.recordedSince))" }
        return history.nextPageToken.map { _ in "there are more: --limit shows them" }
    }

    func note(_ snapshot: AliasSnapshot, alias: String?) -> String? {
        if snapshot.asOf < snapshot.recordedSince {
            return "what was before \(Self.time(snapshot.recordedSince)) was not written down"
        }
        if snapshot.aliases.isEmpty { return "\(Self.subject(alias)) of '\(snapshot.model)' pointed at a version then" }
        return snapshot.nextPageToken.map { _ in "there are more: --limit shows them" }
    }

    private static func subject(_ alias: String?) -> String { alias.map { "no alias '\($0)'" } ?? "no alias" }

    /// To the millisecond, so that `--as-of` with it finds that move.
    private static func time(_ time: Timestamp) -> String { time.description }

    private static func version(_ version: Int64?) -> String { version.map { "\($0)" } ?? "-" }

    private static func who(_ origin: ChangeOrigin) -> String {
        origin.actor.kind == .claimed ? "\(origin.actor.name)?" : origin.actor.name
    }

    private static func commit(_ origin: ChangeOrigin) -> String { origin.commit?.short ?? "-" }
    private static func proof(_ origin: ChangeOrigin) -> String { origin.proof.map { String($0.hex.prefix(8)) } ?? "-" }
    private static func why(_ origin: ChangeOrigin) -> String { origin.reason.isEmpty ? "-" : origin.reason }
}
